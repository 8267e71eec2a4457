"""The same network gives the same numbers in every runtime; what lower precisions cost is measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from models.proving.precision import lowered
from models.proving.runtime_choice import runtime_named
from models.runtime_names import Precision, RuntimeName
from tests.optional import need
from tests.torch_programs import small_classifier, small_meshnet, small_unet

NETWORKS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "unet": (small_unet, (1, 1, 24, 24, 24)),
    "meshnet": (small_meshnet, (1, 1, 20, 24, 28)),
    "classifier": (small_classifier, (4, 1, 48, 48)),
}


@pytest.fixture(scope="module", params=NETWORKS, ids=str)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A network as ONNX file and program, an input, and what torch answers in eager mode."""
    torch = need("torch")
    from models.torch_export import write_onnx, write_pt2  # noqa: PLC0415

    make, shape = NETWORKS[request.param]
    folder, module = tmp_path_factory.mktemp(request.param), make()
    example = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    write_onnx(module, example, folder / "model.onnx")
    write_pt2(module, example, folder / "model.pt2")
    with torch.inference_mode():
        wanted = module(torch.from_numpy(example)).numpy()
    return {"name": request.param, "file": folder / "model.onnx", "input": example, "wanted": wanted}


def relative_error(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Return the largest error by the largest number that is wanted."""
    return float(np.abs(found.astype(np.float64) - wanted).max() / np.abs(wanted).max())


def answer(network: dict[str, Any], name: RuntimeName, file: Path, precision: Precision = "fp32") -> NDArray[Any]:
    """Return what a runtime answers to the network's input."""
    loaded = runtime_named(name).load(file, threads=1, precision=precision)
    found: NDArray[Any] = np.asarray(loaded.infer({"input": network["input"]})["logits"])
    loaded.close()
    return found


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "torch"])
def test_fp32_is_the_same_everywhere(network: dict[str, Any], name: RuntimeName) -> None:
    """Every runtime agrees with torch's eager mode to a hundred-thousandth."""
    assert relative_error(answer(network, name, network["file"]), network["wanted"]) < 2e-5


@pytest.mark.parametrize(
    ("name", "precision", "bound"), [("openvino", "bf16", 0.06), ("torch", "bf16", 0.06), ("torch", "fp16", 0.01)]
)
def test_the_runtimes_own_lower_precision(
    network: dict[str, Any], name: RuntimeName, precision: Precision, bound: float
) -> None:
    """A runtime that lowers the file by itself drifts, by less than the bound, and says in what it computes."""
    found = answer(network, name, network["file"], precision)
    assert found.dtype == np.float32
    assert 0 < relative_error(found, network["wanted"]) < bound
    loaded = runtime_named(name).load(network["file"], threads=1, precision=precision)
    assert loaded.runtime.split()[-1] == precision


@pytest.mark.parametrize(("precision", "bound"), [("fp16", 0.01), ("int8", 0.15)])
def test_a_rewritten_file_drifts_within_bounds(
    network: dict[str, Any], tmp_path: Path, precision: Precision, bound: float
) -> None:
    """fp16 and int8 as written into the file are measured in ONNX Runtime; input and answer stay float32."""
    file = tmp_path / "lower.onnx"
    file.write_bytes(lowered(network["file"], precision, [{"input": network["input"]}]))
    found = answer(network, "onnxruntime", file, precision)
    assert found.dtype == np.float32
    assert 0 < relative_error(found, network["wanted"]) < bound


def test_int8_is_what_tensorrt_takes(network: dict[str, Any], tmp_path: Path) -> None:
    """Every zero point is a signed 0 (s8s8): TensorRT refuses unsigned and asymmetric quantisation."""
    file = tmp_path / "int8.onnx"
    file.write_bytes(lowered(network["file"], "int8", [{"input": network["input"]}]))
    graph = onnx.load(file).graph
    constants = {constant.name: onnx.numpy_helper.to_array(constant) for constant in graph.initializer}
    nodes = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert nodes
    for node in nodes:
        zero = constants[node.input[2]]
        assert zero.dtype in (np.int8, np.int32)
        assert not zero.any()
