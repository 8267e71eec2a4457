"""Resampling by cubic splines, as nnU-Net resamples images (`resample_data_or_seg_to_shape` with order = 3).

It calls `skimage.transform.resize`, which is SciPy's spline and then a cut to the range of values that went in. Where a
voxel is much longer than wide, neighbours across the planes have little to say of each other: then each plane is
resampled by itself, and the nearest plane is taken.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.preparing.grid import Grid, grid_of, interpolated, same_grid
from models.volume import Volume

#: A side of a voxel that is so many times another.
_LONG = 3.0
_CUBIC: Final = 3
#: Digits of a position that count: halfway between two planes the next one is taken, whatever was rounded on the way.
_DIGITS = 6
#: Grids of which no voxel lies further from the other's, in voxels.
_SAME_WITHIN_VOXELS = 1e-6


def splined(volume: Volume, grid: Grid, *, outside: float | None) -> Volume:
    """Return the volume's values at the voxels of another grid, float32.

    Args:
        volume: What is sampled.
        grid: Where; planes are resampled by themselves only where its axes run along the volume's.
        outside: The value beyond the volume's edges; None continues the value at the edge.
    """
    array = np.asarray(volume.array, np.float32)
    volume = Volume(array=array, affine=volume.affine)
    to_source = np.linalg.inv(volume.affine) @ grid.affine
    if same_grid(grid_of(volume), grid, within_voxels=_SAME_WITHIN_VOXELS):
        return Volume(array=array.copy(), affine=grid.affine)
    across = _long_axis(volume.affine)
    if across is None:
        across = _long_axis(grid.affine)
    if across is None or not _parallel(to_source):
        values = interpolated(volume, grid, order=_CUBIC, outside=outside).array
        # Beyond the edges a value may stand that is none of the volume's.
        low, high = (float(end) for end in (array.min(), array.max()))
        ends = (low, high) if outside is None else (min(low, outside), max(high, outside))
        return Volume(array=np.clip(values, *ends), affine=grid.affine)
    planes = _plane_by_plane(volume, grid, across, to_source, outside)
    positions = np.round(to_source[across, across] * np.arange(grid.shape[across]) + to_source[across, 3], _DIGITS)
    nearest = np.floor(positions + 0.5).astype(int)
    count = array.shape[across]
    values = np.take(planes, np.clip(nearest, 0, count - 1), axis=across)
    if outside is not None:
        np.moveaxis(values, across, 0)[(nearest < 0) | (nearest >= count)] = outside
    return Volume(array=values, affine=grid.affine)


def _plane_by_plane(
    volume: Volume, grid: Grid, across: int, to_source: NDArray[np.float64], outside: float | None
) -> NDArray[np.float32]:
    """Return the volume's own planes along one axis, each on the grid's voxels."""
    affine = to_source.copy()
    affine[:3, across] = 0.0
    affine[across, :] = 0.0
    affine[across, across] = 1.0
    sides = list(grid.shape)
    sides[across] = volume.array.shape[across]
    planes = Grid(affine=volume.affine @ affine, shape=(sides[0], sides[1], sides[2]))
    values = interpolated(volume, planes, order=_CUBIC, outside=outside).array
    others = tuple(axis for axis in range(3) if axis != across)
    array = np.asarray(volume.array)
    low, high = array.min(axis=others, keepdims=True), array.max(axis=others, keepdims=True)
    if outside is not None:
        low, high = np.minimum(low, outside), np.maximum(high, outside)
    cut: NDArray[np.float32] = np.clip(values, low, high)
    return cut


def _long_axis(affine: NDArray[np.float64]) -> int | None:
    """Return the axis along which voxels are much longer than along another; None where there is none, or two."""
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    if sides.max() / sides.min() <= _LONG:
        return None
    longest = np.flatnonzero(np.isclose(sides, sides.max()))
    return int(longest[0]) if len(longest) == 1 else None


def _parallel(to_source: NDArray[np.float64]) -> bool:
    """Say whether the axes of two grids run along each other, in the same order."""
    matrix = to_source[:3, :3]
    return bool(np.abs(matrix - np.diag(np.diag(matrix))).max() < _SAME_WITHIN_VOXELS)
