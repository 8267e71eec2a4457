"""The two diameters of a part in a plane, as a reader measures them: the longest, and the longest perpendicular to it.

Pure. Both are of the closed line around the part, which runs through the middles of the edges of its pixels, so that a
pixel is as wide as it is.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

#: Of the longest diameter: what lies no further apart along it than this is beside each other but for rounding.
_SAME_PLACE = 1e-9
#: How many crossings are looked at together: noise has tens of millions, which would fill the memory.
_CROSSINGS = 1 << 20


def long_axis(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ends ``(2, 2)`` of the longest diameter of a closed line ``(points, 2)``, row and column in mm.

    They are the two points that lie furthest apart, as in PyRadiomics' Maximum 2D Diameter. RECIST 1.1 asks for the
    longest diameter, and not that all of it is inside: of a curved thing less would be told than it reaches.
    """
    corners = line[ConvexHull(line).vertices]  # where the ends are
    distances = squareform(pdist(corners))
    return corners[list(np.unravel_index(int(distances.argmax()), distances.shape))]


def length_mm(ends: NDArray[np.float64]) -> float:
    """Return how far two ends lie apart."""
    return float(np.hypot(*(ends[1] - ends[0])))


def short_axis_mm(line: NDArray[np.float64], ends: NDArray[np.float64]) -> float:
    """Return the longest diameter inside a closed line that is perpendicular to its long axis between these ends.

    So a lymph node is measured (RECIST 1.1). All of it is inside: from one side of a bend to the other lies what is
    healthy. A hole is no end of it: the dead centre of a node belongs to the node.
    """
    long_mm = length_mm(ends)
    along = (ends[1] - ends[0]) / long_mm
    place, side = np.array((along, (-along[1], along[0]))) @ line.T
    places, rank = np.unique(np.rint(place / (_SAME_PLACE * long_mm)), return_inverse=True)
    places *= _SAME_PLACE * long_mm
    # Between two places next to each other the same edges are crossed, so a chord is longest at one of the two.
    low, high = np.minimum(rank, np.roll(rank, -1)), np.maximum(rank, np.roll(rank, -1))
    crossed = np.cumsum(np.bincount(low, minlength=len(places)) - np.bincount(high, minlength=len(places)))
    block = np.cumsum(crossed) // _CROSSINGS
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    limits = [*map(int, starts), len(places) - 1]
    edges = places[rank], side, low, high
    return max(_longest_chord(places, edges, start, stop) for start, stop in pairwise(limits))


def _longest_chord(
    places: NDArray[np.float64],
    edges: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]],
    start: int,
    stop: int,
) -> float:
    """Return the longest chord between two places along the long axis.

    Args:
        places: Of all points, in order.
        edges: Place and side of the point at which each edge of the closed line starts, and the ranks among `places` of
            its lower and its upper end.
        start: The rank of the first place.
        stop: The rank of the last one.
    """
    place, side, low, high = edges
    first = np.clip(low, start, stop)
    spans = np.clip(high, start, stop) - first
    edge = np.repeat(np.arange(len(place)), spans)
    gap = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(spans) - spans, spans)
    way, rise = ((np.roll(of, -1) - of)[edge] for of in (place, side))
    at_both = [side[edge] + (places[gap + end] - place[edge]) / way * rise for end in (0, 1)]
    order = np.lexsort((at_both[0] + at_both[1], gap))
    # A closed line is crossed as often into the thing as out of it.
    return max(float((at[order[1::2]] - at[order[::2]]).max()) for at in at_both)
