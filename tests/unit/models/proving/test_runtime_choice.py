"""One contract for every runtime: what `runtime` promises holds for the real ones and for the shipped fake."""

import importlib.util
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from models.catalog import CatalogEntry
from models.engines.cuda_driver import Gpu
from models.errors import RuntimeFailed
from models.proving.runtime_choice import load_proven, runtime_named
from models.runtimes.onnx_runtime import OnnxRuntime
from models.runtimes.openvino_runtime import OpenvinoRuntime
from models.runtimes.runtime import LoadedNetwork, Runtime, ShapeRange
from models.testing import write_threshold_model
from models.testing_runtimes import ConstantRuntime
from models.testing_tensorrt import FakeCuda, FakeTensorrtRuntime
from tests.optional import need
from tests.torch_programs import write_threshold_program

RUNTIMES: list[Runtime] = [OnnxRuntime(), OpenvinoRuntime(), ConstantRuntime()]
GPU = Gpu(name="Fake", compute_capability=(0, 0), driver=0)
ANY_SHAPE = {"input": ShapeRange(smallest=(1, 1, 1, 1, 1), usual=(1, 1, 9, 9, 9), largest=(1, 1, 99, 99, 99))}


@dataclass(frozen=True)
class WithShapes:
    """A runtime that is always told the shapes, as it is when it loads by a card."""

    told: Runtime

    @property
    def name(self) -> str:
        """Its name."""
        return self.told.name

    def load(self, file: Path, *, threads: int) -> LoadedNetwork:
        """Load for any shape."""
        return self.told.load(file, threads=threads, shapes=ANY_SHAPE)


@pytest.fixture(params=["onnxruntime", "openvino", "torch", "tensorrt", "constant"])
def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Every runtime in turn; TensorRT's engine is a labelled fake here, the real one has tests of its own."""
    if request.param == "tensorrt":
        return WithShapes(FakeTensorrtRuntime(tmp_path / "engines", FakeCuda(GPU)))
    if request.param == "constant":
        return ConstantRuntime()
    if request.param == "torch":
        need("torch")
    return runtime_named(request.param)


@pytest.fixture
def file(threshold_model: CatalogEntry) -> Path:
    """An ONNX file from `input` (1, 1, d, h, w) to `labels` (1, d, h, w), with the same as a program beside it."""
    onnx_file = threshold_model.directory / "model.onnx"
    if importlib.util.find_spec("torch") is not None:
        write_threshold_program(onnx_file.with_suffix(".pt2"))
    return onnx_file


def test_infer_answers_the_files_outputs(runtime: Runtime, file: Path) -> None:
    """Names, shapes and dtypes of the answer are the ONNX file's, for any size of input."""
    network = runtime.load(file, threads=1)
    for shape in ((16, 16, 16), (3, 5, 7)):
        answer = network.infer({"input": np.random.default_rng(0).random((1, 1, *shape), dtype=np.float32)})
        assert set(answer) == {"labels"}
        assert answer["labels"].shape == (1, *shape)
        assert answer["labels"].dtype == np.uint8


def test_the_same_input_gives_the_same_answer(runtime: Runtime, file: Path) -> None:
    """A network has no memory of what it was asked before."""
    network = runtime.load(file, threads=2)
    array = np.random.default_rng(0).random((1, 1, 8, 8, 8), dtype=np.float32)
    first = np.array(network.infer({"input": array})["labels"])
    network.infer({"input": 1 - array})
    np.testing.assert_array_equal(network.infer({"input": array})["labels"], first)


def test_it_says_what_runs(runtime: Runtime, file: Path) -> None:
    """The runtime's words are its name, its version and the device."""
    words = runtime.load(file, threads=1).runtime.split()
    assert words[0] == runtime.name
    assert words[-1] in ("cpu", "Fake")
    assert len(words) == 3


def test_a_missing_file_is_a_named_failure(runtime: Runtime, tmp_path: Path) -> None:
    """Loading what is not there raises RuntimeFailed with the file's name."""
    with pytest.raises(RuntimeFailed, match=r"nothing\.(onnx|pt2)"):
        runtime.load(tmp_path / "nothing.onnx", threads=1)


def test_a_wrong_input_name_is_a_named_failure(runtime: Runtime, file: Path) -> None:
    """An input that the network does not have raises RuntimeFailed."""
    network = runtime.load(file, threads=1)
    with pytest.raises(RuntimeFailed):
        network.infer({"signal": np.zeros((1, 1, 4, 4, 4), np.float32)})


def test_after_close_nothing_is_answered(runtime: Runtime, file: Path) -> None:
    """A closed network raises RuntimeFailed; closing twice is allowed."""
    network = runtime.load(file, threads=1)
    network.close()
    network.close()
    with pytest.raises(RuntimeFailed, match="closed"):
        network.infer({"input": np.zeros((1, 1, 4, 4, 4), np.float32)})


def test_onnx_runtime_names_its_version(file: Path) -> None:
    """The version in the words is the installed one, so a kept golden verdict is not that of another version."""
    assert OnnxRuntime().load(file, threads=1).runtime == f"onnxruntime {onnxruntime.__version__} cpu"


