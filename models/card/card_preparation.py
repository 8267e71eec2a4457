"""``[preparation]`` of a card: from the source to the network's input."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.card.card_parts import (
    Axes,
    Deviation,
    Factor,
    Identifier,
    Percentile,
    Side,
    Spacing,
    Strict,
    Value,
    in_order,
)

Kept = Annotated[int, Field(ge=0)]


class Values(Strict):
    """How the values of a series are normalised."""

    normalisation: Literal["min-max", "percentile-z-score", "z-score", "non-zero-z-score", "fixed", "none"] = Field(
        description="min-max: the window of values becomes 0 to 1; z-scores: less the mean, divided by the deviation "
        "of all (percentile: clipped first) or of what is not 0, which stays 0; fixed: less `mean`, divided by `std`"
    )
    mean: Value | None = Field(default=None, description="with normalisation = fixed")
    std: Deviation | None = Field(default=None, description="with normalisation = fixed; above 0")
    percentiles: tuple[Percentile, Percentile] = Field(
        default=(0.0, 100.0), description="of the volume's values, from 0 to 100, the lower one first: what to clip to"
    )
    window: tuple[Value, Value] | None = Field(
        default=None, description="values (of a CT: HU) to clip to, instead of percentiles of the volume"
    )
    stretched: tuple[Value, Value] | None = Field(
        default=None, description="after that, the lowest value becomes the first of these, the highest the second"
    )
    scale: Factor = Field(default=1.0, description="of normalised values; not 0")
    offset: Value = Field(default=0.0, description="added after that")

    @model_validator(mode="after")
    def _values_are_whole(self) -> "Values":
        if (self.normalisation == "fixed") != (self.mean is not None and self.std is not None):
            raise ValueError("normalisation = fixed, and only it, needs mean and std")
        in_order(percentiles=self.percentiles, window=self.window, stretched=self.stretched)
        return self


class VolumePreparation(Values):
    """From the source grid to the network's input ``(1, 1, d, h, w)`` float32."""

    kind: Literal["volume"]
    orientation: Axes = Field(description="direction in which each axis of the network's grid grows")
    fit: Literal["conform", "resize", "spacing"] = Field(
        description="conform: resample to spacing_mm, centred, padded or cut to size; resize: stretch to size; "
        "spacing: resample to spacing_mm, all of it"
    )
    size: tuple[Side, Side, Side] | None = Field(
        default=None, description="voxels along each axis of the network's grid, at least 1"
    )
    spacing_mm: tuple[Spacing, Spacing, Spacing] | None = Field(
        default=None,
        description="of the network's grid along each axis; 0, with fit = spacing, keeps the images' own along it",
    )
    interpolation: Literal["linear", "nearest", "spline"] = Field(
        default="linear",
        description="spline: cubic, within the images' range of values; where one side of a voxel is more than three "
        "times another, within the planes only, and nearest across them, as nnU-Net does",
    )
    normalised: Literal["network-grid", "source-grid"] = Field(
        default="network-grid", description="whether values are normalised after resampling or before it"
    )
    anchor: Literal["edges", "first-voxel"] = Field(
        default="edges",
        description="with fit = spacing, what the new grid shares with the images': outer edges, or the centre of the "
        "first voxel, as MONAI's Spacing does (of oblique images, about the middle)",
    )
    channels: tuple[Identifier, ...] = Field(
        default=(),
        description="names of further series (selection.channels) that are the network's channels after the first, in "
        "this order, each resampled to the first one's grid and normalised for itself",
    )
    channel_values: dict[Identifier, Values] = Field(
        default={},
        description="by the names of channels: how that series' values are normalised; left out: as the first one's",
    )
    outside: Value | None = Field(
        default=None, description="source value beyond the images; left out: the lowest for conform, else the edge's"
    )
    crop_non_zero: bool = Field(
        default=False, description="before anything else, keep the box of the source in which a channel is not 0"
    )
    crop_centre: tuple[Kept, Kept, Kept] | None = Field(
        default=None,
        description="with fit = resize or spacing, before values are normalised: keep so many voxels of the network's "
        "grid about its middle, as MONAI's CenterSpatialCrop does; 0 keeps a side, and so does more than there is",
    )
    pad_multiple: int = Field(
        default=1, ge=1, description="with fit = spacing: sides are filled up to a multiple of this, at their ends"
    )
    crop_above: float | None = Field(default=None, description="after normalisation, keep the box of what is above")
    crop_multiple: int = Field(default=1, ge=1, description="the box's sides are rounded up to a multiple of this")

    @model_validator(mode="after")
    def _consistent(self) -> "VolumePreparation":
        if any(len(set(pair) & set(self.orientation)) != 1 for pair in ("LR", "AP", "IS")):
            raise ValueError("orientation needs one of L and R, one of A and P, one of I and S")
        if (self.fit != "resize") != (self.spacing_mm is not None):
            raise ValueError("fit = conform or spacing, and only they, need spacing_mm")
        if self.fit == "conform" and not all(self.spacing_mm or ()):
            raise ValueError("fit = conform needs spacing_mm above 0: a side is kept with fit = spacing only")
        if (self.fit != "spacing") != (self.size is not None):
            raise ValueError("fit = conform or resize, and only they, need size")
        if self.crop_centre is not None and self.fit == "conform":
            raise ValueError("crop_centre goes with fit = resize or spacing: conform is cut to its size already")
        if self.pad_multiple > 1 and self.fit != "spacing":
            raise ValueError("pad_multiple goes with fit = spacing only: the others have a size")
        if self.normalised == "source-grid" and (self.fit == "conform" or self.outside is not None):
            raise ValueError("normalised = source-grid goes with fit = resize or spacing, and without outside")
        stray = sorted(set(self.channel_values) - set(self.channels))
        if stray:
            raise ValueError(f"channel_values names {', '.join(stray)}, which channels does not name")
        return self


