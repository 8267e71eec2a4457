"""Connected parts of a mask."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.preparing.grid import box_of

# Voxels that touch at a corner belong together; a hole is closed also at its corners.
_CORNERS = np.ones((3, 3, 3), dtype=bool)
#: Voxels that are counted at a time: bincount works on a copy of eight bytes each, which should stay in the cache.
_AT_A_TIME = 1 << 16


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return only the largest connected part (26 neighbours); of equals, the first in the array's order."""
    box = box_of(mask)
    if box is None:
        return mask
    parts, count = ndimage.label(mask[box], structure=_CORNERS)
    if count == 1:
        return mask
    sizes = _sizes(parts, count)
    sizes[0] = 0
    kept = np.zeros_like(mask)
    kept[box] = parts == sizes.argmax()
    return kept


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask with every hole filled: background that 6 neighbours do not connect to the edge."""
    box = box_of(mask)
    if box is None:
        return mask
    # One voxel of background around, so that all of it outside the mask is one part.
    outside, _ = ndimage.label(np.pad(~mask[box], 1, constant_values=True))
    filled = mask.copy()
    filled[box] = (outside != outside[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return filled


def count_parts(mask: NDArray[np.bool_]) -> int:
    """Return how many connected parts (26 neighbours) a mask has."""
    box = box_of(mask)
    return 0 if box is None else int(ndimage.label(mask[box], structure=_CORNERS)[1])


def drop_small(labels: NDArray[np.uint8], number: int, *, smallest_voxels: float) -> int:
    """Set connected parts (26 neighbours) of one label that have fewer voxels to 0, in place; return how many stay."""
    box = box_of(labels == number)
    if box is None:
        return 0
    region = labels[box]
    parts, count = ndimage.label(region == number, structure=_CORNERS)
    small = _sizes(parts, count) < smallest_voxels
    small[0] = False
    region[small[parts]] = 0
    return count - int(small.sum())


def _sizes(parts: NDArray[np.signedinteger], count: int) -> NDArray[np.intp]:
    """Return how many voxels carry each number from 0 to count."""
    flat, sizes = parts.ravel(), np.zeros(count + 1, np.intp)
    # With very many parts, adding up their sizes would cost more than the copy.
    step = max(_AT_A_TIME, 4 * count)
    for start in range(0, flat.size, step):
        sizes += np.bincount(flat[start : start + step], minlength=count + 1)
    return sizes
