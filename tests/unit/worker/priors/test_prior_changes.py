"""Which numbers belong together, and what has changed."""

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.card.card_parts import Concept, Label
from models.findings import Detection, Measurement, Reading, Structure
from models.interpreting.image_labels import AREA, PIXELS
from models.interpreting.instances import (
    DEVIATION,
    DIAMETER,
    MEAN,
    MILLILITRE,
    MILLIMETRE,
    PERCENT,
    SHORT_AXIS,
    VOLUME,
    short_axis_of,
)
from tests.readings import LABELS, NODULE, PROBABILITY, UPPER_LOBE, an_ecg_reading
from worker.case.prior import EarlierRead, Method, Observed, Obstacle, Prior
from worker.case.prior_words import comparison_sentences
from worker.case.sentences import words_in
from worker.instances.instance_reference import InstanceReference
from worker.priors.prior_changes import compare, doubling_days

TODAY = date(2026, 5, 4)
MM3 = Concept(value="mm3", scheme="UCUM", meaning="cubic millimeter")
REFERENCE = InstanceReference(
    study_instance_uid="1.2", series_instance_uid="1.2.3", sop_class_uid="1.4", sop_instance_uid="1.2.3.4"
)
THALAMUS = LABELS[1]
METHOD = Method(model_version="1", serial_number="ab")
LOWER_LOBE = Concept(value="90572001", scheme="SCT", meaning="Lower lobe of lung")


def volume(value: float, unit: Concept = MILLILITRE) -> Measurement:
    """Return a volume."""
    return Measurement(name=VOLUME, value=value, unit=unit)


def structure(label: Label, value: float) -> Structure:
    """Return a structure of so many ml."""
    return Structure(label=label, voxels=1, measurements=(volume(value),))


def nodule(number: int, diameter_mm: float, site: Concept | None = UPPER_LOBE) -> Detection:
    """Return a round nodule."""
    return Detection(
        number=number,
        label=NODULE,
        slice_index=0,
        outline=((0, 0), (0, 1), (1, 1)),
        measurements=(
            Measurement(name=DIAMETER, value=diameter_mm, unit=MILLIMETRE),
            volume(math.pi / 6 * diameter_mm**3, MM3),
            Measurement(name=PROBABILITY, value=50.0, unit=PERCENT),
        ),
        site=site,
    )


def observed(thing: Structure | Detection, side: str = "") -> Observed:
    """Return what a report would keep of it."""
    site = thing.site if isinstance(thing, Detection) else None
    return Observed(
        concept=(thing.label.concept.value, thing.label.concept.scheme),
        site=(site.value, site.scheme) if site else None,
        side=side,
        measurements=thing.measurements,
    )


def earlier(*things: Observed, days: int = 90, **changes: Any) -> EarlierRead:
    """Return a read so many days ago."""
    values: dict[str, Any] = {
        "studied_on": TODAY - timedelta(days=days),
        "studied_at": "20260101",
        "method": METHOD,
        "things": things,
        "whole": (),
        "references": (REFERENCE,),
    }
    return EarlierRead(**(values | changes))


def compared(reading: Reading, then: EarlierRead) -> Prior | None:
    """Compare a reading of today."""
    return compare(reading, then, studied_on=TODAY, method=METHOD)


def test_a_structure_is_compared_with_itself() -> None:
    """By concept and side; in absolute numbers and percent."""
    then = earlier(observed(structure(THALAMUS, 7.1), "left"))
    prior = compared(Reading(structures=(structure(THALAMUS, 6.4),)), then)
    assert prior is not None
    (change,) = prior.changes
    assert (change.label, change.earlier, change.now) == (THALAMUS, 7.1, 6.4)
    assert change.difference == pytest.approx(-0.7)
    assert change.percent == pytest.approx(-9.859, abs=1e-3)
    assert (prior.days, prior.obstacle, change.doubling_days) == (90, None, None)


