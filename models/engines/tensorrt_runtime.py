"""TensorRT in its two flavours, `tensorrt` (Enterprise) and `tensorrt-rtx`; two extras, one module.

An engine is built from the ONNX file for this GPU (RTX: for compute capabilities), kept in the engine cache, and proves
itself on the golden inputs like every other runtime. Types are the file's: precision is lowered before it comes here.
"""

import hashlib
import importlib
import os
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import structlog

from models.engines.cuda_driver import Cuda, Gpu
from models.engines.engine_cache import EngineCache, EngineKey
from models.engines.tensorrt_build import build_engine
from models.engines.tensorrt_caches import ContextCache
from models.engines.tensorrt_memory import Buffers
from models.errors import OutOfDeviceMemory, RuntimeFailed
from models.runtime_names import ENGINE_CACHE, Precision
from models.runtimes.runtime import NO_SHAPES, Arrays, Shapes, words_of

_log = structlog.get_logger()


class _TensorrtBase(ABC):
    name: str
    module: str

    def __init__(self, cache: Path | None = None) -> None:
        """Take where engines are kept. Raises ImportError where the extra is not installed."""
        self._trt: Any = importlib.import_module(self.module)
        named = os.environ.get(ENGINE_CACHE)
        self._cache = EngineCache(
            cache or (Path(named) if named else platformdirs.user_cache_path("wetread") / "engines")
        )
        self._cuda: Cuda | None = None

    def load(
        self,
        file: Path,
        *,
        threads: int,  # noqa: ARG002  # the contract's: a GPU has its own
        precision: Precision = "fp32",
        shapes: Shapes = NO_SHAPES,
    ) -> "TensorrtNetwork":
        """Load an ONNX file. Raises RuntimeFailed, OutOfDeviceMemory, DeviceLost."""
        if not file.is_file():
            raise RuntimeFailed(f"{file} is not there; import or fetch the model")
        try:
            return self._load(file, precision, shapes)
        except OSError as error:
            raise RuntimeFailed(
                f"{self.name} cannot use its engine cache {self._cache.root} ({error.strerror}): give wetread that "
                f"directory, or name another one in {ENGINE_CACHE}"
            ) from error

    def _load(self, file: Path, precision: Precision, shapes: Shapes) -> "TensorrtNetwork":
        # First: without a driver, deserialising an engine ends the process.
        self._cuda = self._cuda or Cuda()
        self._cuda.enter()
        gpu = self._cuda.gpu()
        key = self.key(file, gpu, precision, shapes)
        plan = self._cache.get(key, lambda: self.build(file, shapes, gpu), told=self._told)
        try:
            kept = self._kernels(self._cache.root / f"{key.digest}.{gpu.driver}.kernels")
            words = words_of(self.name, str(self._trt.__version__), gpu.name, precision)
            return TensorrtNetwork(self._trt, self._cuda, plan, file, words, kept, driver=gpu.driver)
        except RuntimeFailed:
            # Kept for another driver, or damaged in a way that its digest does not show: never tried a second time.
            self._cache.forget(key)
            raise

    def build(self, file: Path, shapes: Shapes, gpu: Gpu) -> bytes:
        """Return the engine of a file for this GPU. Raises RuntimeFailed, OutOfDeviceMemory."""
        return build_engine(
            self._trt, file, shapes, compute_capabilities=self._targets(gpu), timing=self._timing(self._cache.root)
        )

    def key(self, file: Path, gpu: Gpu, precision: Precision, shapes: Shapes) -> EngineKey:
        """Return all that the engine of a file depends on. Raises OSError."""
        return EngineKey(
            onnx_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            flavour=self.name,
            version=str(self._trt.__version__),
            precision=precision,
            shapes=tuple(f"{name} {one.smallest} {one.usual} {one.largest}" for name, one in sorted(shapes.items())),
            flags=("strongly-typed",),
            target=self._target(gpu),
        )

    def _told(self, why: str) -> None:
        _log.warning("engine not taken", runtime=self.name, cause=why)

    def _timing(self, root: Path) -> Path | None:  # noqa: ARG002
        """Return where timings of builds are kept; None for a flavour that times nothing."""
        return None

    def _kernels(self, file: Path) -> Path | None:  # noqa: ARG002
        """Return where kernels of loads are kept; None for a flavour whose engines hold them."""
        return None

    @abstractmethod
    def _targets(self, gpu: Gpu) -> tuple[str, ...]:
        """Return the compute capabilities that the builder is told; empty leaves them to it."""

    @abstractmethod
    def _target(self, gpu: Gpu) -> str:
        """Return what of a GPU an engine is for."""


class TensorrtRuntime(_TensorrtBase):
    """Enterprise TensorRT: an engine is for one GPU and one driver."""

    name = "tensorrt"
    module = "tensorrt"

    def _timing(self, root: Path) -> Path | None:
        return root / "timing.cache"

    def _targets(self, gpu: Gpu) -> tuple[str, ...]:  # noqa: ARG002  # the builder asks the GPU itself
        return ()

    def _target(self, gpu: Gpu) -> str:
        major, minor = gpu.compute_capability
        return f"{gpu.name}, {major}.{minor}, driver {gpu.driver}"


