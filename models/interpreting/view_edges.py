"""What reaches the edge of what was looked at, of the images or of the part of them that the network sees.

What of it lies beyond, nobody has measured.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card.card_preparation import VolumePreparation
from models.card.manifest import Card
from models.preparing.grid import Box, Grid, box_of, grid_of, resample
from models.volume import Volume

#: Of a voxel: rounding of the way from one grid to the other.
_ROUNDING = 1e-6


def at_edge_of_images(numbers: NDArray[Any]) -> frozenset[int]:
    """Return the numbers in ``(slices, rows, columns)`` that reach its edge; across a single slice there is none."""
    faces = [np.take(numbers, end, axis) for axis in range(3) if numbers.shape[axis] > 1 for end in (0, -1)]
    return frozenset(int(number) for face in faces for number in np.unique(face) if number)


def at_edge_of_field(numbers: NDArray[Any], source: Volume) -> frozenset[int]:
    """Return the numbers that reach the end of what a scanner shows within the images, such as its circle."""
    box = box_of(numbers != 0) if source.ends_at_padding else None
    if box is None:
        return frozenset()
    box = _enlarged(box, numbers.shape)
    return _beside(numbers[box], ~source.imaged(box))


def at_edge_of_view(numbers: NDArray[Any], view: Grid, source: Volume) -> frozenset[int]:
    """Return the numbers beside whose voxels there are others of the images that lie outside of what was seen.

    Args:
        numbers: On the source's grid, 0 is nothing.
        view: What the network has seen.
        source: What was read.
    """
    grid = grid_of(source)
    box = None if _covers(view, grid) else box_of(numbers != 0)
    if box is None:
        return frozenset()
    box = _enlarged(box, numbers.shape)
    seen = Volume(array=np.ones(view.shape, np.uint8), affine=view.affine)
    unseen = resample(seen, grid.boxed(box), interpolation="nearest", outside=0).array == 0
    return _beside(numbers[box], unseen)


def cut_by_content(card: Card) -> bool:
    """Say whether the part that is seen was chosen by what is in it: what lies outside is dark or 0, and no more of it.

    Not where its middle is taken as well.
    """
    preparation = card.preparation
    return (
        isinstance(preparation, VolumePreparation)
        and (preparation.crop_above is not None or preparation.crop_non_zero)
        and preparation.crop_centre is None
    )


def _beside(numbers: NDArray[Any], unseen: NDArray[np.bool_]) -> frozenset[int]:
    """Return the numbers beside whose voxels there are some that nobody has seen."""
    found: set[int] = set()
    for axis in range(3):
        here, beyond = np.moveaxis(numbers, axis, 0), np.moveaxis(unseen, axis, 0)
        for touching in (here[:-1][beyond[1:]], here[1:][beyond[:-1]]):
            found |= {int(number) for number in np.unique(touching) if number}
    return frozenset(found)


def _covers(view: Grid, grid: Grid) -> bool:
    """Say whether the centre of every voxel of a grid lies within the view."""
    last = np.array(grid.shape) - 1
    corners = np.array([[*(place * last), 1.0] for place in np.ndindex(2, 2, 2)]).T
    places = (np.linalg.inv(view.affine) @ grid.affine @ corners)[:3].T
    ends = np.array(view.shape) - 0.5 - _ROUNDING
    return bool(((places > -0.5 + _ROUNDING) & (places < ends)).all())


def _enlarged(box: Box, shape: tuple[int, ...]) -> Box:
    slices, rows, columns = (
        slice(max(side.start - 1, 0), min(side.stop + 1, whole)) for side, whole in zip(box, shape, strict=True)
    )
    return slices, rows, columns