@pytest.mark.parametrize(
    ("diameter_mm", "told"),
    [
        (30.0, {"Volume"}),  # of one part; the earlier release had measured from one to another
        (95.0, {"Volume", "Diameter"}),
        (190.0, {"Volume", "Diameter"}),
        (210.0, {"Volume"}),  # two parts have joined
    ],
)
def test_a_diameter_that_the_volume_contradicts_is_not_compared(diameter_mm: float, told: set[str]) -> None:
    """Nothing has become so much less, or more: a part of it is measured that was not."""
    now, then = (
        replace(
            structure(THALAMUS, 7.1), measurements=(volume(7.1), Measurement(name=DIAMETER, value=mm, unit=MILLIMETRE))
        )
        for mm in (diameter_mm, 100.0)
    )
    prior = compared(Reading(structures=(now,)), earlier(observed(then, "left")))
    assert prior is not None
    assert {change.name.meaning for change in prior.changes} == told


@pytest.mark.parametrize("side", ["right", "", "?"])
def test_another_side_is_another_structure(side: str) -> None:
    """What the left one was is not what the right one is, nor one whose side nobody said."""
    then = earlier(observed(structure(THALAMUS, 7.1), side))
    assert compared(Reading(structures=(structure(THALAMUS, 6.4),)), then) is None


def test_two_of_one_name_are_not_told_apart() -> None:
    """A report with the same structure twice says nothing of either."""
    then = earlier(observed(structure(THALAMUS, 7.1), "left"), observed(structure(THALAMUS, 6.9), "left"))
    assert compared(Reading(structures=(structure(THALAMUS, 6.4),)), then) is None


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({"model_version": "0.9", "serial_number": "cd"}, Obstacle.VERSION),
        ({"serial_number": "cd", "thresholds": ("min_diameter_mm=4",)}, Obstacle.MODEL),
        ({"serial_number": ""}, Obstacle.MODEL),
    ],
)
def test_what_another_model_measured_is_not_compared(changes: dict[str, Any], obstacle: Obstacle) -> None:
    """Another version, or the same with another card or other weights: a difference might be theirs."""
    method = replace(METHOD, **changes)
    then = earlier(observed(structure(THALAMUS, 7.1), "left"), observed(nodule(1, 5.0)), method=method)
    prior = compared(Reading(structures=(structure(THALAMUS, 6.4),), detections=(nodule(1, 11.0),)), then)
    assert prior is not None
    assert (prior.obstacle, prior.model_version) == (obstacle, method.model_version)
    assert (prior.changes, prior.differing, prior.references) == ((), (), (REFERENCE,))
    assert compared(Reading(), then) is None


def test_other_thresholds_leave_sizes_of_structures_alone() -> None:
    """Of detections and their counts another share was told; without any of them nothing is lost."""
    method = replace(METHOD, thresholds=("min_diameter_mm=4",))
    structures = (structure(THALAMUS, 6.4),)
    then = earlier(observed(structure(THALAMUS, 7.1), "left"), observed(nodule(1, 5.0)), method=method)
    prior = compared(Reading(structures=structures, detections=(nodule(1, 6.0),)), then)
    assert prior is not None
    assert prior.obstacle is Obstacle.THRESHOLDS
    assert [change.label for change in prior.changes] == [THALAMUS]
    alone = compared(Reading(structures=structures), then)
    assert alone is not None
    assert (alone.obstacle, len(alone.changes)) == (None, 1)


def test_a_single_nodule_at_a_site_is_the_same_one() -> None:
    """Its certainty is no size and is not compared; a volume that grows has a doubling time."""
    prior = compared(Reading(detections=(nodule(1, 10.0),)), earlier(observed(nodule(1, 8.0))))
    assert prior is not None
    assert [change.name for change in prior.changes] == [DIAMETER, VOLUME]
    assert prior.changes[0].doubling_days is None
    assert prior.changes[1].doubling_days == pytest.approx(90 * math.log(2) / math.log(1.25**3))


