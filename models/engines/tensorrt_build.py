"""From an ONNX file to a TensorRT engine: parsed, strongly typed, a profile of the card's shapes. No GPU is needed.

`trt` is either flavour's module: `tensorrt` or `tensorrt_rtx` have the same classes.
"""

from pathlib import Path
from typing import Any

from models.engines.tensorrt_caches import attach_timing_cache, keep_timing_cache
from models.engines.tensorrt_graph import graph_for_tensorrt
from models.errors import OutOfDeviceMemory, RuntimeFailed
from models.runtimes.runtime import Shapes

_MOST_WORDS = 600


def build_engine(
    trt: Any, file: Path, shapes: Shapes, *, compute_capabilities: tuple[str, ...] = (), timing: Path | None = None
) -> bytes:
    """Return the serialised engine of an ONNX file. Types are the file's own: nothing is lowered here.

    Args:
        trt: The flavour's module.
        file: The network.
        shapes: Of the inputs that have axes of any length.
        compute_capabilities: Names of `trt.ComputeCapability` to build for; empty leaves it to the builder.
        timing: File with what earlier builds have timed on this GPU; made where it is missing.

    Raises RuntimeFailed with TensorRT's own words, OutOfDeviceMemory.
    """
    log = _log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph_for_tensorrt(file)):
        words = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise RuntimeFailed(_refusal(file, words or _words(log)))
    config = builder.create_builder_config()
    if compute_capabilities:
        config.num_compute_capabilities = len(compute_capabilities)
        for index, name in enumerate(compute_capabilities):
            config.set_compute_capability(getattr(trt.ComputeCapability, name), index)
    _add_profile(builder, network, config, shapes, file)
    if timing is not None:
        attach_timing_cache(config, timing)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        words = _words(log)
        if "out of memory" in words.lower():
            raise OutOfDeviceMemory(f"TensorRT has too little memory to build {file.name}: {words}")
        raise RuntimeFailed(_refusal(file, words))
    if timing is not None:
        keep_timing_cache(config, timing)
    return bytes(engine)


def _add_profile(builder: Any, network: Any, config: Any, shapes: Shapes, file: Path) -> None:
    profile, free = builder.create_optimization_profile(), []
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        if all(side >= 0 for side in tensor.shape):
            continue
        wanted = shapes.get(tensor.name)
        if wanted is None or len(wanted.usual) != len(tensor.shape):
            raise RuntimeFailed(
                f"{file.name}: the input {tensor.name} {tuple(tensor.shape)} has axes of any length, and the card does "
                "not say which lengths come: give preparation.size, or fix the shape in the ONNX file"
            )
        profile.set_shape(tensor.name, wanted.smallest, wanted.usual, wanted.largest)
        free.append(tensor.name)
    if free:
        config.add_optimization_profile(profile)


def _log(trt: Any) -> Any:
    class Log(trt.ILogger):
        """Keeps what TensorRT says instead of printing it."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.words: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(trt.ILogger.ERROR):
                self.words.append(message)

    return Log()


def _words(log: Any) -> str:
    return "; ".join(dict.fromkeys(log.words))[:_MOST_WORDS] or "it does not say why"


def _refusal(file: Path, words: str) -> str:
    """Say what TensorRT refused, and the remedy where it is known."""
    remedy = "list another runtime in models.runtimes, or export the network with other operators"
    if "QuantizeLinear" in words or "quantization" in words.lower():
        remedy = "it takes signed symmetric int8 only (s8s8): quantise with `wetread models build --precision int8`"
    return f"TensorRT cannot build {file.name}: {words[:_MOST_WORDS]}; {remedy}"
