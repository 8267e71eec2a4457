"""ONNX Runtime on the CPU."""

from pathlib import Path
from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from models.errors import RuntimeFailed
from models.runtime_names import Precision
from models.runtimes.processor import processor
from models.runtimes.runtime import NO_SHAPES, Arrays, Shapes, words_of

#: ONNX Runtime's exceptions have no common base of their own.
ONNX_RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.ModelLoaded,
    state.NoModel,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
    RuntimeError,
    ValueError,
    MemoryError,
)
_ERRORS_ONLY = 3


class OnnxRuntime:
    """Loads networks into ONNX Runtime, on the CPU."""

    name = "onnxruntime"

    def load(
        self,
        file: Path,
        *,
        threads: int,
        precision: Precision = "fp32",
        shapes: Shapes = NO_SHAPES,  # noqa: ARG002  # it takes any shape
    ) -> "OnnxNetwork":
        """Load an ONNX file. Raises RuntimeFailed."""
        if precision == "bf16":
            raise RuntimeFailed("ONNX Runtime does not compute in bf16 on a CPU; take openvino, or fp16 or int8")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait take the cores from whoever shares them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        # The arena keeps the largest activations for ever; freed memory goes back to the machine between jobs.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        options.log_severity_level = _ERRORS_ONLY
        try:
            session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except ONNX_RUNTIME_ERRORS as error:
            raise RuntimeFailed(
                f"ONNX Runtime cannot load {file}: {error}; check the model with `wetread models check`"
            ) from error
        return OnnxNetwork(session, file, precision)


class OnnxNetwork:
    """A network in ONNX Runtime."""

    def __init__(self, session: Any, file: Path, precision: Precision) -> None:
        self._session = session
        self._precision = precision
        self._file = file

    @property
    def runtime(self) -> str:
        """What runs it, with version, device and, where lower, precision."""
        return words_of("onnxruntime", onnxruntime.__version__, "cpu", self._precision)

    @property
    def fingerprint(self) -> str:
        """The processor, which decides what code runs it."""
        return processor()

    def infer(self, inputs: Arrays) -> Arrays:
        """Run once. Raises RuntimeFailed."""
        if self._session is None:
            raise RuntimeFailed(f"{self._file} was closed; load it again")
        names = [output.name for output in self._session.get_outputs()]
        try:
            answers = self._session.run(names, dict(inputs))
        except ONNX_RUNTIME_ERRORS as error:
            raise RuntimeFailed(f"ONNX Runtime cannot run {self._file}: {error}") from error
        return dict(zip(names, answers, strict=True))

    def close(self) -> None:
        """Give memory back."""
        self._session = None
