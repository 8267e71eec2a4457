"""The longest diameter of a part, and the longest perpendicular to it that is inside."""

import numpy as np
import pytest

from models.interpreting import diameters
from models.interpreting.diameters import length_mm, long_axis, short_axis_mm
from models.interpreting.instances import axes_mm

#: Of the way along a long axis: a chord beside a corner, which is longer or shorter than one through it.
_BESIDE = 1e-7


def a_bend(*, radius: float, width: float, size: int = 64) -> np.ndarray:
    """Return half a ring."""
    y, x = np.mgrid[-size // 2 : size // 2, -size // 2 : size // 2] + 0.5
    distance = np.hypot(y, x)
    return (distance < radius) & (distance > radius - width) & (y > 0)


def longest_chord(line: np.ndarray, ends: np.ndarray) -> float:
    """Return the longest chord by trying: each side of each corner, the crossings of one line after the other."""
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    place, side = line @ along, line @ np.array((-along[1], along[0]))
    longest = 0.0
    for at in np.concatenate([place - _BESIDE, place + _BESIDE]):
        before, after = place - at, np.roll(place, -1) - at
        crossed = np.flatnonzero((before < 0) != (after < 0))
        share = before[crossed] / (before - after)[crossed]
        sides = np.sort(side[crossed] + share * (np.roll(side, -1) - side)[crossed])
        longest = max(longest, float((sides[1::2] - sides[::2]).max(initial=0.0)))
    return longest


def a_star(random: np.random.Generator) -> np.ndarray:
    """Return a closed line with a dozen corners in any direction, as far as it likes from its middle."""
    angles = np.sort(random.uniform(0, 2 * np.pi, 12))
    return random.uniform(2, 20, 12)[:, None] * np.stack([np.sin(angles), np.cos(angles)], axis=1)


def test_the_short_axis_of_a_curved_node_is_its_thickness() -> None:
    """RECIST measures inside the node; how far its ends are bent to one side is no diameter of it."""
    long_mm, short_mm = axes_mm(a_bend(radius=20, width=5), 0.7, 0.7)
    assert long_mm == pytest.approx(28, abs=0.7)
    # Beside the middle of the bend, where the chord just passes under its inner side.
    assert short_mm == pytest.approx(0.7 * np.sqrt(20**2 - 15**2), abs=0.7)


def test_the_short_axis_is_that_of_trying_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of lines of any shape, also where their crossings are looked at a few at a time."""
    random = np.random.default_rng(3)
    for crossings in (1 << 20, 5):
        monkeypatch.setattr(diameters, "_CROSSINGS", crossings)
        for _ in range(50):
            line = a_star(random)
            ends = long_axis(line)
            assert short_axis_mm(line, ends) == pytest.approx(longest_chord(line, ends), rel=1e-4)


def test_a_disc_is_as_wide_as_it_is_long() -> None:
    """On square pixels and on others, within one; a hole in it changes nothing."""
    y, x = np.mgrid[-20:20, -30:30] + 0.5
    for spacing in ((1.0, 1.0), (1.5, 0.8)):
        disc = np.hypot(y * spacing[0], x * spacing[1]) < 15
        long_mm, short_mm = axes_mm(disc, *spacing)
        assert short_mm == pytest.approx(long_mm, abs=max(spacing))
        hollow = disc & (np.hypot(y * spacing[0], x * spacing[1]) > 10)
        assert axes_mm(hollow, *spacing) == pytest.approx((long_mm, short_mm))


@pytest.mark.parametrize("spacing", [(0.7, 0.7), (0.5, 2.0)])
def test_a_thin_line_is_a_pixel_wide(spacing: tuple[float, float]) -> None:
    """Along rows and along columns."""
    assert axes_mm(np.ones((1, 20), bool), *spacing) == pytest.approx((20 * spacing[1], spacing[0]))
    assert axes_mm(np.ones((20, 1), bool), *spacing) == pytest.approx((20 * spacing[0], spacing[1]))


def test_a_large_jagged_part_is_measured_as_well() -> None:
    """A comb has as many crossings as teeth wherever it is cut: its short axis is its back and no more."""
    comb = np.zeros((200, 200), bool)
    comb[:, ::2] = comb[190:] = True
    long_mm, short_mm = axes_mm(comb, 1.0, 1.0)
    assert long_mm == pytest.approx(np.hypot(200, 199), abs=1.0)
    assert 10.0 < short_mm < 20.0


def test_a_diameter_ends_on_the_line() -> None:
    """Both ends are points of it."""
    line = a_star(np.random.default_rng(1))
    ends = long_axis(line)
    assert all(any(np.array_equal(end, point) for point in line) for end in ends)
    assert length_mm(ends) == pytest.approx(np.linalg.norm(line[:, None] - line, axis=2).max())