def test_nodules_of_clearly_different_size_are_paired() -> None:
    """Whatever their order then."""
    then = earlier(observed(nodule(1, 6.0)), observed(nodule(2, 20.0)))
    prior = compared(Reading(detections=(nodule(1, 21.0), nodule(2, 6.2))), then)
    assert prior is not None
    diameters = [(c.earlier, c.now) for c in prior.changes if c.name == DIAMETER]
    assert diameters == [(20.0, 21.0), (6.0, 6.2)]
    assert prior.unpaired == ()


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ((6.0, 6.5), (6.1, 6.6)),  # alike in size
        ((6.0,), (6.0, 20.0)),  # one more
        ((6.0, 20.0), (6.0,)),  # one less
        ((5.0, 5.0), (5.0, 5.0)),
    ],
)
def test_doubtful_pairs_are_left_out(then: tuple[float, ...], now: tuple[float, ...]) -> None:
    """A wrong comparison is worse than none; what was left out is named."""
    past = [observed(nodule(number, size)) for number, size in enumerate(then, 1)]
    reading = Reading(
        structures=(structure(THALAMUS, 6.4),), detections=tuple(nodule(n, size) for n, size in enumerate(now, 1))
    )
    prior = compared(reading, earlier(observed(structure(THALAMUS, 7.1), "left"), *past))
    assert prior is not None
    assert [change.label for change in prior.changes] == [THALAMUS]
    assert prior.unpaired == (NODULE,)


@pytest.mark.parametrize(("then", "now"), [(5.0, 11.0), (11.0, 5.0)])
def test_a_single_one_of_another_size_is_told_with_both_sizes(then: float, now: float) -> None:
    """More than twice as wide, or the reverse: it may be another one, and that is told also where nothing else is."""
    prior = compared(Reading(detections=(nodule(3, now),)), earlier(observed(nodule(1, then))))
    assert prior is not None
    assert (prior.changes, prior.unpaired) == ((), ())
    (change,) = prior.differing
    assert (change.label, change.number, change.name) == (NODULE, 3, DIAMETER)
    assert (change.earlier, change.now, change.doubling_days) == (then, now, None)


def test_a_single_one_without_a_common_size_is_not_told() -> None:
    """What was measured in another way then says nothing of today's."""
    size = (Measurement(name=DIAMETER, value=5.0, unit=MILLIMETRE),)
    then = replace(observed(nodule(1, 5.0)), measurements=size)
    now = replace(nodule(1, 5.0), measurements=(volume(3.0),))
    assert compared(Reading(detections=(now,)), earlier(then)) is None


def test_another_site_is_another_nodule() -> None:
    """One in the upper lobe is not the one that was in the lower."""
    assert compared(Reading(detections=(nodule(1, 6.0),)), earlier(observed(nodule(1, 6.0, LOWER_LOBE)))) is None


def test_numbers_of_the_whole_input_are_compared() -> None:
    """By name, method and unit."""
    reading = an_ecg_reading()
    rate, interval = reading.measurements
    then = earlier(
        whole=(
            Measurement(name=rate.name, value=70.0, unit=rate.unit, method=rate.method),
            Measurement(name=interval.name, value=900.0, unit=interval.unit, method=None),
        )
    )
    prior = compared(reading, then)
    assert prior is not None
    assert [(change.label, change.name, change.earlier) for change in prior.changes] == [(None, rate.name, 70.0)]


