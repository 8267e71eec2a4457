"""Buffers of an engine's inputs and answers: device memory, pinned host memory beside it, kept as long as they fit."""

import ctypes
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.engines.cuda_driver import Cuda


@dataclass
class _Pair:
    device: int
    host: int
    capacity: int
    used: int = 0


class Buffers:
    """Memory by the tensor's name; grown when a larger shape comes. Methods raise what `Cuda` raises."""

    def __init__(self, cuda: Cuda) -> None:
        """Take the context in which memory is had."""
        self._cuda = cuda
        self._pairs: dict[str, _Pair] = {}

    def input(self, name: str, array: NDArray[Any]) -> None:
        """Take what is to be sent."""
        self._view(name, array.shape, array.dtype)[...] = array

    def output(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the array that an answer will be in; valid until the next inference."""
        return self._view(name, shape, dtype)

    def device(self, name: str) -> int:
        """Return the address on the device."""
        return self._pairs[name].device

    def send(self, name: str, stream: int) -> None:
        """Queue the copy to the device."""
        pair = self._pairs[name]
        self._cuda.to_device(pair.device, pair.host, pair.used, stream)

    def fetch(self, name: str, stream: int) -> None:
        """Queue the copy to the host."""
        pair = self._pairs[name]
        self._cuda.to_host(pair.host, pair.device, pair.used, stream)

    def free(self) -> None:
        """Give all of it back."""
        pairs, self._pairs = self._pairs, {}
        for pair in pairs.values():
            self._release(pair)

    def _view(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        pair = self._pairs.get(name)
        if pair is None or pair.capacity < size:
            if pair is not None:
                self._release(self._pairs.pop(name))
            device = self._cuda.allocate(size)
            with ExitStack() as failed:
                failed.callback(self._cuda.free, device)
                host = self._cuda.allocate_pinned(size)
                failed.pop_all()
            pair = self._pairs[name] = _Pair(device=device, host=host, capacity=size)
        pair.used = size
        memory: Any = (ctypes.c_byte * size).from_address(pair.host)
        return np.ndarray(shape, dtype, buffer=memory)

    def _release(self, pair: _Pair) -> None:
        self._cuda.free(pair.device)
        self._cuda.free_pinned(pair.host)
