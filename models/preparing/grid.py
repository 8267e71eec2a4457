"""Grids in patient space and the way from one to another: the same physical point keeps its value."""

import itertools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.errors import InputRefused
from models.volume import Volume

Shape = tuple[int, int, int]
Box = tuple[slice, slice, slice]

# World axis (LPS) and sign of each letter.
_DIRECTIONS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}

# Grids whose axes run together to within this share of a voxel, over their whole length, are resampled axis by axis.
_ALIGNED_WITHIN_VOXELS = 0.01
# Places along each side of a grid that are looked at for how much of it lies within another: to about a hundredth.
_PLACES = 48
# Eight times what a site reads of a series: no network does, and arrays of more have no size that numpy knows.
_MOST_VOXELS = 1 << 33


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Where the voxels of an array lie.

    Attributes:
        affine: As in `models.volume.Volume`.
        shape: ``(slices, rows, columns)``.
    """

    affine: NDArray[np.float64]
    shape: Shape

    def boxed(self, box: Box) -> "Grid":
        """Return the part of the grid inside a box of indices."""
        starts, stops = [side.start for side in box], [side.stop for side in box]
        shape = (stops[0] - starts[0], stops[1] - starts[1], stops[2] - starts[2])
        return Grid(affine=self.affine @ _scale_and_shift(np.ones(3), np.array(starts, np.float64)), shape=shape)

    def stretched(self, shape: Shape) -> "Grid":
        """Return the grid that covers the same space with another number of voxels."""
        factor = np.array(self.shape, np.float64) / np.array(shape)
        # Edges, not centres, of the outermost voxels coincide.
        return Grid(affine=self.affine @ _scale_and_shift(factor, 0.5 * factor - 0.5), shape=shape)

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """Patient coordinates of the middle of the grid."""
        middle: NDArray[np.float64] = self.affine @ np.array([*((side - 1) / 2 for side in self.shape), 1.0])
        return middle[:3]


def same_grid(one: Grid, other: Grid, *, within_voxels: float = _ALIGNED_WITHIN_VOXELS) -> bool:
    """Say whether the voxels of two grids lie upon each other."""
    apart = np.linalg.inv(one.affine) @ other.affine - np.eye(4)
    return one.shape == other.shape and bool(np.abs(apart[:3] @ np.array([*one.shape, 1.0])).max() < within_voxels)


def share_covered(grid: Grid, by: Grid) -> float:
    """Return how much of the space of a grid lies within another, from 0 to 1, whichever way the two are turned."""
    # The middles of equal parts of each side: of a side of n voxels, from the outer edge of the first to the last's.
    sides = [(np.arange(_PLACES) + 0.5) / _PLACES * side - 0.5 for side in grid.shape]
    places = np.stack([*np.meshgrid(*sides, indexing="ij"), np.ones((_PLACES,) * 3)]).reshape(4, -1)
    there = (np.linalg.inv(by.affine) @ grid.affine @ places)[:3].T
    shape = np.array(by.shape)
    return float((np.abs(there - (shape - 1) / 2) <= shape / 2).all(axis=1).mean())


def grid_of(volume: Volume) -> Grid:
    """Return where the voxels of a volume lie."""
    return Grid(affine=volume.affine, shape=shape_of(volume.array))


def shape_of(array: NDArray[Any]) -> Shape:
    """Return the shape of a three-dimensional array."""
    slices, rows, columns = array.shape
    return slices, rows, columns


def boxed(volume: Volume, box: Box) -> Volume:
    """Return the part of a volume inside a box of indices; a view."""
    return Volume(array=volume.array[box], affine=grid_of(volume).boxed(box).affine)


def patient_grid(
    axes: str, spacing_mm: tuple[float, float, float], shape: Shape, centre_mm: NDArray[np.float64]
) -> Grid:
    """Return a grid whose axes run exactly along the patient's, such as LIA, about a centre."""
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    for axis, (letter, spacing) in enumerate(zip(axes, spacing_mm, strict=True)):
        world, sign = _DIRECTIONS[letter]
        affine[world, axis] = sign * spacing
    affine[:3, 3] = centre_mm - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(affine=affine, shape=shape)


def oriented(volume: Volume, axes: str) -> Volume:
    """Return the volume with its axes permuted and flipped to run as closely as they can along those named; a view."""
    directions = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    wanted = [_DIRECTIONS[letter] for letter in axes]
    order = max(
        itertools.permutations(range(3)),
        key=lambda order: sum(abs(directions[world, axis]) for (world, _), axis in zip(wanted, order, strict=True)),
    )
    array, affine = volume.array.transpose(order), volume.affine[:, [*order, 3]].copy()
    for axis, (world, sign) in enumerate(wanted):
        if affine[world, axis] * sign < 0:
            array = np.flip(array, axis)
            affine[:, 3] += affine[:, axis] * (array.shape[axis] - 1)
            affine[:, axis] *= -1
    return Volume(array=array, affine=affine)