class ImagePreparation(Strict):
    """From each frame of images without a place in space to the network's input ``(1, channels, h, w)`` float32."""

    kind: Literal["image"]
    size: tuple[Side, Side] = Field(description="rows, columns of the network's input, at least 1")
    fit: Literal["stretch", "pad", "crop"] = Field(
        default="stretch",
        description="stretch: to size, whatever becomes of the aspect; pad: all of the image, with the lowest value "
        "beside it; crop: the largest part in the middle that has the aspect of size; pad and crop keep the body's "
        "aspect where the header says how large its pixels are, or of which aspect",
    )
    channels: Literal[1, 3] = Field(default=1, description="3: the same brightness three times")
    interpolation: Literal["linear", "nearest"] = Field(
        default="linear", description="linear: smoothed before an image is made smaller"
    )
    normalisation: Literal["min-max", "mean-std"] = Field(
        description="min-max: the window of values becomes 0 to 1; mean-std: then less mean, divided by std"
    )
    percentiles: tuple[Percentile, Percentile] = Field(
        default=(0.0, 100.0), description="of the image's values, from 0 to 100, the lower one first: what to clip to"
    )
    window: tuple[Value, Value] | None = Field(default=None, description="values to clip to, instead of percentiles")
    mean: tuple[Value, ...] = Field(default=(), description="one for each channel, or one for all")
    std: tuple[Deviation, ...] = Field(default=(), description="one for each channel, or one for all, above 0")
    scale: Factor = Field(default=1.0, description="of normalised values; not 0")
    offset: Value = Field(default=0.0, description="added after that")

    @model_validator(mode="after")
    def _consistent(self) -> "ImagePreparation":
        wanted = {1, self.channels} if self.normalisation == "mean-std" else {0}
        if len(self.mean) not in wanted or len(self.std) not in wanted:
            raise ValueError("normalisation = mean-std, and only it, needs mean and std: one of each, or one a channel")
        in_order(percentiles=self.percentiles, window=self.window)
        return self


class NoPreparation(Strict):
    """The model that comes as code or as a program does it itself."""

    kind: Literal["none"]


class WaveformPreparation(Strict):
    """From the source's channels to the network's input ``(1, samples)`` float32."""

    kind: Literal["waveform"]
    channel: str
    sampling_frequency_hz: float = Field(gt=0)
    samples: int = Field(gt=0)
    normalisation: Literal["average-rank"]


class SignalsPreparation(Strict):
    """From channels of the source to the network's input ``(1, channels, samples)`` float32."""

    kind: Literal["signals"]
    channels: tuple[str, ...] = Field(min_length=1, description="by name, in the network's order, such as I, II, V1")
    sampling_frequency_hz: float = Field(gt=0, description="resampled to this")
    samples: int = Field(gt=0, description="the first ones; a shorter recording is refused")
    normalisation: Literal["z-score", "none"] = Field(
        description="z-score: each channel less its mean, divided by its deviation; none: millivolt"
    )
