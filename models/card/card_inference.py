"""``[inference]`` of a card: the order in which its networks are asked."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.card.card_parts import Sha256, Side, Strict, in_order
from models.errors import ChecksumMismatch

Seconds = Annotated[float, Field(ge=0.0)]


class Whole(Strict):
    """The prepared volume in one piece."""

    strategy: Literal["whole"]


class LocateThenRead(Strict):
    """A first network finds the box on the coarse grid of the preparation, a second reads inside it at `read_size`."""

    strategy: Literal["locate-then-read"]
    plane_mean_above: float = Field(
        ge=0.0, lt=1.0, description="a plane belongs to the box when the coarse mask's mean on it is above"
    )
    enlarge: float = Field(default=1.0, ge=1.0)
    read_size: tuple[Side, Side, Side] = Field(description="voxels of the second network's input, at least 1")


class SlidingWindow(Strict):
    """The network reads windows of one size, moved over the prepared volume; answers are logits of classes."""

    strategy: Literal["sliding-window"]
    window: tuple[Side, Side, Side] = Field(description="voxels of the network's input, at least 1")
    overlap: float = Field(default=0.5, ge=0.0, le=0.9, description="share of a window's side")
    spread: Literal["even", "steps"] = Field(
        default="even", description="even: as in nnU-Net; steps: whole steps from the first voxel on, as in MONAI"
    )
    blending: Literal["gaussian", "gaussian-monai", "gaussian-nnunet", "constant"] = Field(
        default="gaussian",
        description="gaussian: about the window's middle; gaussian-monai: nowhere below 0.001, as in MONAI; "
        "gaussian-nnunet: about voxel side // 2, as in nnU-Net",
    )
    padding: Literal["lowest", "zero-around", "edge-around"] = Field(
        default="lowest",
        description="what fills up a volume that is smaller than a window: lowest: its lowest value, behind it; "
        "zero-around: 0 after preparation, half before it and half behind, as in nnU-Net and MONAI; edge-around: "
        "likewise its outermost values, as MONAI's replicate",
    )
    mirror_axes: tuple[Literal[0, 1, 2], ...] = Field(
        default=(),
        description="axes of the window along which mirrored copies are read too, in all combinations, and answers "
        "averaged, as in nnU-Net; with n axes a read takes 2^n times as long",
    )

    slice_axis: Literal[0, 1, 2] | None = Field(
        default=None,
        description="for a network of two dimensions, (n, channels, rows, columns): axis of the network's grid along "
        "which slices follow, each read by itself; `window` has 1 there",
    )

    @model_validator(mode="after")
    def _axes_are_told_apart(self) -> "SlidingWindow":
        if len(set(self.mirror_axes)) < len(self.mirror_axes):
            raise ValueError("mirror_axes names an axis twice")
        if self.slice_axis is not None and self.window[self.slice_axis] != 1:
            raise ValueError(f"slice_axis = {self.slice_axis} needs 1 there in window, not {list(self.window)}")
        if self.slice_axis in self.mirror_axes:
            raise ValueError("mirror_axes names slice_axis, along which the network reads one slice")
        return self

    @property
    def network_window(self) -> tuple[int, ...]:
        """Sides of the network's input: two, where it reads slices."""
        return tuple(side for axis, side in enumerate(self.window) if axis != self.slice_axis)


class Slices(Strict):
    """The network reads slice by slice, each with its neighbours as channels; answers are stacked to a volume."""

    strategy: Literal["slices"]
    axis: Literal[0, 1, 2] = Field(default=0, description="axis of the network's grid along which slices follow")
    neighbours: int = Field(
        default=0,
        ge=0,
        le=16,
        description="slices on either side that are channels too; beyond the end the last is repeated",
    )


class SingleWindow(Strict):
    """One window of the signal."""

    strategy: Literal["window"]
    trust_s: tuple[Seconds, Seconds] = Field(
        description="seconds of the window whose answer is used; a recording must reach the second"
    )

    @model_validator(mode="after")
    def _trusts_something(self) -> "SingleWindow":
        in_order(trust_s=self.trust_s)
        return self


class EntryPoint(Strict):
    """No network: Python code reads the source as it is, in a process of its own (group `wetread.models`)."""

    strategy: Literal["entry-point"]
    name: str = Field(pattern="^[A-Za-z0-9_.-]+$", description="of the entry point")
    version: str = Field(min_length=1, description="of the package that brings it; another one is refused")
    python: str = Field(default="", description="interpreter of another environment; left out: wetread's own")
    memory_gib: float = Field(default=8.0, gt=0, le=1e6, description="more, and an allocation fails there")
    time_limit_s: float = Field(default=900.0, gt=0, description="longer, and it is ended with all that it started")


class Command(Strict):
    """No network: a program or container that is given a directory of DICOM files and leaves its answer in another."""

    strategy: Literal["command"]
    argv: tuple[str, ...] = Field(
        min_length=1,
        description="program and arguments; {input} and {output} become the two directories; a container image is "
        "named with @sha256:",
    )
    sha256: Sha256 | None = Field(default=None, description="of the program, where argv names no image by its digest")
    time_limit_s: float = Field(default=1800.0, gt=0, description="longer, and it is ended with all that it started")

    @model_validator(mode="after")
    def _pinned(self) -> "Command":
        if self.sha256 is None and not any("@sha256:" in part for part in self.argv):
            raise ValueError("argv needs an image with @sha256:, or sha256 of the program: else nobody knows what ran")
        if not any("{output}" in part for part in self.argv):
            raise ValueError("argv needs {output}, the directory in which the answer is looked for")
        return self

    @property
    def identity(self) -> str:
        """What pins it: the program's checksum or the image's digest."""
        image = next((part.partition("@sha256:")[2] for part in self.argv if "@sha256:" in part), "")
        return self.sha256 or image

    def require_pinned(self) -> None:
        """Raise ChecksumMismatch where the program on this machine is not the one that the card names."""
        if self.sha256 is None:
            return
        try:
            found = hashlib.sha256(Path(self.argv[0]).read_bytes()).hexdigest()
        except OSError as error:
            raise ChecksumMismatch(f"{self.argv[0]} cannot be read ({error.strerror}); install the program") from error
        if found != self.sha256:
            raise ChecksumMismatch(f"{self.argv[0]} has sha256 {found}, its card says {self.sha256}")


Inference = Annotated[
    Whole | LocateThenRead | SlidingWindow | Slices | SingleWindow | EntryPoint | Command,
    Field(discriminator="strategy"),
]
