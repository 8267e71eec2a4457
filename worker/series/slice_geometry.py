"""Where the slices of a series lie, and whether they make a volume. Pure: positions in, an order out.

Geometry comes from Image Position and Image Orientation (Patient) alone (PS3.3 C.7.6.2), never from file order,
Instance Number or Slice Location.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.errors import SeriesRefused

#: Two directions are the same when no cosine differs by more; scanners write five or six digits.
_SAME_DIRECTION = 1e-3
#: Two distances between pixels are the same when they differ by no more than this share of the smaller one.
_SAME_SPACING = 1e-3
#: Two positions are the same when they are closer than this share of the spacing within the slice.
_SAME_POSITION = 0.02
#: Slices are evenly spaced when every distance is within this share of the median, or within 0.01 mm.
_EVEN = 0.02
_EVEN_MM = 0.01
#: The stack is sheared (tilted gantry) when the way from slice to slice leaves the normal by more than this share.
_SHEAR = 0.02
#: No slice may lie off the regular grid by more than this share of its smallest voxel edge.
_OFF_GRID = 0.25
#: Direction cosines are unit vectors at right angles within this.
_UNIT = 1e-2
#: Distances that are whole multiples of the usual one, within this share, mean missing slices.
_WHOLE = 0.1


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Where one slice lies in the patient.

    Attributes:
        position_mm: Of the centre of the first voxel, (3,), LPS.
        orientation: Direction cosines of the row and of the column, (6,).
        spacing_mm: Between rows, between columns (Pixel Spacing).
        size: Rows, columns.
    """

    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, float]
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """Slices in order.

    Attributes:
        groups: For each slice, from the first to the last along the normal, the indices of the planes that lie there;
            more than one where a position came twice.
        affine: (4, 4): (slice, row, column, 1) to LPS mm.
    """

    groups: tuple[tuple[int, ...], ...]
    affine: NDArray[np.float64]


def stack(planes: Sequence[Plane], *, thickness_mm: float | None = None) -> Stack:
    """Order the planes along their common normal.

    Args:
        planes: Of one series, in any order.
        thickness_mm: Distance to assume where there is one slice only.

    Raises SeriesRefused, its message beginning with the name of what is wrong.
    """
    _require_one_grid(planes)
    row, column = _directions(planes[0])
    normal = np.cross(row, column)
    positions = np.array([plane.position_mm for plane in planes], dtype=np.float64)
    distances = positions @ normal
    groups = _groups(distances, positions, tolerance_mm=_SAME_POSITION * min(planes[0].spacing_mm))
    first = positions[[group[0] for group in groups]]
    if len(first) == 1:
        step = normal * _depth_mm(thickness_mm, images=len(planes))
    else:
        step = _step(first, normal, edge_mm=min(planes[0].spacing_mm))
    affine = np.eye(4)
    affine[:3, 0] = step
    # Rows follow each other along the column's direction, and the other way round.
    affine[:3, 1] = column * planes[0].spacing_mm[0]
    affine[:3, 2] = row * planes[0].spacing_mm[1]
    affine[:3, 3] = first[0]
    return Stack(groups=groups, affine=affine)


def same_orientation(one: Sequence[float], other: Sequence[float]) -> bool:
    """Say whether cosines of rows and columns are so alike that their images are of one stack."""
    return all(abs(a - b) <= _SAME_DIRECTION for a, b in zip(one, other, strict=True))


def same_spacing(one: Sequence[float], other: Sequence[float]) -> bool:
    """Say whether distances between rows and columns are so alike that their images are of one stack."""
    return all(abs(a - b) <= _SAME_SPACING * min(a, b) for a, b in zip(one, other, strict=True))


