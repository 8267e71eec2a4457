"""Everything around an engine, with a labelled fake in its place; and what the real one says without a driver."""

from pathlib import Path

import numpy as np
import pytest

from models.asking.network_shapes import shapes_of
from models.catalog import CatalogEntry
from models.engines.cuda_driver import Gpu, Meaning, error_of, meaning_of
from models.errors import DeviceLost, OutOfDeviceMemory, RuntimeFailed
from models.proving.runtime_choice import load_proven, runtime_named
from models.runtimes.onnx_runtime import OnnxRuntime
from models.testing_tensorrt import LABEL, FakeCuda, FakeTensorrtRuntime
from tests.optional import need

H200 = Gpu(name="NVIDIA H200", compute_capability=(9, 0), driver=13000)


@pytest.fixture
def fake(tmp_path: Path) -> FakeTensorrtRuntime:
    """A TensorRT that is none, on a GPU that is none."""
    return FakeTensorrtRuntime(tmp_path / "engines", FakeCuda(H200))


def test_an_engine_answers_what_its_network_does(fake: FakeTensorrtRuntime, threshold_model: CatalogEntry) -> None:
    """Inputs reach the device and answers come back, the second inference in the same memory as the first."""
    file = threshold_model.directory / "model.onnx"
    network = fake.load(file, threads=1, shapes=shapes_of(threshold_model.card, "main"))
    kept = []
    for seed in (1, 2):
        array = np.random.default_rng(seed).random((1, 1, 16, 16, 16), dtype=np.float32)
        kept.append(network.infer({"input": array})["labels"])
        np.testing.assert_array_equal(kept[-1], array[0] > 0.5)
    assert kept[0] is not kept[1]
    assert not np.array_equal(*kept)
    assert network.runtime == "tensorrt 0.fake NVIDIA-H200"
    in_use = fake._cuda.in_use if isinstance(fake._cuda, FakeCuda) else 0
    network.close()
    network.close()
    assert in_use > 0
    assert isinstance(fake._cuda, FakeCuda)
    assert fake._cuda.in_use == 0
    with pytest.raises(RuntimeFailed, match="closed"):
        network.infer({"input": np.zeros((1, 1, 16, 16, 16), np.float32)})


def test_a_shape_outside_the_profile_is_refused(fake: FakeTensorrtRuntime, threshold_model: CatalogEntry) -> None:
    """What the card did not announce is refused by name, and what it did still works."""
    file = threshold_model.directory / "model.onnx"
    network = fake.load(file, threads=1, shapes=shapes_of(threshold_model.card, "main"))
    with pytest.raises(RuntimeFailed, match=r"its engine takes \(1, 1, 16, 16, 16\)"):
        network.infer({"input": np.zeros((1, 1, 17, 16, 16), np.float32)})
    with pytest.raises(RuntimeFailed, match="float64"):
        network.infer({"input": np.zeros((1, 1, 16, 16, 16))})
    with pytest.raises(RuntimeFailed, match="its inputs are input"):
        network.infer({"signal": np.zeros(1, np.float32)})
    assert network.infer({"input": np.ones((1, 1, 16, 16, 16), np.float32)})["labels"].all()


def test_the_second_load_builds_nothing(fake: FakeTensorrtRuntime, threshold_model: CatalogEntry) -> None:
    """An engine of this machine is taken from the cache."""
    file, shapes = threshold_model.directory / "model.onnx", shapes_of(threshold_model.card, "main")
    for _ in range(2):
        fake.load(file, threads=1, shapes=shapes).close()
    assert fake.built == ["model.onnx"]


def test_a_cache_that_cannot_be_used_is_named(tmp_path: Path, threshold_model: CatalogEntry) -> None:
    """Where the directory of engines cannot be made, the runtime is passed over with the remedy, not a traceback."""
    (tmp_path / "file").touch()
    fake = FakeTensorrtRuntime(tmp_path / "file" / "engines", FakeCuda(H200))
    with pytest.raises(RuntimeFailed, match="WETREAD_ENGINE_CACHE"):
        fake.load(threshold_model.directory / "model.onnx", threads=1)


