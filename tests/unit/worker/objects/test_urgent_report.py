"""What a critical or late read says of itself in its objects."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.interpreting.critical_reason import CriticalReason
from tests.readings import LABELS, a_card, a_reading, case_of, load
from tests.unit.worker.objects.test_text_report import lines_of, text_of
from worker.case.case import Case
from worker.gate import output_gate
from worker.gate.bundle import parsed
from worker.objects.object_encoding import series_description
from worker.recipe import recipe_digest
from worker.results import build
from worker.settings import ReportSettings
from worker.testing import write_mr_series

CORTEX = CriticalReason(
    kind="volume", name="Cerebral cortex", concept=LABELS[0].concept, value=99.5, unit="ml", at_least=80.0
)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A read that is neither critical nor late."""
    write_mr_series(tmp_path, slices=4)
    series = load(tmp_path)
    return case_of(series, a_reading(series), a_card())


def test_a_critical_read_says_so_first(case: Case) -> None:
    """In the first sentence and in the description of the text SR; in no other object; and it passes the gate."""
    critical = replace(case, critical=(CORTEX,))
    objects = build(critical)
    output_gate.check(objects, critical)
    assert lines_of(text_of(critical))[0] == "CRITICAL: Cerebral cortex: 99.5 ml (critical from 80 ml)"
    described = {made.kind: str(parsed(made.data).SeriesDescription) for made in objects}
    assert described["TEXT-SR"] == "RESEARCH CRITICAL AI Test structures TEXT-SR"
    assert [kind for kind, description in described.items() if "CRITICAL" in description] == ["TEXT-SR"]


def test_a_late_read_says_so_first(case: Case) -> None:
    """Whatever it found; a read that is both says both."""
    late = replace(case, late_after_s=600.0)
    assert lines_of(text_of(late))[0] == "LATE: this read was expected within 10 min."
    both = lines_of(text_of(replace(late, critical=(CORTEX,))))
    assert [line.split(":")[0] for line in both[:2]] == ["CRITICAL", "LATE"]


def test_any_other_read_says_neither(case: Case) -> None:
    """Neither in a sentence nor in a description."""
    report = text_of(case)
    assert not any(word in line for line in lines_of(report) for word in ("CRITICAL", "LATE"))
    assert "CRITICAL" not in parsed(report).SeriesDescription


def test_a_long_name_leaves_no_room(case: Case) -> None:
    """Then the description stays as it is: at most 64 characters, RESEARCH first."""
    long = replace(case.provenance, card=a_card(name="n" * 40))
    assert series_description(long, "TEXT-SR", critical=True) == series_description(long, "TEXT-SR")


def test_a_late_read_is_another_result() -> None:
    """Its bytes differ, so its UIDs do; the same decision gives the same again."""
    report = ReportSettings()
    assert recipe_digest("r", report) != recipe_digest("r", report, late=True)
    assert recipe_digest("r", report, late=True) == recipe_digest("r", report, late=True)
