"""OpenVINO on the CPU; the extra `openvino`."""

from pathlib import Path
from typing import Any

import openvino

from models.errors import RuntimeFailed
from models.runtime_names import Precision
from models.runtimes.processor import processor
from models.runtimes.runtime import NO_SHAPES, Arrays, Shapes, words_of

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
_VERSION = openvino.__version__.split("-", 1)[0]


class OpenvinoRuntime:
    """Loads networks into OpenVINO, on the CPU."""

    name = "openvino"

    def load(
        self,
        file: Path,
        *,
        threads: int,
        precision: Precision = "fp32",
        shapes: Shapes = NO_SHAPES,  # noqa: ARG002  # it takes any shape
    ) -> "OpenvinoNetwork":
        """Load an ONNX file. Raises RuntimeFailed."""
        # Left to itself OpenVINO computes in bfloat16 where the processor can: that is another precision, and precision
        # is only ever lowered for a model that was measured in it. int8 stands in the file, the rest stays as it was.
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": _HINTS[precision], "NUM_STREAMS": 1}
        core = openvino.Core()
        try:
            compiled = core.compile_model(core.read_model(file), "CPU", settings)
        except (RuntimeError, MemoryError) as error:
            raise RuntimeFailed(
                f"OpenVINO cannot load {file}: {_last_line(error)}; check it with `wetread models check`, or take "
                "another runtime"
            ) from error
        return OpenvinoNetwork(compiled, file, precision)


class OpenvinoNetwork:
    """A network in OpenVINO."""

    def __init__(self, compiled: Any, file: Path, precision: Precision) -> None:
        self._compiled = compiled
        self._precision = precision
        self._file = file

    @property
    def runtime(self) -> str:
        """What runs it, with version, device and, where lower, precision."""
        return words_of("openvino", _VERSION, "cpu", self._precision)

    @property
    def fingerprint(self) -> str:
        """The processor, which decides what code runs it."""
        return processor()

    def infer(self, inputs: Arrays) -> Arrays:
        """Run once. Raises RuntimeFailed."""
        if self._compiled is None:
            raise RuntimeFailed(f"{self._file} was closed; load it again")
        ports = {port.get_any_name(): port for port in self._compiled.inputs}
        for name, array in inputs.items():
            # OpenVINO would convert another dtype without a word.
            if name in ports and array.dtype != ports[name].get_element_type().to_dtype():
                raise RuntimeFailed(f"OpenVINO cannot run {self._file}: {name} is {array.dtype}")
        try:
            # A request of its own: its outputs are nobody else's, so they need no copy.
            answers = self._compiled.create_infer_request().infer(dict(inputs))
        except (RuntimeError, MemoryError, TypeError) as error:
            raise RuntimeFailed(f"OpenVINO cannot run {self._file}: {_last_line(error)}") from error
        return {port.get_any_name(): answers[port] for port in self._compiled.outputs}

    def close(self) -> None:
        """Give memory back."""
        self._compiled = None


def _last_line(error: Exception) -> str:
    """Return what OpenVINO says at the end: before that come the places in its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
