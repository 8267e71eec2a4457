"""``[inference]`` of a card: the order in which its networks are asked."""

from typing import Annotated, Literal

from pydantic import Field

from models.card_parts import Strict


class Whole(Strict):
    """The prepared volume in one piece."""

    strategy: Literal["whole"]


class LocateThenRead(Strict):
    """A first network finds the box on the coarse grid of the preparation, a second reads inside it at `read_size`."""

    strategy: Literal["locate-then-read"]
    plane_mean_above: float = Field(description="a plane belongs to the box when the coarse mask's mean on it is above")
    enlarge: float = Field(default=1.0, ge=1.0)
    read_size: tuple[int, int, int]


class SlidingWindow(Strict):
    """The network reads windows of one size, moved over the prepared volume; answers are logits of classes."""

    strategy: Literal["sliding-window"]
    window: tuple[int, int, int]
    overlap: float = Field(default=0.5, ge=0.0, le=0.9, description="share of a window's side")
    spread: Literal["even", "steps"] = Field(
        default="even", description="even: as in nnU-Net; steps: whole steps from the first voxel on, as in MONAI"
    )
    blending: Literal["gaussian", "gaussian-nnunet", "constant"] = Field(
        default="gaussian",
        description="gaussian: about the window's middle, as in MONAI; gaussian-nnunet: about voxel side // 2, as in "
        "nnU-Net",
    )


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
    trust_s: tuple[float, float] = Field(
        description="seconds of the window whose answer is used; a recording must reach the second"
    )


Inference = Annotated[Whole | LocateThenRead | SlidingWindow | Slices | SingleWindow, Field(discriminator="strategy")]