def resample(
    volume: Volume, grid: Grid, *, interpolation: Literal["linear", "nearest", "spline"], outside: float | None
) -> Volume:
    """Return the volume's values at the voxels of another grid.

    Args:
        volume: What is sampled.
        grid: Where.
        interpolation: linear and spline answer float32, nearest keeps the dtype. spline is `spline.splined`.
        outside: The value beyond the volume's edges; None continues the value at the edge.

    Raises InputRefused for a grid that no memory holds.
    """
    if math.prod(grid.shape) > _MOST_VOXELS:
        raise InputRefused(
            f"the images would be brought to a grid of {' x '.join(map(str, grid.shape))} voxels, and at most "
            f"{_MOST_VOXELS} are read; mend size, spacing_mm and pad_multiple of the card's [preparation]"
        )
    if interpolation == "spline":
        from models.preparing.spline import splined  # noqa: PLC0415  # it is made of this

        return splined(volume, grid, outside=outside)
    return interpolated(volume, grid, order=1 if interpolation == "linear" else 0, outside=outside)


def interpolated(volume: Volume, grid: Grid, *, order: Literal[0, 1, 3], outside: float | None) -> Volume:
    """Return the volume's values at the voxels of another grid, by splines of this order; 0 keeps the dtype."""
    to_source = np.linalg.inv(volume.affine) @ grid.affine
    matrix, offset = to_source[:3, :3], to_source[:3, 3]
    array: NDArray[Any] = volume.array
    permutation = np.abs(matrix).argmax(axis=1)
    rest = np.abs(matrix).copy()
    rest[np.arange(3), permutation] = 0.0
    transform: NDArray[np.float64] = matrix
    if len(set(permutation)) == len(permutation) and (rest @ np.array(grid.shape)).max() < _ALIGNED_WITHIN_VOXELS:
        # Axis by axis is about five times as fast; scipy takes that way for a vector instead of a matrix.
        axes = np.argsort(permutation)
        array, offset = array.transpose(axes), offset[axes]
        transform = matrix[np.arange(3), permutation][axes]
        if order == 0:
            return Volume(array=_nearest(array, transform, offset, grid.shape, outside), affine=grid.affine)
    values = ndimage.affine_transform(
        array,
        transform,
        offset=offset,
        output_shape=grid.shape,
        output=np.float32 if order else array.dtype,
        order=order,
        mode="nearest" if outside is None else "grid-constant",
        cval=0.0 if outside is None else outside,
        prefilter=order > 1,
    )
    return Volume(array=values, affine=grid.affine)


def _nearest(
    array: NDArray[Any], step: NDArray[np.float64], offset: NDArray[np.float64], shape: Shape, outside: float | None
) -> NDArray[Any]:
    """Return what scipy's affine_transform does with a vector and order 0, an eighth of its time: rows are copied."""
    # In scipy's order, so that ties fall as they do there.
    places = [(np.arange(shape[axis]) + offset[axis] / step[axis]) * step[axis] for axis in range(3)]
    wanted = [np.floor(place + 0.5).astype(np.intp) for place in places]
    inside = [np.clip(indices, 0, side - 1) for indices, side in zip(wanted, array.shape, strict=True)]
    if np.prod(shape) < array.size:
        # Not taken: that would copy all of an array whose axes have been turned.
        values = array[np.ix_(*inside)]
    else:
        values = array
        # The last axis first, while there is little of the others.
        for axis in (2, 1, 0):
            values = np.take(values, inside[axis], axis)
    if outside is not None:
        beyond = _storable(outside, array.dtype)
        for axis in range(3):
            values[(slice(None),) * axis + (wanted[axis] != inside[axis],)] = beyond
    return values


def _storable(value: float, dtype: np.dtype[Any]) -> float:
    """Return the nearest value that a dtype can hold."""
    if not np.issubdtype(dtype, np.integer):
        return value
    limits = np.iinfo(dtype)
    return float(min(max(round(value), limits.min), limits.max))


def box_of(mask: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box that holds every true voxel, None where there is none."""
    slices = _ends(np.any(mask, axis=(1, 2)))
    if slices is None:
        return None
    # Seen along the slices: from here on it is a plane, and a volume is read twice instead of three times.
    shadow: NDArray[np.bool_] = np.any(mask[slices], axis=0)
    rows, columns = _ends(np.any(shadow, axis=1)), _ends(np.any(shadow, axis=0))
    return None if rows is None or columns is None else (slices, rows, columns)


def reach(box: Box, grid: Grid, other: Grid, *, margin: float) -> Box | None:
    """Return the box of `other` that covers a box of `grid` enlarged by `margin` voxels; None where it lies outside."""
    ends = [(side.start - 0.5 - margin, side.stop - 0.5 + margin) for side in box]
    corners = np.array([[*corner, 1.0] for corner in itertools.product(*ends)]).T
    indices = (np.linalg.inv(other.affine) @ grid.affine @ corners)[:3]
    starts = np.clip(np.floor(indices.min(axis=1)), 0, other.shape).astype(int)
    stops = np.clip(np.ceil(indices.max(axis=1)) + 1, 0, other.shape).astype(int)
    if (stops <= starts).any():
        return None
    sides = [slice(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]
    return sides[0], sides[1], sides[2]


def _ends(line: Any) -> slice | None:
    found = np.flatnonzero(line)
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else None


def _scale_and_shift(scale: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    affine = np.diag([*scale, 1.0])
    affine[:3, 3] = shift
    return affine
