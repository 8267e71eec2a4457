"""From a mask to few lines that a screen shows like it: what a presentation state draws. Pure."""

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
    first pixel, and no point of the exact line is further away than half a pixel.
    """
    generator = contour_generator(z=np.pad(mask, 1).astype(np.float64))
    lines: Any = generator.lines(_INSIDE)
    return [simplified(line[:, ::-1] - 1.0) for line in lines]


def simplified(ring: NDArray[np.float64], tolerance: float = TOLERANCE_PIXELS) -> NDArray[np.float64]:
    """Leave out points of a closed line, ``(points, 2)`` with the first repeated, that lie near the others.

    Ramer, Douglas and Peucker: halves between the first point and the one furthest from it.
    """
    far = int(np.argmax(np.linalg.norm(ring - ring[0], axis=1)))
    kept = np.zeros(len(ring), bool)
    kept[[0, far, -1]] = True
    pending = [(0, far), (far, len(ring) - 1)]
    while pending:
        first, last = pending.pop()
        if last - first < 2:  # noqa: PLR2004  # nothing lies between neighbours
            continue
        apart = _distances(ring[first + 1 : last], ring[first], ring[last])
        if apart.max() > tolerance:
            middle = first + 1 + int(np.argmax(apart))
            kept[middle] = True
            pending += [(first, middle), (middle, last)]
    # A line that would fall flat is one of few pixels: all of it is shown.
    return ring[kept] if kept.sum() > _FEWEST_CORNERS else ring


def _distances(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far points lie from the stretch between two others."""
    way = end - start
    length = float(way @ way)
    share = np.clip((points - start) @ way / length, 0.0, 1.0) if length else np.zeros(len(points))
    return np.asarray(np.linalg.norm(points - (start + share[:, None] * way), axis=1))
