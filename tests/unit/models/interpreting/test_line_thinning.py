"""Fewer points, and nothing of the line further off than told."""

from typing import Any

import numpy as np
import pytest
from contourpy import contour_generator
from numpy.typing import NDArray

from models.interpreting.line_thinning import TOLERANCE_PIXELS, _furthest, simplified
from tests.line_distance import furthest


def lines_of(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the closed lines around a mask."""
    return list(contour_generator(z=np.pad(mask, 1).astype(np.float64)).lines(0.5))


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


def test_what_stays_is_near_what_was_there(disc: NDArray[np.bool_]) -> None:
    """A third of the points or fewer, nearly the same areas, no old point further than half a pixel from the new."""
    exact = lines_of(disc)
    few = simplified(exact)
    assert sum(map(len, few)) < sum(map(len, exact)) / 3
    for old, new in zip(exact, few, strict=True):
        assert area(new) == pytest.approx(area(old), rel=0.05)
        assert furthest(old, new) <= TOLERANCE_PIXELS + 1e-9


@pytest.mark.parametrize("tolerance", [0.25, 0.5, 2.0])
def test_of_any_shape_both_lines_are_near_each_other(tolerance: float) -> None:
    """No point of the one is further than the tolerance from the other, either way, of shapes of any kind."""
    random = np.random.default_rng(3)
    for _ in range(20):
        mask = random.random(random.integers(2, 40, 2)) < random.choice([0.3, 0.5, 0.7])
        exact = lines_of(np.asarray(mask))
        for old, new in zip(exact, simplified(exact, tolerance), strict=True):
            between = np.concatenate([new[:-1] + share * np.diff(new, axis=0) for share in np.linspace(0, 1, 9)])
            assert furthest(old, new) <= tolerance + 1e-9
            assert furthest(between, old) <= tolerance + 1e-9


def test_a_line_that_comes_back_on_itself_keeps_its_tip() -> None:
    """A spike without width is straight by its directions, and yet turns at its end."""
    ring = np.array([(0, 0), (0, 4), (0, 9), (0, 4), (5, 4), (0, 0)], np.float64)
    (thin,) = simplified([ring])
    assert thin.max(axis=0).tolist() == [5, 9]


def test_teeth_of_one_height_are_halved_and_not_taken_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a long comb would be gone through as often as it has teeth."""
    rounds = []

    def counting(*arguments: Any) -> Any:
        rounds.append(arguments)
        return _furthest(*arguments)

    monkeypatch.setattr("models.interpreting.line_thinning._furthest", counting)
    mask = np.zeros((12, 1000), bool)
    mask[3:6], mask[6:9, ::2] = True, True
    (old,) = lines_of(mask)
    (new,) = simplified([old])
    assert furthest(old, new) <= TOLERANCE_PIXELS + 1e-9
    assert len(rounds) < 50


def test_many_at_once_are_as_one_by_one(disc: NDArray[np.bool_]) -> None:
    """Lines that are simplified together do not touch each other."""
    lines = lines_of(disc) * 3
    together, alone = simplified(lines), [simplified([line])[0] for line in lines]
    assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))
    assert simplified([]) == []
