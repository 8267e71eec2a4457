"""From a mask to few lines that a screen shows like it: what a presentation state draws. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray

_INSIDE = 0.5
#: Nobody sees half a pixel, and without it a line has a corner at every step of its mask.
TOLERANCE_PIXELS = 0.5
_FEWEST_CORNERS = 3


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the closed lines around a mask ``(rows, columns)`` and around its holes.

    Each is ``(points, 2)`` of row and column; the first point is repeated at the end, (0.0, 0.0) is the centre of the
    first pixel. A line runs halfway between the last pixel inside and the first outside.
    """
    lines: Any = contour_generator(z=np.pad(mask, 1).astype(np.float64)).lines(_INSIDE)
    return [line[:, ::-1] - 1.0 for line in lines]


def simplified(rings: Sequence[NDArray[np.float64]], tolerance: float = TOLERANCE_PIXELS) -> list[NDArray[np.float64]]:
    """Leave out points of closed lines, each ``(points, 2)`` with the first repeated, that lie near those that stay.

    Ramer, Douglas and Peucker, for all lines at once: a hundred structures have a hundred thousand stretches.
    """
    if not rings:
        return []
    points = np.concatenate(rings)
    ends = np.cumsum([len(ring) for ring in rings])
    starts = ends - [len(ring) for ring in rings]
    kept = np.zeros(len(points), bool)
    kept[starts] = kept[ends - 1] = True
    for start, ring in zip(starts, rings, strict=True):
        kept[start + int(np.argmax(((ring - ring[0]) ** 2).sum(axis=1)))] = True
    while (added := _furthest(points, kept, tolerance)).size:
        kept[added] = True
    # A line that would fall flat is one of few pixels: all of it is shown.
    return [
        ring[kept[start:end]] if kept[start:end].sum() > _FEWEST_CORNERS else ring
        for ring, start, end in zip(rings, starts, ends, strict=True)
    ]


def _furthest(points: NDArray[np.float64], kept: NDArray[np.bool_], tolerance: float) -> NDArray[np.intp]:
    """Return of each stretch between points that stay the point that lies furthest from it, where that is too far."""
    corners = np.flatnonzero(kept)
    stretch = np.cumsum(kept) - 1
    start, end = points[corners[stretch]], points[corners[np.minimum(stretch + 1, len(corners) - 1)]]
    # By coordinate, which numpy does several times faster than along an axis of two.
    (way_y, way_x), (y, x) = (end - start).T, (points - start).T
    length = way_y * way_y + way_x * way_x
    share = np.clip((y * way_y + x * way_x) / np.where(length > 0, length, 1.0), 0.0, 1.0)
    distance = (y - share * way_y) ** 2 + (x - share * way_x) ** 2
    distance[kept] = 0.0
    candidates = np.flatnonzero(
        (distance > tolerance**2) & (distance == np.maximum.reduceat(distance, corners)[stretch])
    )
    _, first = np.unique(stretch[candidates], return_index=True)
    return np.asarray(candidates[first])