def test_an_engine_of_another_gpu_is_not_loaded(tmp_path: Path, threshold_model: CatalogEntry) -> None:
    """Another GPU, driver or version builds its own engine beside the first."""
    file, shapes = threshold_model.directory / "model.onnx", shapes_of(threshold_model.card, "main")
    for gpu, version in (
        (H200, "1"),
        (Gpu(name="NVIDIA L4", compute_capability=(8, 9), driver=13000), "1"),
        (Gpu(name="NVIDIA H200", compute_capability=(9, 0), driver=13010), "1"),
        (H200, "2"),
    ):
        runtime = FakeTensorrtRuntime(tmp_path / "engines", FakeCuda(gpu), version)
        runtime.load(file, threads=1, shapes=shapes)
        assert runtime.built == ["model.onnx"]
    assert len(list((tmp_path / "engines").glob("*.engine"))) == 4


def test_an_engine_that_is_not_taken_is_forgotten(fake: FakeTensorrtRuntime, threshold_model: CatalogEntry) -> None:
    """A plan that the runtime does not deserialise is a named failure, and the next load builds anew."""
    file, shapes = threshold_model.directory / "model.onnx", shapes_of(threshold_model.card, "main")
    fake._cache.get(fake.key(file, H200, "fp32", shapes), lambda: b"no engine")
    with pytest.raises(RuntimeFailed, match="does not take its engine"):
        fake.load(file, threads=1, shapes=shapes)
    fake.load(file, threads=1, shapes=shapes)
    assert fake.built == ["model.onnx"]


def test_out_of_device_memory_has_a_name_and_frees_what_it_can(tmp_path: Path, threshold_model: CatalogEntry) -> None:
    """A GPU that is too small raises OutOfDeviceMemory, and keeps nothing of the attempt."""
    cuda = FakeCuda(H200, memory_bytes=16**3 * 4)
    network = FakeTensorrtRuntime(tmp_path / "engines", cuda).load(
        threshold_model.directory / "model.onnx", threads=1, shapes=shapes_of(threshold_model.card, "main")
    )
    with pytest.raises(OutOfDeviceMemory, match="too little memory"):
        network.infer({"input": np.zeros((1, 1, 16, 16, 16), np.float32)})
    assert cuda.in_use == 0


def test_falling_back_is_told(tmp_path: Path, threshold_model: CatalogEntry) -> None:
    """A GPU that answers wrongly is passed over for the next runtime of the site's order; the engine stays labelled."""
    told: list[tuple[str, str]] = []
    runtime = FakeTensorrtRuntime(tmp_path / "engines", FakeCuda(H200, memory_bytes=10))
    model = load_proven(
        threshold_model, [runtime, OnnxRuntime()], threads=1, passed_over=lambda name, why: told.append((name, why))
    )
    assert model.runtime.startswith("onnxruntime ")
    assert [name for name, _ in told] == ["tensorrt"]
    (engine,) = (tmp_path / "engines").glob("*.engine")
    assert engine.read_bytes().startswith(LABEL)


@pytest.mark.parametrize(
    ("status", "kind", "meaning"),
    [
        (2, OutOfDeviceMemory, Meaning.NO_MEMORY),
        (700, DeviceLost, Meaning.POISONED),
        (719, DeviceLost, Meaning.POISONED),
        (100, RuntimeFailed, Meaning.NO_DEVICE),
        (803, RuntimeFailed, Meaning.NO_DEVICE),
        (1, RuntimeFailed, Meaning.FAILED),
    ],
)
def test_what_a_cuda_status_means(status: int, kind: type[Exception], meaning: Meaning) -> None:
    """Out of memory is tried smaller, a poisoned context ends the process, the rest is a runtime that failed."""
    assert meaning_of(status) is meaning
    error = error_of(status, "cuCall")
    assert type(error) is kind
    assert "cuCall" in str(error)


def test_without_a_driver_the_real_one_says_so(threshold_model: CatalogEntry) -> None:
    """The real TensorRT-RTX on a machine without a driver is a named failure with the remedy, not a crash."""
    need("tensorrt_rtx")
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has an NVIDIA GPU")
    with pytest.raises(RuntimeFailed, match="driver"):
        runtime_named("tensorrt-rtx").load(threshold_model.directory / "model.onnx", threads=1)