@pytest.mark.parametrize(
    ("unit", "before", "now", "told"),
    [
        ("%", 60.0, 45.0, "60.0 % → 45.0 %"),
        ("1", -2.5, -2.1, "-2.50 → -2.10"),
        ("1", 0.5, -0.5, "0.50 → -0.50"),
        ("a", 50.0, 60.0, "50.0 years → 60.0 years (+20.0 %)"),
    ],
)
def test_no_share_is_told_of_what_is_one_or_has_no_zero(unit: str, before: float, now: float, told: str) -> None:
    """15 points of an ejection fraction are not 25 % of the heart; and a score may be below 0."""
    fraction, unit_of = (
        Concept(value="X", scheme="99TEST", meaning="Number"),
        PERCENT.model_copy(update={"value": unit}),
    )
    then, today = (Measurement(name=fraction, value=value, unit=unit_of) for value in (before, now))
    prior = compared(Reading(measurements=(today,)), earlier(whole=(then,)))
    assert prior is not None
    assert f"Number: {told}" in comparison_sentences(prior, words_in("en"))


def test_certainties_of_the_whole_input_are_not_compared() -> None:
    """How certain a model is says nothing of what has changed."""
    then, today = (Measurement(name=PROBABILITY, value=value, unit=PERCENT) for value in (60.0, 45.0))
    assert compared(Reading(measurements=(today,)), earlier(whole=(then,))) is None


def test_units_of_volume_are_brought_together() -> None:
    """What was kept in mm3 is compared in today's ml; what measures something else is not compared."""
    then = Observed(
        concept=(THALAMUS.concept.value, "SCT"), site=None, side="left", measurements=(volume(7100.0, MM3),)
    )
    prior = compared(Reading(structures=(structure(THALAMUS, 6.4),)), earlier(then))
    assert prior is not None
    assert prior.changes[0].earlier == pytest.approx(7.1)
    wrong = Observed(concept=then.concept, site=None, side="left", measurements=(volume(7100.0, MILLIMETRE),))
    assert compared(Reading(structures=(structure(THALAMUS, 6.4),)), earlier(wrong)) is None


@pytest.mark.parametrize("name", [MEAN, DEVIATION])
def test_means_of_values_are_not_compared(name: Concept) -> None:
    """The same tissue has another value in another MR image, and Hounsfield units have no zero to take a share of."""
    unit = Concept(value="[hnsf'U]", scheme="UCUM", meaning="Hounsfield unit")
    thing = structure(LABELS[1], 7.0)
    now, then = (
        replace(thing, measurements=(*thing.measurements, Measurement(name=name, value=value, unit=unit)))
        for value in (6.0, 2.0)
    )
    found = compared(Reading(structures=(now,)), earlier(observed(then, side="left")))
    assert found is not None
    assert [change.name for change in found.changes] == [VOLUME]


def test_pixels_are_not_compared() -> None:
    """Without a spacing the same heart has more pixels on a larger image: no change is told, neither of a detection."""
    area = Measurement(name=AREA, value=9000.0, unit=PIXELS)
    then = replace(observed(structure(THALAMUS, 7.1), "left"), measurements=(replace(area, value=4000.0),))
    now = replace(structure(THALAMUS, 6.4), measurements=(area,))
    assert compared(Reading(structures=(now,)), earlier(then)) is None
    found = replace(nodule(1, 5.0), measurements=(area,))
    assert compared(Reading(detections=(found,)), earlier(observed(found))) is None
    # What is measured beside it is still compared.
    both = replace(now, measurements=(area, volume(6.4)))
    prior = compared(Reading(structures=(both,)), earlier(replace(then, measurements=(area, volume(7.1)))))
    assert prior is not None
    assert [change.name for change in prior.changes] == [VOLUME]


def test_a_later_study_is_no_earlier_one() -> None:
    """A negative number of days is no comparison."""
    then = earlier(observed(structure(THALAMUS, 7.1), "left"), days=-1)
    assert compared(Reading(structures=(structure(THALAMUS, 6.4),)), then) is None


