"""What runs a network. One contract for every runtime: load, infer, close."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.runtime_names import Precision

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class ShapeRange:
    """Which shapes an input of a network can have: what an engine is built for.

    Attributes:
        smallest: Each axis at its shortest.
        usual: What most inputs have.
        largest: Each axis at its longest.
    """

    smallest: tuple[int, ...]
    usual: tuple[int, ...]
    largest: tuple[int, ...]


#: By the input's name.
Shapes = Mapping[str, ShapeRange]
NO_SHAPES: Shapes = MappingProxyType({})


def words_of(name: str, version: str, device: str, precision: Precision) -> str:
    """Return what records and reports call a runtime: name, version, device and, where lower, precision."""
    return " ".join([name, version, device.replace(" ", "-"), *([] if precision == "fp32" else [precision])])


class LoadedNetwork(Protocol):
    """A network that is resident and warm."""

    @property
    def runtime(self) -> str:
        """What runs it, with version and device, such as "onnxruntime 1.20.0 cpu"."""

    @property
    def fingerprint(self) -> str:
        """What else than file and `runtime` decides what it answers: the processor; an engine and its driver."""

    def infer(self, inputs: Arrays) -> Arrays:
        """Run once. Names and shapes are the ONNX file's. Raises RuntimeFailed."""

    def close(self) -> None:
        """Give memory back; later calls of infer are an error."""


class Runtime(Protocol):
    """Loads networks."""

    name: str

    def load(
        self, file: Path, *, threads: int, precision: Precision = "fp32", shapes: Shapes = NO_SHAPES
    ) -> LoadedNetwork:
        """Load an ONNX file. Raises RuntimeFailed, also for a precision that it cannot compute in.

        Args:
            file: The network.
            threads: On a CPU.
            precision: What it computes in; input and output keep the file's types.
            shapes: Of the inputs, for a runtime that builds for them; empty where nobody knows.
        """


class Infer(Protocol):
    """Asks one of a model's networks; in a worker's child this goes through the model host."""

    def __call__(self, network: str, inputs: Arrays) -> Arrays:
        """Run the named network of the card."""
