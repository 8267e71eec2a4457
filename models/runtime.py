"""What runs a network. One contract for every runtime: load, infer, close."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.generic]]


class LoadedNetwork(Protocol):
    """A network that is resident and warm."""

    @property
    def runtime(self) -> str:
        """What runs it, with version and device, such as "onnxruntime 1.20.0 cpu"."""

    def infer(self, inputs: Arrays) -> Arrays:
        """Run once. Names and shapes are the ONNX file's. Raises RuntimeFailed."""

    def close(self) -> None:
        """Give memory back; later calls of infer are an error."""


class Runtime(Protocol):
    """Loads networks."""

    name: str

    def load(self, file: Path, *, threads: int) -> LoadedNetwork:
        """Load an ONNX file. Raises RuntimeFailed."""


class Infer(Protocol):
    """Asks one of a model's networks; in a worker's child this goes through the model host."""

    def __call__(self, network: str, inputs: Arrays) -> Arrays:
        """Run the named network of the card."""
