"""Ships for tests: a runtime whose answer is always the same, and one on a device that is too small or breaks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import DeviceLost, OutOfDeviceMemory, RuntimeFailed
from models.runtime_names import Precision
from models.runtimes.runtime import NO_SHAPES, Arrays, LoadedNetwork, Shapes

_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, kw_only=True)
class ConstantRuntime:
    """A `models.runtimes.runtime.Runtime` that answers the same to everything; can be pickled to a model host.

    Attributes:
        answers: Output name to array. Left out, the answer is `labels` uint8 ``(1, d, h, w)``: label 1 in a box of half
            the sides in the middle of the input ``(1, 1, d, h, w)``.
        gate: While this file is there, an answer waits; so a test can end a process in the middle of inference.
        delay_s: An answer takes at least this long.
        engine: What its networks call the engine that they were loaded from.
    """

    answers: Mapping[str, NDArray[np.generic]] | None = None
    gate: Path | None = None
    delay_s: float = 0.0
    engine: str = ""
    name: str = "constant"

    def load(
        self,
        file: Path,
        *,
        threads: int,  # noqa: ARG002 (the contract's)
        precision: Precision = "fp32",  # noqa: ARG002
        shapes: Shapes = NO_SHAPES,  # noqa: ARG002
    ) -> LoadedNetwork:
        """Load nothing. Raises RuntimeFailed when there is no such file, as every runtime does."""
        if not file.is_file():
            raise RuntimeFailed(f"{file} is not there; import or fetch the model")
        return _ConstantNetwork(self)


class _ConstantNetwork:
    def __init__(self, answering: ConstantRuntime) -> None:
        self._answering: ConstantRuntime | None = answering
        self._engine = answering.engine

    @property
    def runtime(self) -> str:
        return "constant 1 cpu"

    @property
    def fingerprint(self) -> str:
        return self._engine

    def infer(self, inputs: Arrays) -> Arrays:
        if self._answering is None:
            raise RuntimeFailed("the network was closed; load it again")
        answering = self._answering
        time.sleep(answering.delay_s)
        while answering.gate is not None and answering.gate.exists():
            time.sleep(_LOOK_EVERY_S)
        if answering.answers is not None:
            return answering.answers
        if set(inputs) != {"input"}:
            raise RuntimeFailed(f"the network has the input `input`, not {sorted(inputs)}")
        shape = inputs["input"].shape[2:]
        labels = np.zeros((1, *shape), np.uint8)
        z, y, x = (slice(side // 4, max(side // 4 + 1, side - side // 4)) for side in shape)
        labels[0, z, y, x] = 1
        return {"labels": labels}

    def close(self) -> None:
        self._answering = None


@dataclass(frozen=True, kw_only=True)
class ScarceRuntime:
    """ONNX Runtime on a device that is too small or breaks; can be pickled to a model host.

    Attributes:
        fits: Inputs that it has memory for at once.
        lost: While this file is there, every inference finds the device lost.
        log: Each inference appends the number of its inputs to this file, where one is named.
    """

    fits: int = 1 << 30
    lost: Path | None = None
    log: Path | None = None
    name: str = "scarce"

    def load(
        self, file: Path, *, threads: int, precision: Precision = "fp32", shapes: Shapes = NO_SHAPES
    ) -> LoadedNetwork:
        """Load the file into ONNX Runtime. Raises RuntimeFailed."""
        from models.runtimes.onnx_runtime import OnnxRuntime  # noqa: PLC0415  # the other fake does without a runtime

        return _ScarceNetwork(OnnxRuntime().load(file, threads=threads, precision=precision, shapes=shapes), self)


class _ScarceNetwork:
    def __init__(self, network: LoadedNetwork, scarce: ScarceRuntime) -> None:
        self._network = network
        self._scarce = scarce

    @property
    def runtime(self) -> str:
        return "scarce 1 cpu"

    @property
    def fingerprint(self) -> str:
        return self._network.fingerprint

    def infer(self, inputs: Arrays) -> Arrays:
        count = max(array.shape[0] for array in inputs.values())
        if self._scarce.log is not None:
            with self._scarce.log.open("a") as stream:
                stream.write(f"{count}\n")
        if self._scarce.lost is not None and self._scarce.lost.exists():
            raise DeviceLost("the device was lost on purpose")
        if count > self._scarce.fits:
            raise OutOfDeviceMemory(f"{count} inputs, and {self._scarce.fits} fit")
        return self._network.infer(inputs)

    def close(self) -> None:
        self._network.close()
