"""What a radiologist reads."""

from pathlib import Path

import pytest

from models.findings import Measurement, Reading
from models.manifest import Concept
from tests.readings import ML, VOLUME, a_card, a_reading, an_ecg_reading, case_of, load, nothing_found
from worker.gate_bundle import content_items, parsed
from worker.results import build, not_read
from worker.series_volume import LoadedSeries
from worker.testing import write_mr_series
from worker.text_report import findings_of, measured


def lines_of(data: bytes) -> list[str]:
    """Return the sentences of a text SR in order."""
    items = [item for item in content_items(parsed(data)) if item.ValueType == "TEXT"]
    return [str(item.TextValue) for item in items if item.RelationshipType == "CONTAINS"]


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """A series that had no sex."""
    write_mr_series(tmp_path, without=("PatientSex",))
    return load(tmp_path)


def test_it_says_all_of_it_in_short_lines(series: LoadedSeries) -> None:
    """Research, unverified, model, numbers, what was not found, warnings and repairs; no line over 90 characters."""
    lines = lines_of(build(case_of(series, a_reading(series), a_card()))[-1].data)
    text = "\n".join(lines)
    assert lines[0].startswith("RESEARCH")
    for part in (
        "not verified",
        "Test structures, version 1.2",
        "Cerebral cortex: ",
        " ml",
        "not found: Hippocampus",
        "The answer was known before.",
        "Patient's Sex (0010,0040) was missing",
    ):
        assert part in text
    assert max(map(len, lines)) <= 90


def test_long_sentences_are_broken(series: LoadedSeries) -> None:
    """A sentence of 300 characters becomes several items and loses nothing."""
    reading = Reading(warnings=(" ".join(["word"] * 60) + ".",))
    lines = lines_of(build(case_of(series, reading, a_card()))[-1].data)
    assert " ".join(lines).count("word") == 60
    assert max(map(len, lines)) <= 90


def test_a_negative_is_a_result(series: LoadedSeries) -> None:
    """Nothing found gives the text SR alone, and it says what was looked for."""
    objects = build(case_of(series, nothing_found(series), a_card()))
    assert [made.kind for made in objects] == ["TEXT-SR"]
    assert sum("not found" in line for line in lines_of(objects[0].data)) == 3
    assert findings_of(Reading()) == ("Nothing was found and nothing measured.",)


def test_what_was_not_read_says_why(series: LoadedSeries) -> None:
    """The report of an unread series names the reason and is not the report of a reading."""
    case = case_of(series, nothing_found(series), a_card())
    made = not_read(case, "slices are missing.")
    assert any("Not read by Test structures because slices are missing." in line for line in lines_of(made.data))
    assert made.sop_instance_uid != build(case)[0].sop_instance_uid


def test_an_ecg_is_told_in_words() -> None:
    """Rhythm with its certainty, rate in beats a minute."""
    assert findings_of(an_ecg_reading()) == (
        "Cardiac Rhythm: Normal sinus rhythm (certainty 97 %)",
        "Heart rate (mean): 61.1 /min",
        "RR interval per lead (mean): 982 ms",
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.1234, "0.12 ml"), (8.404, "8.40 ml"), (61.07, "61.1 ml"), (606.4, "606 ml"), (1814.2, "1814 ml")],
)
def test_numbers_have_three_digits_or_more(value: float, told: str) -> None:
    """A number is told as exactly as it is worth."""
    assert measured(Measurement(name=VOLUME, value=value, unit=ML)) == told


def test_units_are_told_as_people_write_them() -> None:
    """UCUM's annotations stay in the coded report."""
    unit = Concept(value="{H.B.}/min", scheme="UCUM", meaning="beats per minute")
    assert measured(Measurement(name=VOLUME, value=61, unit=unit)) == "61.0 /min"