class TensorrtRtxRuntime(_TensorrtBase):
    """TensorRT-RTX: an engine is for compute capabilities; kernels are made for the GPU when it is loaded."""

    name = "tensorrt-rtx"
    module = "tensorrt_rtx"

    def _kernels(self, file: Path) -> Path | None:
        return file

    def _targets(self, gpu: Gpu) -> tuple[str, ...]:
        name = f"SM{gpu.compute_capability[0]}{gpu.compute_capability[1]}"
        known = set(self._trt.ComputeCapability.__members__)
        # A GPU that the builder has no name for (Hopper is one) is built for as the current one.
        return (name if name in known else "CURRENT",)

    def _target(self, gpu: Gpu) -> str:
        return f"{', '.join(self._targets(gpu))} of {gpu.compute_capability[0]}.{gpu.compute_capability[1]}"


class TensorrtNetwork:
    """An engine on the GPU."""

    def __init__(
        self,
        trt: Any,
        cuda: Cuda,
        plan: bytes,
        file: Path,
        words: str,
        kernels: Path | None = None,
        *,
        driver: int = 0,
    ) -> None:
        """Deserialise a plan; `kernels` is where those made for this GPU are kept.

        Raises RuntimeFailed, OutOfDeviceMemory.
        """
        self._fingerprint = f"{hashlib.sha256(plan).hexdigest()} driver {driver}"
        self._trt, self._cuda, self._file, self._runtime_words = trt, cuda, file, words
        self._lock = threading.Lock()
        self._log = trt.Logger(trt.Logger.ERROR)
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise RuntimeFailed(
                f"{words} does not take its engine of {file.name}: remove the engine cache and try again"
            )
        self._kept = ContextCache(trt, self._engine, kernels)
        self._context = self._kept.context(self._engine)
        if self._context is None:
            raise OutOfDeviceMemory(f"{words} has too little memory for {file.name}")
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        inputs = trt.TensorIOMode.INPUT
        self._inputs = [name for name in names if self._engine.get_tensor_mode(name) == inputs]
        self._outputs = [name for name in names if name not in self._inputs]
        self._stream = cuda.stream()
        self._buffers = Buffers(cuda)

    @property
    def runtime(self) -> str:
        """What runs it, with version, GPU and, where lower, precision."""
        return self._runtime_words

    @property
    def fingerprint(self) -> str:
        """The engine and the driver: another engine of the same file may answer otherwise."""
        return self._fingerprint

    def infer(self, inputs: Arrays) -> Arrays:
        """Run once. Raises RuntimeFailed, OutOfDeviceMemory, DeviceLost."""
        with self._lock:
            if self._engine is None:
                raise RuntimeFailed(f"{self._file} was closed; load it again")
            if set(inputs) != set(self._inputs):
                raise RuntimeFailed(
                    f"{self.runtime} cannot run {self._file.name}: its inputs are {', '.join(self._inputs)}"
                )
            self._cuda.enter()
            try:
                return self._run(inputs)
            except OutOfDeviceMemory:
                # What was kept for other shapes may be what is missing.
                self._buffers.free()
                raise

    def _run(self, inputs: Arrays) -> Arrays:
        for name, array in inputs.items():
            self._take_input(name, array)
        answers = {}
        for name in self._outputs:
            shape = tuple(int(side) for side in self._context.get_tensor_shape(name))
            dtype = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name)))
            answers[name] = self._buffers.output(name, shape, dtype)
            self._context.set_tensor_address(name, self._buffers.device(name))
        for name in self._inputs:
            self._buffers.send(name, self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise RuntimeFailed(f"{self.runtime} could not run {self._file.name}")
        for name in self._outputs:
            self._buffers.fetch(name, self._stream)
        self._cuda.synchronize(self._stream)
        # A copy: the pinned buffer is the next inference's.
        return {name: array.copy() for name, array in answers.items()}

    def _take_input(self, name: str, array: Any) -> None:
        wanted = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name)))
        if array.dtype != wanted:
            raise RuntimeFailed(f"{self.runtime} cannot run {self._file.name}: {name} is {array.dtype}, not {wanted}")
        if not self._context.set_input_shape(name, tuple(array.shape)):
            low, _, high = self._engine.get_tensor_profile_shape(name, 0)
            raise RuntimeFailed(
                f"{self.runtime} cannot run {self._file.name}: {name} is {array.shape}, its engine takes "
                f"{tuple(low)} to {tuple(high)}; the card's sizes must cover what comes"
            )
        self._buffers.input(name, array)
        self._context.set_tensor_address(name, self._buffers.device(name))

    def close(self) -> None:
        """Give memory back."""
        with self._lock:
            if self._engine is None:
                return
            self._cuda.enter()
            self._buffers.free()
            self._cuda.close_stream(self._stream)
            self._kept.keep()
            self._context = self._engine = self._runtime = None
