"""No size is told on the other side of a limit that decides about it, in no sentence, picture or message."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from models.card.card_critical import CertaintyRule, CriticalRule, DiameterRule, ProbabilityRule, VolumeRule
from models.card.card_parts import Concept
from models.findings import Finding, Measurement, Reading
from models.interpreting.classification import PRESENT
from models.interpreting.critical import critical_reasons
from models.interpreting.instances import CERTAINTY, DIAMETER, MILLILITRE, MILLIMETRE, PERCENT, VOLUME
from tests.number_models import FRACTION, numbers_card
from tests.readings import SINUS, a_nodule_card, case_of, detections_reading
from worker.case.case import Case
from worker.case.finding_sentences import caveats_of, findings_of, summary_of
from worker.case.foremost_words import foremost_sentences
from worker.case.prior import Change, Prior
from worker.case.site_filter import for_site
from worker.gate.bundle import content_items
from worker.objects.text_report import build_text_report
from worker.pictures.presentation_state import build_presentation_state
from worker.series.series_volume import LoadedSeries, load_series
from worker.settings import ReportSettings
from worker.testing import write_mr_series

CENTIMETRE = Concept(value="cm", scheme="UCUM", meaning="centimeter")


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """A small series."""
    return load_series(write_mr_series(tmp_path, slices=5), max_voxels=10**6)


def a_case(series: LoadedSeries, size: Measurement, *rules: CriticalRule, report: ReportSettings | None = None) -> Case:
    """Return the case of one nodule of this size under these rules, without what the site does not want."""
    card = a_nodule_card().model_copy(update={"critical": rules})
    found = detections_reading(series, masks=False).detections[0]
    reading = Reading(detections=(replace(found, measurements=(size,)),))
    reading = for_site(reading, report or ReportSettings(), series.source)
    case = case_of(series, reading, card, report=report)
    return replace(case, critical=critical_reasons(rules, reading))


def told(case: Case) -> Iterator[str]:
    """Yield whatever is told of the nodule."""
    yield from foremost_sentences(case)
    yield summary_of(case)
    yield from findings_of(case)
    yield str(build_presentation_state(case))


@pytest.mark.parametrize(
    ("millimetres", "limit", "shown"),
    [
        (7.996, 8.0, "7.996"),
        (7.9999999, 8.0, "7.9999999"),
        (8.0, 8.0, "8.00"),
        (8.004, 8.0, "8.00"),
        (7.9999999999999, 8.0, "8.00"),
        (14.96, 15.0, "14.96"),
        (10.25, 10.25, "10.25"),
        (10.35, 10.4, "10.3"),
        (10.26, 10.25, "10.3"),
        (7.996, 9.0, "8.00"),
    ],
)
def test_a_diameter_reaches_its_limit_where_it_is_critical(
    series: LoadedSeries, millimetres: float, limit: float, shown: str
) -> None:
    """And nowhere else; of what the computer's own rounding takes away nothing is decided."""
    rule = DiameterRule(when="diameter", label="Nodule", at_least=limit)
    case = a_case(series, Measurement(name=DIAMETER, value=millimetres, unit=MILLIMETRE), rule)
    assert bool(case.critical) == (float(shown) >= limit)
    assert all(f"{shown} mm" in sentence for sentence in told(case))


def test_centimetres_are_held_against_millimetres(series: LoadedSeries) -> None:
    """As the rule does it."""
    size = Measurement(name=DIAMETER, value=0.79996, unit=CENTIMETRE)
    case = a_case(series, size, DiameterRule(when="diameter", label="Nodule", at_least=8.0))
    assert not case.critical
    assert all("0.79996 cm" in sentence for sentence in told(case))


@pytest.mark.parametrize(
    ("millilitres", "limits", "shown", "critical"),
    [
        (4.998, {"at_least": 5.0}, "4.998", False),
        (5.002, {"at_most": 5.0}, "5.002", False),
        (4.998, {"at_most": 5.0}, "5.00", True),
        (5.002, {"at_least": 5.0}, "5.00", True),
        (0.0996, {"at_least": 0.1}, "0.0996", False),
        (1999.6, {"at_least": 2000.0}, "1,999.6", False),
    ],
)
def test_a_volume_likewise(
    series: LoadedSeries,
    millilitres: float,
    limits: dict[str, float],
    shown: str,
    critical: bool,  # noqa: FBT001
) -> None:
    """From below and from above."""
    size = Measurement(name=VOLUME, value=millilitres, unit=MILLILITRE)
    case = a_case(series, size, VolumeRule.model_validate({"when": "volume", "label": "Nodule", **limits}))
    assert bool(case.critical) is critical
    assert all(f"{shown} ml" in sentence for sentence in told(case))