@given(st.floats(1e-3, 1e6), st.floats(1.25, 1e3), st.integers(30, 10000))
def test_a_doubling_time_doubles(earlier_ml: float, growth: float, days: int) -> None:
    """A volume that doubles every so many days becomes what it is in the days between."""
    now = earlier_ml * growth
    doubling = doubling_days(earlier_ml, now, days)
    if now >= earlier_ml * 1.25:
        assert doubling is not None
        assert earlier_ml * 2.0 ** (days / doubling) == pytest.approx(now, rel=1e-6)


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6), st.integers(0, 10000))
def test_no_doubling_time_where_it_means_nothing(earlier_ml: float, now_ml: float, days: int) -> None:
    """Not within 30 days, and not below a quarter more; never negative."""
    doubling = doubling_days(earlier_ml, now_ml, days)
    if doubling is not None:
        assert doubling > 0
        assert days >= 30
        assert now_ml >= earlier_ml * 1.25
    else:
        assert days < 30 or earlier_ml < 1e-6 or now_ml < earlier_ml * 1.25


def test_organs_have_no_doubling_time() -> None:
    """What is anatomy does not double, however much it grew."""
    then = earlier(observed(structure(THALAMUS, 3.0), "left"))
    prior = compared(Reading(structures=(structure(THALAMUS, 9.0),)), then)
    assert prior is not None
    assert prior.changes[0].doubling_days is None


@given(st.lists(st.floats(1, 100), max_size=5), st.lists(st.floats(1, 100), max_size=5))
def test_pairs_are_one_to_one(then: list[float], now: list[float]) -> None:
    """Whatever was found, all of a kind are paired once or none is."""
    past = [observed(nodule(number, size)) for number, size in enumerate(then, 1)]
    prior = compared(Reading(detections=tuple(nodule(n, size) for n, size in enumerate(now, 1))), earlier(*past))
    if prior is not None and prior.differing:
        assert (len(then), len(now), prior.changes) == (1, 1, ())
    elif prior is not None:
        diameters = [change for change in prior.changes if change.name == DIAMETER]
        assert len(diameters) == len(then) == len(now)
        assert sorted(change.earlier for change in diameters) == pytest.approx(sorted(then))


@pytest.mark.parametrize(("then", "now"), [(True, False), (False, True), (True, True)])
def test_what_the_edge_of_the_images_cuts_is_not_compared(*, then: bool, now: bool) -> None:
    """The scan shows more of it or less, and the tumour has not changed: it is told instead, also alone."""
    tumour = structure(THALAMUS.model_copy(update={"category": NODULE.category}), 8.0)
    grown = replace(tumour, measurements=(volume(14.0),), cut=now)
    prior = compared(Reading(structures=(grown,)), earlier(replace(observed(tumour, "left"), cut=then)))
    assert prior is not None
    assert (prior.changes, prior.differing, prior.cut) == ((), (), (tumour.label,))


def test_where_one_of_several_is_cut_none_is_paired_by_size() -> None:
    """Its size may be that of another; what is alone of its kind and whole is compared."""
    past = [observed(nodule(number, size)) for number, size in enumerate((6.0, 20.0), 1)]
    today = (replace(nodule(1, 6.0), cut=True), nodule(2, 20.0))
    then = earlier(*past, observed(structure(THALAMUS, 7.1), "left"))
    prior = compared(Reading(structures=(structure(THALAMUS, 6.4),), detections=today), then)
    assert prior is not None
    assert [change.label for change in prior.changes] == [THALAMUS]
    assert (prior.unpaired, prior.cut) == ((), (NODULE,))


def test_another_version_says_nothing_of_what_is_cut() -> None:
    """Nothing of it is compared."""
    then = earlier(
        replace(observed(structure(THALAMUS, 7.1), "left"), cut=True), method=replace(METHOD, model_version="0")
    )
    prior = compared(Reading(structures=(structure(THALAMUS, 6.4),)), then)
    assert prior is not None
    assert (prior.cut, prior.obstacle) == ((), Obstacle.VERSION)


