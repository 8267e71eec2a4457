"""How many there are stands in the SR as a number of its own, which the gate proves and a later read compares with."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from models.card.card_parts import Concept, Range
from models.card.manifest import Card
from models.findings import Reading
from models.interpreting.counting import counts_of
from tests.readings import NODULE, a_nodule_card, case_of, detections_reading, load
from worker.case.case import Case
from worker.case.prior_words import comparison_sentences
from worker.case.sentences import Words
from worker.case.site_filter import for_site
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import MEASUREMENT_GROUP, children, content_items, name_of, parsed
from worker.objects.object_encoding import ResultObject
from worker.priors.earlier_report import KINDS, earlier_read
from worker.priors.prior_changes import compare
from worker.results import build
from worker.series.series_volume import LoadedSeries
from worker.settings import ReportSettings
from worker.testing import write_mr_series

COUNTED = NODULE.model_copy(update={"measurements": ("count",)})
NUMBER = ("246206008", "SCT")


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """An oblique series."""
    write_mr_series(tmp_path / "source", oblique=True)
    return load(tmp_path / "source")


def a_card() -> Card:
    """Return the card of a model that counts nodules."""
    return a_nodule_card(labels=[*(label.model_dump() for label in a_nodule_card().labels[:-1]), COUNTED.model_dump()])


def a_reading(series: LoadedSeries, *, masks: bool = True) -> Reading:
    """Return two nodules that are counted."""
    reading = detections_reading(series, masks=masks)
    detections = tuple(replace(one, label=COUNTED) for one in reading.detections)
    return replace(reading, detections=detections, counts=counts_of(detections, ()))


def counts_in(objects: Sequence[ResultObject]) -> list[Dataset]:
    """Return the groups of the SR that hold a count."""
    (report,) = (parsed(made.data) for made in objects if made.kind == "SR")
    groups = [item for item in content_items(report) if name_of(item) == MEASUREMENT_GROUP]
    return [group for group in groups if children(group, *NUMBER)]


@pytest.mark.parametrize("masks", [True, False])
def test_a_count_is_a_group_of_its_own(series: LoadedSeries, *, masks: bool) -> None:
    """TID 1501 with the finding and the number, which has no unit; also where nothing else is without coordinates."""
    case = case_of(series, a_reading(series, masks=masks), a_card())
    objects = build(case)
    output_gate.check(objects, case)
    (group,) = counts_in(objects)
    assert group.ContentTemplateSequence[0].TemplateIdentifier == "1501"
    (number,), (finding,) = children(group, *NUMBER), children(group, "121071", "DCM")
    value = number.MeasuredValueSequence[0]
    assert (float(value.NumericValue), value.MeasurementUnitsCodeSequence[0].CodeValue) == (2, "1")
    assert number.ConceptNameCodeSequence[0].CodeMeaning == "Number of lesions"
    assert finding.ConceptCodeSequence[0].CodeMeaning == "Nodule"


def test_0_is_a_count_and_absent(series: LoadedSeries) -> None:
    """A label that was looked for and not found is told absent, and that there are 0 of it."""
    reading = replace(detections_reading(series, masks=False), detections=(), missing=(COUNTED,))
    case = case_of(series, replace(reading, counts=counts_of((), (COUNTED,))), a_card())
    objects = build(case)
    output_gate.check(objects, case)
    (group,) = counts_in(objects)
    assert children(group, *NUMBER)[0].MeasuredValueSequence[0].FloatingPointValue == 0
    assert "2667000" in str(parsed(next(made.data for made in objects if made.kind == "SR")))


def test_sides_of_one_kind_are_told_apart(series: LoadedSeries) -> None:
    """Two labels of one concept have groups of their own, each with its side."""
    right = COUNTED.model_copy(update={"number": 12, "name": "Right nodule", "laterality": "right"})
    left = COUNTED.model_copy(update={"name": "Left nodule", "laterality": "left"})
    card = a_nodule_card(labels=[left.model_dump(), right.model_dump()])
    reading = Reading(missing=(left, right), counts=counts_of((), (left, right)))
    case = case_of(series, reading, card)
    objects = build(case)
    output_gate.check(objects, case)
    sides = [children(group, "272741003", "SCT")[0] for group in counts_in(objects)]
    assert [side.ConceptCodeSequence[0].CodeMeaning for side in sides] == ["Left", "Right"]


def other_number(group: Dataset) -> None:
    """Count one more."""
    children(group, *NUMBER)[0].MeasuredValueSequence[0].NumericValue = "3"


def a_half(group: Dataset) -> None:
    """Count two and a half."""
    children(group, *NUMBER)[0].MeasuredValueSequence[0].NumericValue = "2.5"


def nothing(group: Dataset) -> None:
    """Leave the number out."""
    group.ContentSequence = [item for item in group.ContentSequence if item.ValueType != "NUM"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (other_number, "how many there are of Nodule differs from the reading"),
        (nothing, "how many there are of Nodule differs from the reading"),
        (a_half, "a count is no whole number"),
    ],
)
def test_a_wrong_count_stays_in_the_house(series: LoadedSeries, change: Callable[[Dataset], None], named: str) -> None:
    """The gate refuses another number than the reading's, none, and one that counts nothing."""
    case = case_of(series, a_reading(series), a_card())
    objects = list(build(case))
    place = next(place for place, made in enumerate(objects) if made.kind == "SR")
    report = parsed(objects[place].data)
    groups = [item for item in content_items(report) if name_of(item) == MEASUREMENT_GROUP]
    change(next(group for group in groups if children(group, *NUMBER)))
    buffer = BytesIO()
    dcmwrite(buffer, report)
    objects[place] = replace(objects[place], data=buffer.getvalue())
    with pytest.raises(OutputRefused, match=named):
        output_gate.check(objects, case)


