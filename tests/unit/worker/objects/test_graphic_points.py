"""Of any line no more points than an element can hold."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.line_distance import furthest
from worker.objects.graphic_points import MOST_POINTS, within_limit


def comb(teeth: int, high: float) -> NDArray[np.float64]:
    """Return the closed line around a long thin thing with teeth on both its long sides."""
    column = np.arange(2.0 * teeth)
    upper = np.stack([high * (column % 2), column], axis=1)
    lower = np.stack([3 + high * (column % 2), column], axis=1)[::-1]
    return np.concatenate([upper, lower, upper[:1]])


@pytest.mark.parametrize("high", [0.3, 1.0, 1.5, 4.0])
def test_a_comb_that_falls_flat_has_an_end_too(high: float) -> None:
    """By the tolerance that takes its teeth away nothing is left of it, and it is shown all the same."""
    line = comb(2500, high)
    drawn = within_limit(line)
    assert 4 <= len(drawn) <= MOST_POINTS
    assert np.array_equal(drawn[0], drawn[-1])
    assert furthest(line[::50], drawn) <= high + 3


def test_what_fits_stays_as_it_is() -> None:
    """To the last point."""
    line = comb(2000, 1.0)
    assert np.array_equal(within_limit(line), line)