def test_a_short_axis_that_does_not_say_how_it_was_measured_is_not_compared() -> None:
    """It may say how far a curved node reaches to one side: today's smaller number is no shrinking."""
    now, then = nodule(1, 20.0), nodule(1, 20.0)
    now = replace(now, measurements=(*now.measurements, short_axis_of(9.1)))
    old = Measurement(name=SHORT_AXIS, value=15.2, unit=MILLIMETRE)
    untold = replace(then, measurements=(*then.measurements, old))
    alike = replace(then, measurements=(*then.measurements, short_axis_of(9.3)))
    for before, expected in ((untold, []), (alike, [9.3])):
        prior = compare(Reading(detections=(now,)), earlier(observed(before)), studied_on=TODAY, method=METHOD)
        assert prior is not None
        assert [change.earlier for change in prior.changes if change.name == SHORT_AXIS] == expected
        assert DIAMETER in [change.name for change in prior.changes]


def test_what_is_no_longer_found_is_told() -> None:
    """With the size that it had: that a tumour of 30 mm was there stood nowhere."""
    then = earlier(observed(nodule(1, 12.0)), observed(nodule(2, 30.0, LOWER_LOBE)), observed(nodule(3, 6.0)))
    prior = compared(Reading(missing=(NODULE, THALAMUS)), then)
    assert prior is not None
    (gone,) = prior.gone
    assert (gone.label, gone.count, gone.largest.value) == (NODULE, 3, 30.0)
    lines = comparison_sentences(prior, words_in("en"))
    assert lines[1:] == ("Nodule: 3 then, the largest 30.0 mm; none found now.",)
    one = compared(Reading(missing=(NODULE,)), earlier(observed(nodule(1, 12.0))))
    assert one is not None
    assert comparison_sentences(one, words_in("en"))[1:] == ("Nodule: 12.0 mm then, not found now.",)


def test_what_was_cut_then_and_is_gone_was_at_least_so_large() -> None:
    """What of it lay beyond the images nobody has measured."""
    then = replace(observed(nodule(1, 12.0)), cut=True)
    for before, told in (
        ((then,), "Nodule: at least 12.0 mm then, not found now."),
        ((observed(nodule(2, 14.0)), then), "Nodule: 2 then, the largest at least 14.0 mm; none found now."),
    ):
        prior = compared(Reading(missing=(NODULE,)), earlier(*before))
        assert prior is not None
        assert comparison_sentences(prior, words_in("en"))[1:] == (told,)


def test_what_is_gone_is_so_on_its_side() -> None:
    """The left thalamus is missing, and what was found then was the right one, or is there under another label."""
    right = THALAMUS.model_copy(update={"number": 6, "name": "Right thalamus", "laterality": "right"})
    then = earlier(observed(structure(THALAMUS, 7.0), "left"), observed(structure(right, 7.1), "right"))
    prior = compared(Reading(structures=(structure(right, 7.0),), missing=(THALAMUS,)), then)
    assert prior is not None
    assert [(one.label, one.largest.value) for one in prior.gone] == [(THALAMUS, 7.0)]
    assert compared(Reading(missing=(THALAMUS,)), earlier(observed(structure(right, 7.1), "right"))) is None
    like_it = NODULE.model_copy(update={"number": 99, "name": "Nodule with calcification"})
    found = compared(Reading(detections=(nodule(1, 12.0),), missing=(like_it,)), earlier(observed(nodule(1, 12.0))))
    assert found is not None
    assert found.gone == ()


@pytest.mark.parametrize(
    ("method", "labels"),
    [
        (replace(METHOD, model_version="0.9"), []),
        (replace(METHOD, serial_number="cd"), []),
        (replace(METHOD, thresholds=("others",)), [THALAMUS]),
    ],
)
def test_what_another_method_found_is_not_gone(method: Method, labels: list[Label]) -> None:
    """It may have found more; of what is counted one by one, the thresholds decide."""
    then = earlier(observed(nodule(1, 12.0)), observed(structure(THALAMUS, 7.0), "left"), method=method)
    prior = compared(Reading(missing=(NODULE, THALAMUS)), then)
    assert prior is not None
    assert prior.obstacle is not None
    assert [one.label for one in prior.gone] == labels
