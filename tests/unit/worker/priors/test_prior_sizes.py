"""Sizes are compared in width, whatever was measured and in which unit."""

import math
from dataclasses import replace

import pytest

from models.card.card_parts import Concept
from models.findings import Measurement
from models.interpreting.instances import DIAMETER, MILLILITRE, MILLIMETRE, PERCENT, SHORT_AXIS, VOLUME, short_axis_of
from worker.priors.prior_sizes import apart, disagreement, in_unit

CM = Concept(value="cm", scheme="UCUM", meaning="centimeter")
MM3 = Concept(value="mm3", scheme="UCUM", meaning="cubic millimeter")


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "expected"),
    [
        (7100.0, MM3, MILLILITRE, 7.1),
        (1.2, CM, MILLIMETRE, 12.0),
        (3.0, PERCENT, PERCENT, 3.0),
        (3.0, PERCENT, MILLIMETRE, None),
        (3.0, MILLIMETRE, MILLILITRE, None),
    ],
)
def test_units(value: float, unit: Concept, wanted: Concept, expected: float | None) -> None:
    """Of one kind they are brought together, of two kinds never."""
    found = in_unit(Measurement(name=VOLUME, value=value, unit=unit), wanted)
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_volume_says_the_width_as_a_diameter_does() -> None:
    """Eight times the volume is twice the width."""
    one = [Measurement(name=VOLUME, value=1.0, unit=MILLILITRE)]
    eight = [Measurement(name=VOLUME, value=8000.0, unit=MM3)]
    assert apart(one, eight) == apart(eight, one) == pytest.approx(math.log(2.0))
    wide, narrow = (Measurement(name=DIAMETER, value=value, unit=MILLIMETRE) for value in (20.0, 10.0))
    assert apart([wide], [narrow]) == pytest.approx(math.log(2.0))
    # The worst disagreement counts.
    assert apart([*one, narrow], [*eight, narrow]) == pytest.approx(math.log(2.0))


def test_lengths_are_held_against_the_volume_alone() -> None:
    """What has become flat has lost its short axis and kept the long one: neither contradicts the other."""
    then = [
        Measurement(name=VOLUME, value=10.0, unit=MILLILITRE),
        Measurement(name=DIAMETER, value=40.0, unit=MILLIMETRE),
        Measurement(name=SHORT_AXIS, value=40.0, unit=MILLIMETRE),
    ]
    flat = [replace(then[0], value=5.0), then[1], replace(then[2], value=18.0)]
    assert disagreement(flat, then) == pytest.approx(math.log(40 / 18) - math.log(2) / 3)
    assert disagreement(flat[1:], then[1:]) == disagreement(flat[:1], then[:1]) == disagreement([], then) == 0.0


def test_sizes_by_another_method_are_not_held_against_each_other() -> None:
    """A short axis that does not say how it was measured is no smaller one."""
    then = Measurement(name=SHORT_AXIS, value=15.2, unit=MILLIMETRE)
    assert apart([short_axis_of(9.1)], [then]) == math.inf
    assert apart([short_axis_of(9.1)], [short_axis_of(9.1)]) == 0.0


def test_without_a_common_size_nothing_is_near() -> None:
    """Neither a certainty nor another measurement nor nothing at all says how far two things are apart."""
    size = [Measurement(name=DIAMETER, value=10.0, unit=MILLIMETRE)]
    sure = [Measurement(name=VOLUME, value=10.0, unit=PERCENT)]
    empty = [Measurement(name=DIAMETER, value=0.0, unit=MILLIMETRE)]
    assert apart(size, sure) == apart(sure, sure) == apart(size, []) == apart(size, empty) == math.inf
