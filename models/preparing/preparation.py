"""From the source grid to the network's: orientation, size, and values. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.card.card_preparation import Values, VolumePreparation
from models.errors import CardError, InputRefused
from models.preparing.grid import Box, Grid, box_of, boxed, grid_of, oriented, patient_grid, resample, same_grid
from models.preparing.normalisation import normalise, window_of
from models.volume import Volume

_MONAI_TOLERANCE = 1e-8
_LITTLE = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """What a network is given, and where it lies.

    Attributes:
        array: ``(1, channels, d, h, w)`` float32, contiguous.
        affine: Of the last three axes, as in `models.volume.Volume`.
        window: The two source values that the preparation's percentiles are; a crop of the same source keeps them.
        part: Whether some of the volume lies beyond. What the card cuts off around a body since it is dark or 0 does
            not: that is chosen by what is in it.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    window: tuple[float, float]
    part: bool


def prepare(volume: Volume, preparation: VolumePreparation) -> Prepared:
    """Bring a volume to the network's grid and intensities.

    Raises InputRefused when the volume has no contrast or holds values that are not finite.
    """
    if len(volume.others) != len(preparation.channels):
        raise InputRefused(
            f"the card names {1 + len(preparation.channels)} series as channels, and {1 + len(volume.others)} are here"
        )
    others, whole = volume.others, grid_of(volume)
    if preparation.crop_non_zero:
        box = _non_zero(volume, others)
        # What lies on the same grid is cut alike: resampled, even where it is, it would be 0 no longer where it was 0.
        others = tuple(boxed(other, box) if same_grid(grid_of(other), whole) else other for other in others)
        volume, whole = boxed(volume, box), whole.boxed(box)
    before = preparation.normalised == "source-grid"
    window = None
    if before:
        others = tuple(
            _on_source(name, other, volume, preparation)
            for name, other in zip(preparation.channels, others, strict=True)
        )
        volume, window = _normalised(volume, preparation)
    source, grid, outside = _fitted(volume, preparation)
    part = _lies_beyond(source, grid)
    fitted = resample(source, grid, interpolation=preparation.interpolation, outside=outside)
    array = fitted.array.astype(np.float32, copy=False)
    if window is None:
        window = window_of(array, preparation)
        normalise(array, preparation, window)
    named = zip(preparation.channels, others, strict=True)
    channels = [array, *(_channel(name, other, fitted, whole, preparation) for name, other in named)]
    if preparation.crop_above is not None:
        # After all have been normalised: what is cut off counts in their statistics.
        box = _above(array, preparation.crop_above, preparation.crop_multiple)
        channels, grid = [channel[box] for channel in channels], grid.boxed(box)
    return Prepared(array=np.stack(channels)[np.newaxis], affine=grid.affine, window=window, part=part)


def _lies_beyond(source: Volume, grid: Grid) -> bool:
    """Say whether some of a volume lies beyond a grid by more than a hundredth of a side."""
    last = np.array(source.array.shape) - 1
    corners = np.array([[*(place * last), 1.0] for place in np.ndindex(2, 2, 2)]).T
    sides = np.array(grid.shape)[:, np.newaxis]
    places = (np.linalg.inv(grid.affine) @ source.affine @ corners)[:3]
    slack = np.maximum(1.0, _LITTLE * sides)
    return bool(((places < -0.5 - slack) | (places > sides - 0.5 + slack)).any())


def _channel(
    name: str, other: Volume, fitted: Volume, whole: Grid, preparation: VolumePreparation
) -> NDArray[np.float32]:
    """Bring another series to the first one's prepared grid, through patient space, and normalise it for itself.

    Beyond its edges it goes on as the first one does where it lies on that one's own grid, `whole`, else with its
    lowest value.
    """
    if preparation.normalised == "source-grid":
        # It lies on the first one's own grid, and ends where that ends.
        there = resample(other, grid_of(fitted), interpolation=preparation.interpolation, outside=None)
        return np.ascontiguousarray(there.array, np.float32)
    outside = preparation.outside
    if outside is None and (preparation.fit == "conform" or not same_grid(grid_of(other), whole)):
        outside = float(np.min(np.asarray(other.array)))
    there = resample(other, grid_of(fitted), interpolation=preparation.interpolation, outside=outside)
    array = np.ascontiguousarray(there.array, np.float32)
    values = preparation.channel_values.get(name, preparation)
    normalise(array, values, window_of(array, values))
    return array


def _on_source(name: str, other: Volume, volume: Volume, preparation: VolumePreparation) -> Volume:
    """Bring another series to the first one's own grid and normalise it there, for itself."""
    there = resample(
        other, grid_of(volume), interpolation=preparation.interpolation, outside=float(np.min(np.asarray(other.array)))
    )
    return _normalised(there, preparation.channel_values.get(name, preparation))[0]


