"""The closed lines around a mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray

from worker.objects.mask_contours import contours

CENTRES = np.argwhere(np.ones((9, 11), bool))


def filled(lines: list[NDArray[np.float64]], *, combine: str) -> NDArray[np.bool_]:
    """Return the pixels whose centres lie within, as a reader has it that combines lines by `or` or `xor`."""
    mask = np.zeros((9, 11), bool)
    for line in lines:
        inside = Polygon(np.concatenate([line, line[:1]])).contains_points(CENTRES).reshape(mask.shape)
        mask = mask ^ inside if combine == "xor" else mask | inside
    return mask


@pytest.mark.parametrize("combine", ["or", "xor"])
@given(mask=arrays(bool, (9, 11), elements=st.booleans()))
@settings(max_examples=60, deadline=None)
def test_exactly_the_pixels_of_the_mask_lie_within(combine: str, mask: NDArray[np.bool_]) -> None:
    """Whatever the mask, with holes, at the border, corner to corner: both ways of reading give it back."""
    assert np.array_equal(filled(contours(mask), combine=combine), mask)


def test_a_line_runs_halfway_between_pixels() -> None:
    """A square of three by two pixels has the outline of their edges with its corners cut, not of their centres."""
    mask = np.zeros((9, 11), bool)
    mask[2:5, 3:5] = True
    (line,) = contours(mask)
    assert (line.min(axis=0).tolist(), line.max(axis=0).tolist()) == ([1.5, 2.5], [4.5, 4.5])
    assert len(line) == 8


def test_a_hole_is_joined_by_a_channel_without_width() -> None:
    """A ring is one line that walks to its hole and back: two of its points are there twice."""
    mask = np.zeros((9, 11), bool)
    mask[1:8, 1:8] = True
    mask[4, 4] = False
    (line,) = contours(mask)
    assert len(line) - len(np.unique(line, axis=0)) == 2


def test_nothing_has_no_line() -> None:
    """An empty mask has no contour."""
    assert contours(np.zeros((4, 4), bool)) == []
