"""From the source grid to the network's: orientation, size, intensities. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card_preparation import VolumePreparation
from models.errors import CardError, InputRefused
from models.grid import Grid, box_of, boxed, grid_of, oriented, patient_grid, resample
from models.volume import Volume

_MONAI_TOLERANCE = 1e-8


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """What a network is given, and where it lies.

    Attributes:
        array: ``(1, channels, d, h, w)`` float32, contiguous.
        affine: Of the last three axes, as in `models.volume.Volume`.
        window: The two source values that the preparation's percentiles are; a crop of the same source keeps them.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    window: tuple[float, float]


def prepare(volume: Volume, preparation: VolumePreparation) -> Prepared:
    """Bring a volume to the network's grid and intensities.

    Raises InputRefused when the volume has no contrast or holds values that are not finite.
    """
    if len(volume.others) != len(preparation.channels):
        raise InputRefused(
            f"the card names {1 + len(preparation.channels)} series as channels, and {1 + len(volume.others)} are here"
        )
    others = volume.others
    if preparation.crop_non_zero:
        volume = _non_zero(volume)
    source, grid, outside = _fitted(volume, preparation)
    fitted = resample(source, grid, interpolation=preparation.interpolation, outside=outside)
    array = fitted.array.astype(np.float32, copy=False)
    window = _window(array, preparation)
    normalise(array, preparation, window)
    if preparation.crop_above is not None:
        fitted = _cropped(Volume(array=array, affine=grid.affine), preparation.crop_above, preparation.crop_multiple)
        array = np.ascontiguousarray(fitted.array, np.float32)
    channels = [array, *(_channel(other, fitted, preparation) for other in others)]
    return Prepared(array=np.stack(channels)[np.newaxis], affine=fitted.affine, window=window)


def _channel(other: Volume, fitted: Volume, preparation: VolumePreparation) -> NDArray[np.float32]:
    """Bring another series to the first one's prepared grid, through patient space, and normalise it for itself."""
    outside = float(np.min(np.asarray(other.array))) if preparation.outside is None else preparation.outside
    there = resample(other, grid_of(fitted), interpolation=preparation.interpolation, outside=outside)
    array = np.ascontiguousarray(there.array, np.float32)
    normalise(array, preparation, _window(array, preparation))
    return array


def normalise(array: NDArray[np.float32], preparation: VolumePreparation, window: tuple[float, float]) -> None:
    """Bring values to the network's range, in place.

    Values are clipped to the window. Then ``min-max`` maps the window to 0 to 1; the z-scores subtract the mean and
    divide by the standard deviation (ddof = 1) of this array, or of what in it is not 0; ``fixed`` does so with the
    card's numbers. Last, times scale plus offset.

    Raises InputRefused when a z-score finds the same value everywhere.
    """
    low, high = window
    np.clip(array, low, high, out=array)
    if preparation.normalisation == "min-max":
        array -= np.float32(low)
        array /= np.float32(high - low)
    elif preparation.normalisation == "fixed":
        array -= np.float32(preparation.mean or 0.0)
        array /= np.float32(preparation.std or 1.0)
    elif preparation.normalisation == "non-zero-z-score":
        inside = array != 0
        array[inside] = _z_score(array[inside])
    elif preparation.normalisation != "none":
        _z_score(array)
    if preparation.scale != 1.0:
        array *= np.float32(preparation.scale)
    if preparation.offset != 0.0:
        array += np.float32(preparation.offset)


def _z_score(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract the mean and divide by the deviation, in place, and return it."""
    if not array.size:
        raise InputRefused("the images hold nothing but 0; look at them")
    # float32 sums over 16 million voxels lose digits.
    array -= np.float32(array.mean(dtype=np.float64))
    deviation = np.sqrt(np.vdot(array, array) / max(array.size - 1, 1))
    if not deviation > 0:
        raise InputRefused("the part that the network would read has the same value everywhere; look at the images")
    array /= np.float32(deviation)
    return array


def _non_zero(volume: Volume) -> Volume:
    box = box_of(volume.array != 0)
    if box is None:
        raise InputRefused("the images hold nothing but 0; look at them")
    return boxed(volume, box)


def _fitted(volume: Volume, preparation: VolumePreparation) -> tuple[Volume, Grid, float | None]:
    """Return what is sampled, the network's grid, and the value outside of the source (None: that at its edge)."""
    size, spacing_mm = preparation.size, preparation.spacing_mm
    if preparation.fit == "conform" and size is not None and spacing_mm is not None:
        grid = patient_grid(preparation.orientation, spacing_mm, size, grid_of(volume).centre_mm)
        lowest = float(volume.array.min())
        return volume, grid, lowest if preparation.outside is None else preparation.outside
    source = oriented(volume, preparation.orientation)
    if preparation.fit == "spacing" and spacing_mm is not None:
        grid = _centred(_spaced(source, spacing_mm, preparation), preparation.crop_centre)
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
    slices, rows, columns = (round((count - 1) * own / wanted) + 1 for count, own, wanted in sides)
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


def _window(array: NDArray[np.float32], preparation: VolumePreparation) -> tuple[float, float]:
    if preparation.window is not None:
        if not np.isfinite(array).all():
            raise InputRefused("the images hold values that are not finite; look at their rescale slope and intercept")
        return preparation.window
    if preparation.percentiles == (0.0, 100.0) or preparation.normalisation == "none":
        low, high = float(array.min()), float(array.max())
    else:
        low, high = (float(value) for value in np.percentile(array, preparation.percentiles))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputRefused("the images hold values that are not finite; look at their rescale slope and intercept")
    if not high > low:
        raise InputRefused("the images have no contrast: one value nearly everywhere; look at the images")
    return low, high


def _cropped(volume: Volume, above: float, multiple: int) -> Volume:
    values: NDArray[Any] = volume.array
    box = box_of(values > above)
    if box is None:
        raise InputRefused(f"nothing in the images lies above the card's crop_above ({above:g}); look at the images")
    sides = []
    for side, length in zip(box, volume.array.shape, strict=True):
        wanted = min(-(-(side.stop - side.start) // multiple) * multiple, length)
        start = min(max(side.start - (wanted - (side.stop - side.start)) // 2, 0), length - wanted)
        sides.append(slice(start, start + wanted))
    return boxed(volume, (sides[0], sides[1], sides[2]))
