"""The lines around a mask."""

import numpy as np
from numpy.typing import NDArray

from worker.pictures.mask_outlines import outlines


def a_disc() -> NDArray[np.bool_]:
    """Return a disc that touches the upper edge, with a hole and a pixel by itself."""
    y, x = np.ogrid[:60, :50]
    mask = (y - 20) ** 2 + (x - 25) ** 2 < 21**2
    mask &= (y - 25) ** 2 + (x - 25) ** 2 > 5**2
    mask[55, 3] = True
    return np.asarray(mask)


def test_each_line_is_closed_and_a_hole_has_its_own() -> None:
    """Outer line, hole and the single pixel: three lines whose first points are their last."""
    lines = outlines(a_disc())
    assert len(lines) == 3
    assert all((line[0] == line[-1]).all() for line in lines)
    assert min(len(line) for line in lines) == 5  # a diamond around the single pixel


def test_an_empty_mask_has_no_lines() -> None:
    """Nothing is drawn around nothing."""
    assert outlines(np.zeros((4, 4), bool)) == []