def test_more_than_plausible_stays_in_the_house(series: LoadedSeries) -> None:
    """The gate knows the card's limit too; fewer there may be, since what the site leaves out is not counted."""
    for limit, passes in ({"max": 2}, True), ({"min": 3}, True), ({"max": 1}, False):
        card = a_card()
        label = COUNTED.model_copy(update={"plausible_count": Range(**limit)})
        case = case_of(series, a_reading(series), card.model_copy(update={"labels": (*card.labels[:-1], label)}))
        if passes:
            output_gate.check(build(case), case)
        else:
            with pytest.raises(OutputRefused, match="how many there are of Nodule is not plausible"):
                output_gate.check(build(case), case)


def test_what_a_site_does_not_want_to_be_told_does_not_count(series: LoadedSeries) -> None:
    """The count is of the things that are told; where all of them are left out there is none, as 0 would deny them."""
    reading = a_reading(series)
    diameters = sorted(one.measurements[0].value for one in reading.detections)
    told = for_site(reading, ReportSettings(min_diameter_mm=diameters[0] + 0.01), None)
    assert [(len(told.detections), count.measurement.value) for count in told.counts] == [(1, 1)]
    assert not for_site(reading, ReportSettings(min_diameter_mm=diameters[1] + 0.01), None).counts
    assert for_site(reading, ReportSettings(), None).counts == reading.counts
    assert not for_site(reading, ReportSettings(measurements=("Diameter",)), None).counts
    absent = replace(reading, detections=(), instances=None, missing=(COUNTED,), counts=counts_of((), (COUNTED,)))
    assert for_site(absent, ReportSettings(min_diameter_mm=5), None).counts == absent.counts


def compared(before: Case, now: Reading) -> tuple[str, ...]:
    """Return what is said of a reading beside the reports of an earlier one."""
    reports = [made.data for made in build(before) if made.kind in KINDS]
    card, study = before.provenance.card, str(before.head.StudyInstanceUID)
    earlier = earlier_read(reports, card, lambda _: True, study_instance_uid=study)
    assert earlier is not None
    prior = compare(now, earlier, studied_on=date(2024, 3, 2), method=earlier.method)
    assert prior is not None
    return comparison_sentences(prior, Words("en"))


def test_a_count_is_compared_with_the_earlier_one(series: LoadedSeries) -> None:
    """Number with number, and it does not stand in the way of comparing the things themselves."""
    both = a_reading(series)
    told = compared(case_of(series, both, a_card()), both)
    assert "Nodule (number of lesions): 2 → 2 (0.0 %)" in told
    assert any("Nodule 1 (diameter)" in sentence for sentence in told)
    one = replace(both, detections=both.detections[:1])
    one = replace(one, counts=counts_of(one.detections, ()))
    assert "Nodule (number of lesions): 2 → 1 (-50.0 %)" in compared(case_of(series, both, a_card()), one)
    other = COUNTED.model_copy(update={"concept": Concept(value="4147007", scheme="SCT", meaning="Mass")})
    assert not any("number" in told for told in compared(
        case_of(series, both, a_card()), replace(both, counts=counts_of((), (other,)))))  # fmt: skip
