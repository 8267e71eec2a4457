"""The sentence that sums a read up hides nothing that is no anatomy, and is not surer than the model."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from models.card.card_critical import CertaintyRule, ProbabilityRule
from models.card.card_parts import Concept
from models.findings import Finding, Measurement, Reading
from models.interpreting.critical_reason import CriticalReason
from models.interpreting.instances import PERCENT
from tests.number_models import numbers_card
from tests.readings import (
    ABSENT,
    LABELS,
    NODULE,
    PNEUMONIA,
    PRESENT,
    PROBABILITY,
    SINUS,
    a_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    detections_reading,
)
from worker.case.finding_sentences import findings_of, summary_of
from worker.series.series_volume import LoadedSeries, load_series
from worker.testing import write_mr_series

YES = Concept(value="373066001", scheme="SCT", meaning="Yes")


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """A small series."""
    return load_series(write_mr_series(tmp_path, slices=5), max_voxels=10**6)


def test_what_is_abnormal_is_named_beside_the_anatomy(series: LoadedSeries) -> None:
    """Found with its size, not found by name; a count of structures alone would tell neither."""
    reading = a_reading(series)
    anatomy = summary_of(case_of(series, reading, a_card()))
    lesion = LABELS[0].model_copy(update={"number": 9, "name": "Haemorrhage", "category": NODULE.category, "names": {}})
    structure = replace(reading.structures[0], label=lesion)
    found = summary_of(case_of(series, replace(reading, structures=(*reading.structures, structure)), a_card()))
    assert found.startswith("Haemorrhage: ")
    assert found.endswith(anatomy)
    missing = summary_of(case_of(series, replace(reading, missing=(lesion,)), a_card()))
    assert missing == f"{anatomy} Looked for and not found: Haemorrhage."


def test_what_is_there_is_not_buried_under_what_is_not(series: LoadedSeries) -> None:
    """Critical first, then present, then what is neither, then what was found at a place, and what is absent last."""
    names = [Concept(value=str(number), scheme="99TEST", meaning=f"Question {number}") for number in range(6)]
    answers = (ABSENT, SINUS, PRESENT, ABSENT, YES, PRESENT)
    findings = tuple(Finding(name=name, value=value) for name, value in zip(names, answers, strict=True))
    reading = replace(detections_reading(series, masks=False), findings=findings)
    case = case_of(series, reading, a_card())
    case = replace(case, critical=(CriticalReason(kind="present", name="Question 5", concept=names[5]),))
    told = re.findall(r"Question \d|Nodule", summary_of(case))
    assert told == [*(f"Question {number}" for number in (5, 2, 4, 1)), "Nodule", "Question 0", "Question 3"]
    listed = [sentence for sentence in findings_of(case) if sentence.startswith("Question")]
    assert [sentence[:10] for sentence in listed] == [name.meaning for name in names]


@pytest.mark.parametrize(
    ("percent", "limit", "told"),
    [(89.6, 90, "89.6"), (90.0, 90, "90"), (89.999, 90, "89.999"), (89.6, 80, "90"), (99.6, 99.5, "99.6")],
)
def test_no_certainty_is_told_on_the_other_side_of_a_limit(
    series: LoadedSeries, percent: float, limit: float, told: str
) -> None:
    """What is not critical at 90 % is not told as 90 %, of a finding as of a detection."""
    rules = (
        CertaintyRule(when="certainty", concept=PNEUMONIA, at_least=limit),
        ProbabilityRule(when="probability", label="Nodule", at_least=limit),
    )
    card = a_card().model_copy(update={"critical": rules})
    found = detections_reading(series, masks=False).detections[0]
    found = replace(found, measurements=(Measurement(name=PROBABILITY, value=percent, unit=PERCENT),))
    finding = Finding(name=PNEUMONIA, value=PRESENT, certainty_percent=percent)
    of_finding, of_detection = findings_of(case_of(series, Reading(findings=(finding,), detections=(found,)), card))
    assert f"certainty {told} %" in of_finding
    assert f"probability of cancer {told} %" in of_detection


def test_certainty_is_100_only_where_it_is(series: LoadedSeries) -> None:
    """99.6 is not rounded up to it."""
    for percent, told in ((99.6, ">99"), (100.0, "100"), (99.4, "99")):
        reading = Reading(findings=(Finding(name=PNEUMONIA, value=PRESENT, certainty_percent=percent),))
        (line,) = findings_of(case_of(series, reading, a_card()))
        assert f"certainty {told} %" in line
        found = detections_reading(series, masks=False).detections[0]
        found = replace(found, measurements=(Measurement(name=PROBABILITY, value=percent, unit=PERCENT),))
        (line,) = findings_of(case_of(series, Reading(detections=(found,)), a_card()))
        assert f"probability of cancer {told} %" in line


def test_all_numbers_of_a_card_are_told_as_long_as_they_are_few(series: LoadedSeries) -> None:
    """Beside what was found; of many the first five, and how many more there are."""
    names = [Concept(value=str(number), scheme="99TEST", meaning=f"Number {number}") for number in range(7)]
    numbers = tuple(Measurement(name=name, value=12.0, unit=PERCENT) for name in names)
    assert summary_of(case_of(series, Reading(measurements=numbers[:2]), numbers_card())) == (
        "Number 0: 12.0 %. Number 1: 12.0 %."
    )
    told = summary_of(case_of(series, Reading(measurements=numbers), numbers_card()))
    assert told.endswith("Number 4: 12.0 %. 2 more numbers were measured.")
    answers = tuple(Finding(name=PNEUMONIA, value=answer) for answer in (PRESENT, ABSENT))
    told = summary_of(case_of(series, Reading(findings=answers, measurements=numbers[:1]), a_card()))
    assert told == "Pneumonia: Present. Number 0: 12.0 %. Pneumonia: Absent."


def test_a_rhythm_sums_an_ecg_up() -> None:
    """Its intervals are listed below it; where there is no rhythm, they are all that there is."""
    reading = an_ecg_reading()
    told = summary_of(case_of(an_ecg(), reading, an_ecg_card()))
    assert "Heart rate" not in told
    told = summary_of(case_of(an_ecg(), replace(reading, findings=()), an_ecg_card()))
    assert all(measurement.name.meaning in told for measurement in reading.measurements)
