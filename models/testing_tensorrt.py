"""A labelled fake of TensorRT and of the CUDA driver for machines without a GPU: engines are ONNX files with a label.

It proves what is ours around an engine (cache, profile, memory, errors, fallback), not that TensorRT computes rightly.
"""

import ctypes
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

from models.engines.cuda_driver import Cuda, Gpu, error_of
from models.engines.engine_cache import EngineCache
from models.engines.tensorrt_runtime import TensorrtRuntime
from models.runtimes.runtime import Shapes

LABEL = b"FAKE ENGINE, NOT TENSORRT\n"
_OUT_OF_MEMORY = 2


class FakeCuda(Cuda):
    """Host memory that plays a GPU's, with a limit.

    Attributes:
        in_use: Bytes of device memory that are allocated.
    """

    def __init__(self, gpu: Gpu, memory_bytes: int = 1 << 30) -> None:
        """Take which GPU it plays and how much memory that has."""
        self._gpu = gpu
        self._memory_bytes = memory_bytes
        self._kept: dict[int, Any] = {}
        self.in_use = 0

    def gpu(self) -> Gpu:
        """Say which GPU it plays."""
        return self._gpu

    def enter(self) -> None:
        """Do nothing: host memory has no context."""

    def stream(self) -> int:
        """Return a number; everything is done at once."""
        return 1

    def synchronize(self, stream: int) -> None:
        """Do nothing: everything is done at once."""

    def close_stream(self, stream: int) -> None:
        """Do nothing."""

    def allocate(self, size_bytes: int) -> int:
        """Return an address, or raise what the real driver's status would."""
        if self.in_use + size_bytes > self._memory_bytes:
            raise error_of(_OUT_OF_MEMORY, "cuMemAlloc_v2")
        self.in_use += size_bytes
        return self.allocate_pinned(size_bytes)

    def free(self, address: int) -> None:
        """Give it back."""
        self.in_use -= len(self._kept.pop(address))

    def allocate_pinned(self, size_bytes: int) -> int:
        """Return an address."""
        memory = (ctypes.c_byte * size_bytes)()
        self._kept[ctypes.addressof(memory)] = memory
        return ctypes.addressof(memory)

    def free_pinned(self, address: int) -> None:
        """Give it back."""
        del self._kept[address]

    def to_device(self, device: int, host: int, size_bytes: int, stream: int) -> None:  # noqa: ARG002
        """Copy at once."""
        ctypes.memmove(device, host, size_bytes)

    def to_host(self, host: int, device: int, size_bytes: int, stream: int) -> None:  # noqa: ARG002
        """Copy at once."""
        ctypes.memmove(host, device, size_bytes)


class FakeTensorrtRuntime(TensorrtRuntime):
    """`tensorrt` with a fake builder and a fake engine; everything between them is the real thing.

    Attributes:
        built: Names of the files that were built, in order.
    """

    name = "tensorrt"

    def __init__(self, cache: Path, cuda: FakeCuda, version: str = "0.fake") -> None:
        """Take where engines are kept, which GPU is played, and which version."""
        self._cache = EngineCache(cache)
        self._cuda = cuda
        self._trt = _fake_module(version)
        self.built: list[str] = []

    def build(self, file: Path, shapes: Shapes, gpu: Gpu) -> bytes:
        """Return the labelled file."""
        self.built.append(file.name)
        profile = {name: [list(one.smallest), list(one.usual), list(one.largest)] for name, one in shapes.items()}
        head = json.dumps({"gpu": gpu.name, "version": self._trt.__version__, "profile": profile}).encode()
        return LABEL + head + b"\n" + file.read_bytes()


def _fake_module(version: str) -> Any:
    class Runtime:
        """Deserialises only what the fake builder of this version has built."""

        def __init__(self, log: Any) -> None:
            del log

        def deserialize_cuda_engine(self, plan: bytes) -> Any:
            if not plan.startswith(LABEL):
                return None
            head, _, network = plan.removeprefix(LABEL).partition(b"\n")
            described = json.loads(head)
            return _Engine(network, described["profile"]) if described["version"] == version else None

    return SimpleNamespace(
        __version__=version,
        Logger=_Logger,
        Runtime=Runtime,
        TensorIOMode=SimpleNamespace(INPUT="input", OUTPUT="output"),
        nptype=lambda dtype: dtype,
    )


class _Logger:
    ERROR = 1

    def __init__(self, severity: int) -> None:
        del severity


class _Engine:
    def __init__(self, network: bytes, profile: dict[str, list[list[int]]]) -> None:
        self.session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
        self.profile = profile
        self._names: list[str] = [str(one.name) for one in (*self.session.get_inputs(), *self.session.get_outputs())]
        self.num_io_tensors = len(self._names)

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_mode(self, name: str) -> str:
        return "input" if name in {one.name for one in self.session.get_inputs()} else "output"

    def get_tensor_dtype(self, name: str) -> Any:
        kinds = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int64)": np.int64}
        return kinds[
            next(one.type for one in (*self.session.get_inputs(), *self.session.get_outputs()) if one.name == name)
        ]

    def get_tensor_profile_shape(self, name: str, index: int) -> list[list[int]]:  # noqa: ARG002
        return self.profile[name]

    def create_execution_context(self) -> Any:
        return _Context(self)


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._answers: dict[str, Any] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self._engine.profile.get(name, [shape, shape, shape])
        if len(low) != len(shape) or not all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True)):
            return False
        self._shapes[name] = shape
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        # The real one infers it; the fake computes with zeros of the inputs' shapes.
        feeds = {each: np.zeros(shape, self._engine.get_tensor_dtype(each)) for each, shape in self._shapes.items()}
        (answer,) = self._engine.session.run([name], feeds)
        return tuple(answer.shape)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:  # noqa: ARG002
        feeds = {
            name: np.ndarray(shape, self._engine.get_tensor_dtype(name), buffer=self._memory(name, shape))
            for name, shape in self._shapes.items()
        }
        names = [one.name for one in self._engine.session.get_outputs()]
        for name, answer in zip(names, self._engine.session.run(names, feeds), strict=True):
            ctypes.memmove(self._addresses[name], np.ascontiguousarray(answer).ctypes.data, answer.nbytes)
        return True

    def _memory(self, name: str, shape: tuple[int, ...]) -> Any:
        size = int(np.prod(shape)) * np.dtype(self._engine.get_tensor_dtype(name)).itemsize
        return (ctypes.c_byte * size).from_address(self._addresses[name])