def test_onnx_runtime_tells_its_maker_nothing(tmp_path: Path) -> None:
    """Its telemetry is off, whatever the site has set: no identifier of this machine is kept, nothing to be sent."""
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "ORT_DISABLE_TELEMETRY": "0"}
    subprocess.run(
        [sys.executable, "-c", "import models.runtimes.onnx_runtime"], env=environment, check=True, timeout=60
    )
    assert not list(tmp_path.rglob("*onnxruntime*"))


def test_onnx_runtime_translates_a_damaged_file(tmp_path: Path) -> None:
    """A file that is no ONNX raises RuntimeFailed with ONNX Runtime's own words."""
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"\x08\x07 this is no network" * 20)
    with pytest.raises(RuntimeFailed, match=r"cannot load .*damaged\.onnx"):
        OnnxRuntime().load(damaged, threads=1)


def test_onnx_runtime_translates_a_wrong_dtype_and_rank(file: Path) -> None:
    """An input of another dtype or rank raises RuntimeFailed instead of an exception of ONNX Runtime."""
    network = OnnxRuntime().load(file, threads=1)
    for wrong in (np.zeros((1, 1, 4, 4, 4), np.float64), np.zeros((4, 4), np.float32)):
        with pytest.raises(RuntimeFailed, match="cannot run"):
            network.infer({"input": wrong})


def test_a_slow_model_answers_the_same(tmp_path: Path) -> None:
    """The loop that makes the test model slow changes nothing in its answer."""
    array = np.random.default_rng(0).random((1, 1, 6, 6, 6), dtype=np.float32)
    answers = [
        OnnxRuntime()
        .load(write_threshold_model(tmp_path, id=f"rounds-{rounds}", slow_rounds=rounds) / "model.onnx", threads=1)
        .infer({"input": array})["labels"]
        for rounds in (0, 1000)
    ]
    np.testing.assert_array_equal(*answers)


def test_the_constant_runtime_waits_at_its_gate(tmp_path: Path, file: Path, wait_for: Callable[..., None]) -> None:
    """While the gate file is there the answer waits, so a test can do something in the middle of inference."""
    gate = tmp_path / "gate"
    gate.touch()
    network = ConstantRuntime(gate=gate).load(file, threads=1)
    answered = threading.Event()

    def ask() -> None:
        network.infer({"input": np.zeros((1, 1, 4, 4, 4), np.float32)})
        answered.set()

    thread = threading.Thread(target=ask)
    thread.start()
    assert not answered.wait(0.1)
    gate.unlink()
    wait_for(answered.is_set, deadline_s=10, what="the answer after the gate")
    thread.join()


def test_the_constant_runtime_travels_to_another_process(file: Path) -> None:
    """It can be pickled, so a model host can be started with it, and it answers what it was given."""
    fixed = {"signal": np.arange(3.0)}
    runtime: ConstantRuntime = pickle.loads(pickle.dumps(ConstantRuntime(answers=fixed)))  # noqa: S301 (our own bytes)
    answer = runtime.load(file, threads=1).infer({"anything": np.zeros(1)})
    np.testing.assert_array_equal(answer["signal"], [0.0, 1.0, 2.0])


def test_the_first_runtime_that_proves_itself_runs_the_model(threshold_model: CatalogEntry) -> None:
    """A runtime with a wrong golden answer is passed over, which is told, and the next one runs."""
    told: list[tuple[str, str]] = []
    wrong = ConstantRuntime(answers={"labels": np.zeros((1, 16, 16, 16), np.uint8)})
    model = load_proven(
        threshold_model, [wrong, OnnxRuntime()], threads=1, passed_over=lambda name, cause: told.append((name, cause))
    )
    assert model.runtime == f"onnxruntime {onnxruntime.__version__} cpu"
    ((name, cause),) = told
    assert name == "constant"
    assert "does not give its golden answer" in cause


def test_without_a_runtime_that_proves_itself_there_is_no_model(threshold_model: CatalogEntry) -> None:
    """The error holds the words of every runtime that was tried, and nothing else was."""
    wrong = ConstantRuntime(answers={"labels": np.zeros((1, 16, 16, 16), np.uint8)})
    with pytest.raises(RuntimeFailed, match="does not give its golden answer"):
        load_proven(threshold_model, [wrong], threads=1, passed_over=lambda _name, _cause: None)


def test_openvino_computes_in_32_bit_floats(file: Path) -> None:
    """Its answer on the edge of the threshold is ONNX Runtime's, which a lower precision would not give."""
    array = (0.5 + np.linspace(-1e-3, 1e-3, 4096, dtype=np.float32)).reshape(1, 1, 16, 16, 16)
    answers = [runtime.load(file, threads=1).infer({"input": array})["labels"] for runtime in RUNTIMES[:2]]
    np.testing.assert_array_equal(*answers)
    assert 0 < answers[0].sum() < answers[0].size
