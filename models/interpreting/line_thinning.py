"""From closed lines to such with fewer points, of which nothing lies further off than told. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Nobody sees half a pixel, and without it a line has a corner at every step of its mask.
TOLERANCE_PIXELS = 0.5
_FEWEST_CORNERS = 3


def corners(rings: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Leave out points of closed lines on the straight way between their neighbours, most of them at long edges.

    The first point, which is repeated, stays.
    """
    points = np.concatenate(rings)
    (way_y, way_x), goes_on = np.diff(points, axis=0).T, np.zeros(len(points), bool)
    # A line that comes back on itself turns too.
    goes_on[1:-1] = (way_y[:-1] * way_x[1:] == way_y[1:] * way_x[:-1]) & (
        way_y[:-1] * way_y[1:] + way_x[:-1] * way_x[1:] > 0
    )
    ends = np.cumsum([len(ring) for ring in rings])
    goes_on[ends - 1] = goes_on[ends - [len(ring) for ring in rings]] = False
    return [ring[~goes_on[end - len(ring) : end]] for ring, end in zip(rings, ends, strict=True)]


def simplified(rings: Sequence[NDArray[np.float64]], tolerance: float = TOLERANCE_PIXELS) -> list[NDArray[np.float64]]:
    """Leave out points of closed lines, each ``(points, 2)`` with the first repeated, that lie near those that stay.

    Ramer, Douglas and Peucker, for all lines at once: a hundred structures have a hundred thousand stretches. No point
    of the old line is further than the tolerance from the new one, nor the other way round.
    """
    if not rings:
        return []
    rings = corners(rings)
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
    # Of several that lie as far off, the middle one: else a comb is gone through as often as it has teeth.
    _, first, count = np.unique(stretch[candidates], return_index=True, return_counts=True)
    return np.asarray(candidates[first + count // 2])
