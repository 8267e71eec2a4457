"""From a mask to the lines around it: what pictures and presentation states draw. Pure."""

from typing import Any

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray

_INSIDE = 0.5


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the closed lines around a mask ``(rows, columns)`` and around its holes.

    Each is ``(points, 2)`` of row and column; the first point is repeated at the end, (0.0, 0.0) is the centre of the
    first pixel. A line runs halfway between the last pixel inside and the first outside.
    """
    lines: Any = contour_generator(z=np.pad(mask, 1).astype(np.float64)).lines(_INSIDE)
    return [line[:, ::-1] - 1.0 for line in lines]