def test_what_the_site_wants_told_is_not_told_as_smaller(series: LoadedSeries) -> None:
    """10.25 mm is not told as 10.2 mm, which would be less; what the computer's rounding takes away is nothing."""
    for millimetres, least, shown in ((10.25, 10.25, "10.25 mm"), (7.9999999999999, 8.0, "8.00 mm")):
        size = Measurement(name=DIAMETER, value=millimetres, unit=MILLIMETRE)
        case = a_case(series, size, report=ReportSettings(min_diameter_mm=least))
        assert shown in findings_of(case)[0]
        assert any("is not reported" in caveat for caveat in caveats_of(case))


def test_a_certainty_that_reaches_its_limit_is_told_as_that(series: LoadedSeries) -> None:
    """100 times 0.57 is a little less than 57 for the computer: neither what is decided nor what is told is."""
    percent = 100 * 0.57
    rule = ProbabilityRule(when="probability", label="Nodule", at_least=57.0)
    size = Measurement(name=CERTAINTY, value=percent, unit=PERCENT)
    case = a_case(series, size, rule, report=ReportSettings(min_certainty_percent=57.0))
    assert case.critical
    assert "57 %" in findings_of(case)[0]
    certain = CertaintyRule(when="certainty", concept=SINUS, at_least=57.0)
    reading = Reading(findings=(Finding(name=SINUS, value=PRESENT, certainty_percent=percent),))
    assert critical_reasons((certain,), reading)
    assert for_site(reading, ReportSettings(min_certainty_percent=57.0), series.source).findings


def test_a_comparison_does_not_cross_it(series: LoadedSeries) -> None:
    """Neither the number of then nor that of now."""
    size = Measurement(name=DIAMETER, value=7.996, unit=MILLIMETRE)
    case = a_case(series, size, DiameterRule(when="diameter", label="Nodule", at_least=8.0))
    label = case.reading.detections[0].label
    change = Change(label=label, number=1, name=DIAMETER, unit=MILLIMETRE, method=None, earlier=7.998, now=7.996)
    prior = Prior(
        studied_on=date(2025, 1, 2), days=90, model_version="1", changes=(change,), unpaired=(), references=()
    )
    items = content_items(build_text_report(replace(case, prior=prior)))
    text = " ".join(str(item.TextValue) for item in items if "TextValue" in item)
    assert "7.998 mm \N{RIGHTWARDS ARROW} 7.996 mm" in text


@pytest.mark.parametrize(
    ("percent", "limit", "shown", "critical"),
    [
        (30.04, {"at_most": 30}, "30.04", False),
        (29.96, {"at_most": 30}, "30.0", True),
        (69.96, {"at_least": 70}, "69.96", False),
        (30.04, {"at_most": 20}, "30.0", False),
    ],
)
def test_a_number_of_the_whole_input_likewise(
    series: LoadedSeries,
    percent: float,
    limit: dict[str, float],
    shown: str,
    critical: bool,  # noqa: FBT001
) -> None:
    """An ejection fraction in sentences, and beside that of then."""
    card = numbers_card(critical=[{"when": "number", "concept": FRACTION.model_dump(), **limit}])
    reading = Reading(measurements=(Measurement(name=FRACTION, value=percent, unit=PERCENT),))
    change = Change(label=None, number=None, name=FRACTION, unit=PERCENT, method=None, earlier=50.0, now=percent)
    prior = Prior(
        studied_on=date(2025, 1, 2), days=90, model_version="1", changes=(change,), unpaired=(), references=()
    )
    case = replace(case_of(series, reading, card), critical=critical_reasons(card.critical, reading), prior=prior)
    assert bool(case.critical) is critical
    items = content_items(build_text_report(case))
    told = [str(item.TextValue) for item in items if "TextValue" in item and FRACTION.meaning in str(item.TextValue)]
    assert len(told) == 3 + critical
    assert all(f"{shown} %" in sentence for sentence in told)
