"""How many points a line has at most where it stands in an object in an explicit VR. Pure."""

import numpy as np
from numpy.typing import NDArray

from models.interpreting.line_thinning import TOLERANCE_PIXELS, simplified

#: As many as the length of an FL in an explicit VR can tell (PS3.5 7.1.2).
MOST_POINTS = 0xFFFE // 8


def within_limit(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a closed line, ``(points, 2)`` in pixels, with as many points as can be told.

    It stays as it is where it has not too many; else what is left out lies as little off as can be, half a pixel or
    more. A comb that any tolerance leaves with too many or with none is thinned evenly.
    """
    tolerance = TOLERANCE_PIXELS
    while len(line) > MOST_POINTS and tolerance < float(np.ptp(line, axis=0).max()):
        (line,) = simplified([line], tolerance)
        tolerance *= 2
    return line[np.linspace(0, len(line) - 1, min(len(line), MOST_POINTS)).round().astype(np.intp)]
