"""The real TensorRT-RTX builds our networks without a GPU, and its refusals become ours. Nothing is run here."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.asking.network_shapes import shapes_of
from models.catalog import CatalogEntry
from models.engines.tensorrt_build import build_engine
from models.engines.tensorrt_caches import ContextCache
from models.engines.tensorrt_graph import graph_for_tensorrt
from models.errors import RuntimeFailed
from models.importing.brainchop import ConvLayer, meshnet_graph
from models.runtimes.runtime import NO_SHAPES, ShapeRange, Shapes
from tests.optional import need

SHAPES: Shapes = {"input": ShapeRange(smallest=(1, 1, 8, 8, 8), usual=(1, 1, 32, 32, 32), largest=(1, 1, 64, 64, 64))}


@pytest.fixture(scope="module")
def trt() -> Any:
    """The real module."""
    return need("tensorrt_rtx")


def meshnet(folder: Path) -> Path:
    """Write a small MeshNet with seeded weights: dilations, ELU, ArgMax and Cast as brainchop's have."""
    random, widths = np.random.default_rng(0), (1, 5, 5, 3)
    layers = [
        ConvLayer(
            kernel=random.normal(size=(side, side, side, a, b)).astype(np.float32),
            bias=np.zeros(b, np.float32),
            dilation=dilation,
            normalised=False,
            activation="elu" if side > 1 else "linear",
        )
        for a, b, side, dilation in zip(widths, widths[1:], (3, 3, 1), (1, 4, 1), strict=False)
    ]
    file = folder / "meshnet.onnx"
    file.write_bytes(meshnet_graph(layers).SerializeToString())
    return file


def one_node(file: Path, node: Any, answer: int = TensorProto.FLOAT, **constants: Any) -> Path:
    """Write a network of one node on `input` (1, 1, d, h, w)."""
    shape = [1, 1, "d", "h", "w"]
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", answer, None)],
        initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def test_meshnet_is_built_and_the_same_every_time(trt: Any, tmp_path: Path) -> None:
    """Any size within the profile, labels as uint8; two builds are the same bytes."""
    file = meshnet(tmp_path)
    first, second = (build_engine(trt, file, SHAPES) for _ in range(2))
    assert len(first) > 1000
    assert first == second


def test_an_engine_may_be_for_a_gpu_that_is_not_here(trt: Any, tmp_path: Path) -> None:
    """Named compute capabilities need no GPU; the current one needs a driver and says so."""
    file = meshnet(tmp_path)
    assert build_engine(trt, file, SHAPES, compute_capabilities=("SM80", "SM89"))
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has an NVIDIA GPU")
    with pytest.raises(RuntimeFailed, match="driver"):
        build_engine(trt, file, SHAPES, compute_capabilities=("CURRENT",))


def test_the_shipped_test_model_is_built(trt: Any, threshold_model: CatalogEntry) -> None:
    """Label numbers that are uint8 inside the graph become int32 there, and stay uint8 in the answer."""
    file = threshold_model.directory / "model.onnx"
    assert build_engine(trt, file, shapes_of(threshold_model.card, "main"))
    rewritten = onnxruntime.InferenceSession(graph_for_tensorrt(file), providers=["CPUExecutionProvider"])
    array = np.random.default_rng(0).random((1, 1, 4, 5, 6), dtype=np.float32)
    (labels,) = rewritten.run(None, {"input": array})
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, array[0] > 0.5)


def test_without_shapes_a_free_axis_is_refused(trt: Any, tmp_path: Path) -> None:
    """A network that takes any size needs the card's sizes; the message names the input and what to give."""
    with pytest.raises(RuntimeFailed, match=r"the input input .* preparation\.size"):
        build_engine(trt, meshnet(tmp_path), NO_SHAPES)


def test_an_unknown_operator_is_refused_by_name(trt: Any, tmp_path: Path) -> None:
    """TensorRT's own words name the operator, ours say what to do."""
    node = helper.make_node("Det", ["input"], ["output"])
    with pytest.raises(RuntimeFailed, match=r"(?s)Det.*another runtime"):
        build_engine(trt, one_node(tmp_path / "det.onnx", node), SHAPES)


def test_what_is_no_network_is_refused(trt: Any, tmp_path: Path) -> None:
    """Bytes that are no ONNX file, and a file that is not there, are named failures."""
    file = tmp_path / "damaged.onnx"
    file.write_bytes(b"\x08\x07 this is no network" * 20)
    for wrong in (file, tmp_path / "nothing.onnx"):
        with pytest.raises(RuntimeFailed, match=wrong.name):
            build_engine(trt, wrong, SHAPES)


def test_unsigned_quantisation_is_refused_with_the_remedy(trt: Any, tmp_path: Path) -> None:
    """TensorRT takes signed int8 only; the message says which tool makes it."""
    node = helper.make_node("QuantizeLinear", ["input", "scale", "zero"], ["output"])
    file = one_node(tmp_path / "u8.onnx", node, TensorProto.UINT8, scale=np.float32(0.1), zero=np.array(128, np.uint8))
    with pytest.raises(RuntimeFailed, match="s8s8"):
        build_engine(trt, file, SHAPES)


@pytest.mark.filterwarnings("ignore:.*Timing cache.*:DeprecationWarning")
@pytest.mark.parametrize("before", [None, b"", b"nothing of TensorRT's" * 9])
def test_timings_are_kept_between_builds(trt: Any, tmp_path: Path, before: bytes | None) -> None:
    """A build leaves its timing cache; one that is not TensorRT's, or empty, is begun anew and costs no build."""
    timing = tmp_path / "cache" / "timing.cache"
    if before is not None:
        timing.parent.mkdir()
        timing.write_bytes(before)
    assert build_engine(trt, meshnet(tmp_path), SHAPES, timing=timing)
    assert timing.read_bytes().startswith(b"ptrt")
    assert build_engine(trt, meshnet(tmp_path), SHAPES, timing=timing)


def test_kernels_are_kept_where_a_flavour_makes_them(trt: Any, tmp_path: Path) -> None:
    """RTX's context is made with its runtime cache and CUDA graphs; what was kept is handed back at the next load."""
    said: list[Any] = []

    class Config:
        """Notes what it is told."""

        cuda_graph_strategy: Any = None

        def create_runtime_cache(self) -> Any:
            return SimpleNamespace(serialize=lambda: b"kernels", deserialize=said.append)

        def set_runtime_cache(self, cache: Any) -> None:
            said.append(cache)

    config = Config()
    engine = SimpleNamespace(create_runtime_config=lambda: config, create_execution_context=lambda given: given)
    for _ in range(2):
        kept = ContextCache(trt, engine, tmp_path / "one.kernels")
        assert kept.context(engine) is config
        kept.keep()
    assert config.cuda_graph_strategy == trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    assert said[1] == b"kernels"
    assert {"serialize", "deserialize"} <= set(dir(trt.IRuntimeCache))
    assert {"create_runtime_cache", "set_runtime_cache", "cuda_graph_strategy"} <= set(dir(trt.IRuntimeConfig))
