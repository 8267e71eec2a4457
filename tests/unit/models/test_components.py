"""Connected parts of a mask."""

import numpy as np

from models.components import fill_holes, largest_component


def test_only_the_largest_part_is_kept() -> None:
    """Parts that touch at a corner are one; smaller parts go; the array that was given is not changed."""
    mask = np.zeros((8, 8, 8), bool)
    mask[0:2, 0:2, 0:2] = True
    mask[2, 2, 2] = True
    mask[6, 6, 6] = True
    before = mask.copy()
    kept = largest_component(mask)
    assert kept.sum() == 9
    assert not kept[6, 6, 6]
    np.testing.assert_array_equal(mask, before)


def test_an_empty_mask_stays_empty() -> None:
    """Nothing to keep and nothing to fill is not an error."""
    mask = np.zeros((3, 3, 3), bool)
    assert not largest_component(mask).any()
    assert not fill_holes(mask).any()


def test_holes_are_filled_and_bays_are_not() -> None:
    """Background inside is filled also beside the array's edge; background that reaches the edge of the mask is not."""
    mask = np.zeros((5, 5, 5), bool)
    mask[0:5, 0:5, 0:5] = True
    mask[2, 2, 2] = False
    mask[0, 2, 2] = False
    filled = fill_holes(mask)
    assert filled[2, 2, 2]
    assert not filled[0, 2, 2]
