"""Few lines that look like the mask."""

import numpy as np
import pytest
from numpy.typing import NDArray

from worker.mask_outlines import TOLERANCE_PIXELS, outlines, simplified


def area(ring: NDArray[np.float64]) -> float:
    """Return what a closed line encloses (Gauss)."""
    y, x = ring[:-1].T
    return abs(float(np.sum(y * np.roll(x, -1) - np.roll(y, -1) * x))) / 2


@pytest.fixture
def disc() -> NDArray[np.bool_]:
    """A disc that touches the upper edge, with a hole and a pixel by itself."""
    y, x = np.ogrid[:60, :50]
    mask = (y - 20) ** 2 + (x - 25) ** 2 < 21**2
    mask &= (y - 25) ** 2 + (x - 25) ** 2 > 5**2
    mask[55, 3] = True
    return np.asarray(mask)


def test_each_line_is_closed_and_a_hole_has_its_own(disc: NDArray[np.bool_]) -> None:
    """Outer line, hole and the single pixel: three lines whose first points are their last."""
    lines = outlines(disc)
    assert len(lines) == 3
    assert all((line[0] == line[-1]).all() for line in lines)
    assert min(len(line) for line in lines) == 5  # a diamond around the single pixel


def test_what_stays_is_near_what_was_there(disc: NDArray[np.bool_]) -> None:
    """A third of the points or fewer, nearly the same areas, no old point further than half a pixel from the new."""
    exact = outlines(disc)
    few = simplified(exact)
    assert sum(map(len, few)) < sum(map(len, exact)) / 3
    for old, new in zip(exact, few, strict=True):
        assert area(new) == pytest.approx(area(old), rel=0.05)
        start, way = new[:-1], np.diff(new, axis=0)
        for point in old:
            share = np.clip(((point - start) * way).sum(axis=1) / (way**2).sum(axis=1), 0, 1)
            assert np.linalg.norm(start + share[:, None] * way - point, axis=1).min() <= TOLERANCE_PIXELS + 1e-9


def test_many_at_once_are_as_one_by_one(disc: NDArray[np.bool_]) -> None:
    """Lines that are simplified together do not touch each other."""
    lines = outlines(disc) * 3
    together, alone = simplified(lines), [simplified([line])[0] for line in lines]
    assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))
    assert simplified([]) == []


def test_an_empty_mask_has_no_lines() -> None:
    """Nothing is drawn around nothing."""
    assert outlines(np.zeros((4, 4), bool)) == []
