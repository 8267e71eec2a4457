"""From a mask to the closed lines around it, as radiotherapy planners read them. Pure."""

import itertools
from typing import Any

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray
from scipy.spatial import KDTree

_INSIDE = 0.5
_BEYOND = 2.0


def contours(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the closed lines around a mask ``(rows, columns)``, each ``(points, 2)`` of row and column.

    (0.0, 0.0) is the centre of the first pixel. A line runs halfway between the last pixel inside and the first
    outside, so exactly the centres of the mask's pixels lie within; its first point is not repeated. A hole is joined
    to its outer line by a channel without width (the keyhole of PS3.3 C.8.8.6.3): that is right for readers that fill
    each line by itself and for those that combine all lines of a slice by exclusive or.
    """
    padded = np.pad(mask, 1).astype(np.float64)
    generator = contour_generator(z=padded, fill_type=FillType.OuterOffset)
    polygons: Any = generator.filled(_INSIDE, _BEYOND)
    found = []
    for points, ends in zip(*polygons, strict=True):
        rings = [_corners(points[first : last - 1, ::-1] - 1.0) for first, last in itertools.pairwise(ends)]
        # From the top down, so that a hole finds what lies above it joined already.
        outer, *holes = rings
        for hole in sorted(holes, key=lambda ring: tuple(ring.min(axis=0))):
            outer = _joined(outer, hole)
        found.append(outer)
    return found


def _corners(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out points on the straight way between their neighbours."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return np.asarray(ring[turns])


def _joined(outer: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Walk the outer line to where the hole is near, around the hole, back the same way, and on."""
    ways = [_nearest(outer, hole, between_rows=between_rows) for between_rows in (True, False)]
    _, leave, start = min(ways)
    around = np.concatenate([hole[start:], hole[: start + 1]])
    return np.concatenate([outer[: leave + 1], around, outer[leave:]])


def _nearest(outer: NDArray[np.float64], hole: NDArray[np.float64], *, between_rows: bool) -> tuple[float, int, int]:
    """Return the distance and the indices of the nearest points of which one lies between rows, one between columns.

    The way between two such points meets no pixel's centre, of which a reader might think either.
    """
    ours = np.flatnonzero((outer[:, 0] % 1 != 0) == between_rows)
    theirs = np.flatnonzero((hole[:, 0] % 1 != 0) != between_rows)
    found: tuple[Any, Any] = KDTree(outer[ours]).query(hole[theirs])
    distances, nearest = found
    best = int(np.argmin(distances))
    return float(distances[best]), int(ours[nearest[best]]), int(theirs[best])