def _require_one_grid(planes: Sequence[Plane]) -> None:
    first = planes[0]
    if any(plane.size != first.size for plane in planes):
        raise SeriesRefused(
            "mixed sizes: images of this series have different Rows or Columns; is a localiser among them?"
        )
    orientations = np.array([plane.orientation for plane in planes])
    if not same_orientation(orientations.min(axis=0), orientations.max(axis=0)):
        raise SeriesRefused("mixed orientation: images of this series lie in different directions (a localiser?)")
    spacings = np.array([plane.spacing_mm for plane in planes])
    if not (spacings > 0).all():
        raise SeriesRefused("no spacing: Pixel Spacing of this series is not positive")
    if not same_spacing(spacings.min(axis=0), spacings.max(axis=0)):
        raise SeriesRefused("mixed spacing: images of this series have different Pixel Spacing")


def _directions(plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    row, column = np.array(plane.orientation[:3]), np.array(plane.orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(row @ column)) > _UNIT:
        raise SeriesRefused("wrong orientation: Image Orientation (Patient) is not two perpendicular unit vectors")
    row = row / lengths[0]
    # Rounded cosines are not quite perpendicular; a sheared grid would be worse than a column turned by the rounding.
    column = column - (column @ row) * row
    return row, column / np.linalg.norm(column)


def _groups(
    distances: NDArray[np.float64], positions: NDArray[np.float64], tolerance_mm: float
) -> tuple[tuple[int, ...], ...]:
    """Gather planes that lie at one place, in the order of distance, then position, then index."""
    groups: list[list[int]] = []
    for index in np.lexsort((np.arange(len(distances)), *positions.T, distances)):
        last = groups[-1][0] if groups else None
        if last is not None and distances[index] - distances[last] <= tolerance_mm:
            if np.linalg.norm(positions[index] - positions[last]) > tolerance_mm:
                raise SeriesRefused("not a volume: images of this series lie beside each other in one plane")
            groups[-1].append(int(index))
        else:
            groups.append([int(index)])
    return tuple(tuple(sorted(group)) for group in groups)


def _depth_mm(thickness_mm: float | None, images: int) -> float:
    """Return how deep a single slice is."""
    if images > 1:
        raise SeriesRefused(f"not a volume: all {images} images of this series lie at one position")
    if thickness_mm is None or thickness_mm <= 0:
        raise SeriesRefused("not a volume: one slice, and no Slice Thickness to give it depth")
    return thickness_mm


def _step(first: NDArray[np.float64], normal: NDArray[np.float64], edge_mm: float) -> NDArray[np.float64]:
    """Return the way from one slice to the next, after making sure that it is the same everywhere."""
    steps = np.diff(first, axis=0)
    lengths = steps @ normal
    usual = float(np.median(lengths))
    uneven = np.abs(lengths - usual) > max(_EVEN * usual, _EVEN_MM)
    if uneven.any():
        many = lengths[uneven] / usual
        whole = np.round(many)
        if np.all(np.abs(many - whole) < _WHOLE) and np.all(whole > 1):
            missing = int(np.sum(whole - 1))
            raise SeriesRefused(
                f"missing slices: {missing} of {len(first) + missing} slices at {usual:.2f} mm are not here"
            )
        raise SeriesRefused(f"uneven increment: slices lie {lengths.min():.2f} to {lengths.max():.2f} mm apart")
    sideways = steps - np.outer(lengths, normal)
    jump_mm = float(np.linalg.norm(sideways - np.median(sideways, axis=0), axis=1).max())
    if jump_mm > _OFF_GRID * edge_mm:
        raise SeriesRefused(f"shifted slices: neighbours are moved against each other by up to {jump_mm:.2f} mm")
    step = np.asarray((first[-1] - first[0]) / (len(first) - 1))
    aside = np.linalg.norm(step - (step @ normal) * normal)
    if aside > _SHEAR * np.linalg.norm(step):
        raise SeriesRefused("gantry tilt: the slices are shifted against each other; a sheared grid is never read")
    # Small differences add up: in the middle of a long series they can be more than a slice.
    off_mm = float(np.linalg.norm(first - (first[0] + np.outer(np.arange(len(first)), step)), axis=1).max())
    if off_mm > _OFF_GRID * min(edge_mm, usual):
        raise SeriesRefused(f"uneven increment: slices lie up to {off_mm:.2f} mm off a regular grid")
    return step
