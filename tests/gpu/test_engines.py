"""Engines on a real GPU against ONNX Runtime on the CPU; skipped where there is none."""

import importlib
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.asking.network_shapes import shapes_of
from models.catalog import read_entry
from models.errors import ModelError, OutOfDeviceMemory, RuntimeFailed
from models.importing.brainchop import ConvLayer, import_brainchop, meshnet_graph
from models.loaded import LoadedModel
from models.proving.checking import check
from models.proving.precision import lowered
from models.proving.runtime_choice import runtime_named
from models.runtimes.onnx_runtime import OnnxRuntime
from models.runtimes.runtime import ShapeRange
from models.testing import write_threshold_model

pytestmark = pytest.mark.gpu
FLAVOURS = {"tensorrt-rtx": "tensorrt_rtx", "tensorrt": "tensorrt"}


@pytest.fixture(params=FLAVOURS)
def runtime(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each flavour that is installed, with a cache of its own."""
    if not Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has no NVIDIA GPU (no /dev/nvidiactl)")
    try:
        importlib.import_module(FLAVOURS[request.param])
    except ImportError:
        pytest.skip(f"{FLAVOURS[request.param]} is not installed")
    monkeypatch.setenv("WETREAD_ENGINE_CACHE", str(tmp_path / "engines"))
    return runtime_named(request.param)


@pytest.fixture
def meshnet(tmp_path: Path) -> Path:
    """A MeshNet with seeded weights that takes any size."""
    random, widths = np.random.default_rng(0), (1, 5, 5, 5, 4)
    layers = [
        ConvLayer(
            kernel=random.normal(size=(side, side, side, a, b)).astype(np.float32) / np.sqrt(side**3 * a),
            bias=random.normal(size=b).astype(np.float32),
            dilation=dilation,
            normalised=False,
            activation="elu" if side > 1 else "linear",
        )
        for (a, b), side, dilation in zip(itertools.pairwise(widths), (3, 3, 3, 1), (1, 4, 2, 1), strict=True)
    ]
    file = tmp_path / "meshnet.onnx"
    file.write_bytes(meshnet_graph(layers).SerializeToString())
    return file


SHAPES = {"input": ShapeRange(smallest=(1, 1, 16, 16, 16), usual=(1, 1, 48, 48, 48), largest=(1, 1, 64, 64, 64))}


def dice(found: Any, wanted: Any) -> dict[int, float]:
    """Return the overlap of each label."""
    labels = [int(label) for label in np.unique(wanted)]
    return {n: 2 * ((found == n) & (wanted == n)).sum() / ((found == n).sum() + (wanted == n).sum()) for n in labels}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_engine_answers_what_onnx_runtime_does(runtime: Any, meshnet: Path, tmp_path: Path, precision: Any) -> None:
    """At the smallest, a middle and the largest size, labels overlap ONNX Runtime's: 0.999 in fp32, 0.98 in fp16."""
    file = meshnet
    if precision != "fp32":
        file = tmp_path / "lower.onnx"
        file.write_bytes(lowered(meshnet, precision))
    network = runtime.load(file, threads=1, precision=precision, shapes=SHAPES)
    reference = OnnxRuntime().load(meshnet, threads=4)
    for side in (16, 37, 64):
        array = np.random.default_rng(side).standard_normal((1, 1, side, side, side), dtype=np.float32)
        found, wanted = network.infer({"input": array})["labels"], reference.infer({"input": array})["labels"]
        assert found.dtype == np.uint8
        assert min(dice(found, wanted).values()) > (0.999 if precision == "fp32" else 0.98)


def test_beyond_the_profile_is_refused(runtime: Any, meshnet: Path) -> None:
    """A size that the engine was not built for is a named failure, and the next one that fits is answered."""
    network = runtime.load(meshnet, threads=1, shapes=SHAPES)
    with pytest.raises(RuntimeFailed, match="its engine takes"):
        network.infer({"input": np.zeros((1, 1, 65, 16, 16), np.float32)})
    assert network.infer({"input": np.zeros((1, 1, 16, 16, 16), np.float32)})["labels"].shape == (1, 16, 16, 16)


def test_a_damaged_engine_is_built_anew(runtime: Any, meshnet: Path, tmp_path: Path) -> None:
    """An engine file with other bytes is never loaded: it is built again and answers."""
    runtime.load(meshnet, threads=1, shapes=SHAPES).close()
    (engine,) = (tmp_path / "engines").glob("*.engine")
    whole = engine.read_bytes()
    engine.write_bytes(whole[: len(whole) // 2])
    network = runtime.load(meshnet, threads=1, shapes=SHAPES)
    assert network.infer({"input": np.zeros((1, 1, 16, 16, 16), np.float32)})["labels"].shape == (1, 16, 16, 16)
    assert len(engine.read_bytes()) >= len(whole) // 2


def test_out_of_memory_has_its_name_and_passes(runtime: Any, meshnet: Path) -> None:
    """With the GPU's memory taken, an engine says OutOfDeviceMemory; with it back, it answers."""
    torch = importlib.import_module("torch")
    network = runtime.load(meshnet, threads=1, shapes=SHAPES)
    large = np.zeros((1, 1, 64, 64, 64), np.float32)
    free, _ = torch.cuda.mem_get_info()
    taken = [torch.empty(max(free - (4 << 20), 1), dtype=torch.uint8, device="cuda")]
    try:
        with pytest.raises(OutOfDeviceMemory):
            _ask_ever_more(network, large, taken)
    except torch.OutOfMemoryError:
        pytest.skip("PyTorch ran out before the engine did")
    finally:
        taken.clear()
        torch.cuda.empty_cache()
    assert network.infer({"input": large})["labels"].shape == (1, 64, 64, 64)


def _ask_ever_more(network: Any, value: Any, taken: list[Any]) -> None:
    torch = importlib.import_module("torch")
    for _ in range(64):
        taken.append(torch.empty(1 << 20, dtype=torch.uint8, device="cuda"))
        network.infer({"input": value})


def test_a_model_proves_itself_on_the_gpu(runtime: Any, tmp_path: Path) -> None:
    """The shipped test model gives its golden answer in an engine, as the model host would ask it."""
    entry = read_entry(write_threshold_model(tmp_path / "models", max_batch=4))
    (verdict,) = check(entry, runtime)
    assert verdict.passed


def test_a_whole_head_has_the_same_structures(runtime: Any, tmp_path: Path) -> None:
    """brain-structures on the real head, 256^3: every structure overlaps ONNX Runtime's by 0.99, volumes within 1 %."""
    data = os.environ.get("WETREAD_GPU_DATA")
    if data is None:
        pytest.skip("WETREAD_GPU_DATA names no folder with brainchop-models")
    entry = read_entry(import_brainchop(next(Path(data).rglob("model18cls")), tmp_path / "models"))
    array = np.random.default_rng(0).random((1, 1, 192, 192, 192), dtype=np.float32)
    answers = []
    for one in (runtime, OnnxRuntime()):
        try:
            model = LoadedModel.load(entry, one, 8)
        except ModelError as error:
            pytest.fail(str(error))
        answers.append(model.infer("main", {"input": array})["labels"])
        model.close()
    assert shapes_of(entry.card, "main")
    assert min(dice(*answers).values()) > 0.99