def _normalised(volume: Volume, values: Values) -> tuple[Volume, tuple[float, float]]:
    """Return a series with normalised values, and their window before."""
    array = np.array(volume.array, np.float32)
    window = window_of(array, values)
    normalise(array, values, window)
    return Volume(array=array, affine=volume.affine), window


def _non_zero(volume: Volume, others: tuple[Volume, ...]) -> Box:
    inside = volume.array != 0
    for other in others:
        inside |= resample(other, grid_of(volume), interpolation="nearest", outside=0).array != 0
    box = box_of(inside)
    if box is None:
        raise InputRefused("the images hold nothing but 0; look at them")
    return box


def _fitted(volume: Volume, preparation: VolumePreparation) -> tuple[Volume, Grid, float | None]:
    """Return what is sampled, the network's grid, and the value outside of the source (None: that at its edge)."""
    size, spacing_mm = preparation.size, preparation.spacing_mm
    if preparation.fit == "conform" and size is not None and spacing_mm is not None:
        grid = patient_grid(preparation.orientation, spacing_mm, size, grid_of(volume).centre_mm)
        lowest = float(volume.array.min())
        return volume, grid, lowest if preparation.outside is None else preparation.outside
    source = oriented(volume, preparation.orientation)
    if preparation.fit == "spacing" and spacing_mm is not None:
        slices_mm, rows_mm, columns_mm = (
            wanted or own for own, wanted in zip(source.spacing_mm, spacing_mm, strict=True)
        )
        grid = _centred(_spaced(source, (slices_mm, rows_mm, columns_mm), preparation), preparation.crop_centre)
        return source, _padded(grid, preparation.pad_multiple), preparation.outside
    if preparation.fit == "resize" and size is not None:
        return source, _centred(grid_of(source).stretched(size), preparation.crop_centre), preparation.outside
    raise CardError(f"preparation: fit = {preparation.fit} lacks its size or spacing_mm; add it to model.toml")


def _spaced(source: Volume, spacing_mm: tuple[float, float, float], preparation: VolumePreparation) -> Grid:
    """Return the grid of this spacing that covers the source."""
    sides = list(zip(source.array.shape, source.spacing_mm, spacing_mm, strict=True))
    if preparation.anchor == "edges":
        slices, rows, columns = (max(1, round(count * own / wanted)) for count, own, wanted in sides)
        return grid_of(source).stretched((slices, rows, columns))
    # Of halves the even one of the count, not of the steps: as MONAI rounds.
    slices, rows, columns = (round((count - 1) * own / wanted + 1) for count, own, wanted in sides)
    affine = source.affine.copy()
    affine[:3, :3] *= [wanted / own for _, own, wanted in sides]
    if not _starts_at_its_corner(source, spacing_mm):
        # Indices of half the sides, not of the middles: as MONAI does it.
        halves = np.array(source.array.shape) / 2, np.array((slices, rows, columns)) / 2
        affine[:3, 3] += source.affine[:3, :3] @ halves[0] - affine[:3, :3] @ halves[1]
    return Grid(affine=affine, shape=(slices, rows, columns))


def _starts_at_its_corner(source: Volume, spacing_mm: tuple[float, float, float]) -> bool:
    """Say whether MONAI's Spacing takes the first voxel: only if no corner lies before it, to eight digits.

    Direction cosines are rounded where they are written, so oblique images are not exactly at right angles, and then
    MONAI (`compute_shape_offset`) lays both grids' voxels of half their sides upon each other.
    """
    axes = source.affine[:3, :3]
    upright = np.linalg.cholesky(axes.T @ axes).T
    ends = upright / np.array(spacing_mm)[:, np.newaxis] * (np.array(source.array.shape) - 1)
    return bool((np.minimum(ends, 0.0).sum(axis=1) >= -_MONAI_TOLERANCE).all())


def _centred(grid: Grid, wanted: tuple[int, int, int] | None) -> Grid:
    """Return the part of a grid about its middle, whose voxel of index side // 2 becomes that of the part."""
    if wanted is None:
        return grid
    sides = []
    for side, kept in zip(grid.shape, wanted, strict=True):
        start = max(side // 2 - kept // 2, 0) if kept else 0
        sides.append(slice(start, min(start + (kept or side), side)))
    return grid.boxed((sides[0], sides[1], sides[2]))


def _padded(grid: Grid, multiple: int) -> Grid:
    slices, rows, columns = (-(-side // multiple) * multiple for side in grid.shape)
    return Grid(affine=grid.affine, shape=(slices, rows, columns))


def _above(values: NDArray[np.float32], above: float, multiple: int) -> Box:
    box = box_of(values > above)
    if box is None:
        raise InputRefused(f"nothing in the images lies above the card's crop_above ({above:g}); look at the images")
    sides = []
    for side, length in zip(box, values.shape, strict=True):
        wanted = min(-(-(side.stop - side.start) // multiple) * multiple, length)
        start = min(max(side.start - (wanted - (side.stop - side.start)) // 2, 0), length - wanted)
        sides.append(slice(start, start + wanted))
    return sides[0], sides[1], sides[2]
