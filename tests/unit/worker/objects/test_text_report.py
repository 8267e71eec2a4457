"""What a radiologist reads."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from models.card.card_parts import Concept
from models.findings import Measurement, Reading
from tests.readings import (
    ML,
    VOLUME,
    a_card,
    a_nodule_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    detections_reading,
    load,
    nothing_found,
)
from worker.case.case import Case
from worker.case.finding_sentences import findings_of, scope_of
from worker.case.sentences import words_in
from worker.case.site_filter import for_site
from worker.gate.bundle import content_items, parsed
from worker.languages import LANGUAGES, Language
from worker.planar_testing import a_chest, write_planar_image
from worker.results import build, not_read
from worker.series.series_volume import LoadedSeries
from worker.settings import ReportSettings
from worker.testing import write_mr_series


def lines_of(data: bytes) -> list[str]:
    """Return the sentences of a text SR in order."""
    items = [item for item in content_items(parsed(data)) if item.ValueType == "TEXT"]
    return [str(item.TextValue) for item in items if item.RelationshipType == "CONTAINS"]


def text_of(case: Case) -> bytes:
    """Return the text SR of a case."""
    return next(made.data for made in build(case) if made.kind == "TEXT-SR")


def test_further_series_are_told(tmp_path: Path) -> None:
    """Whose network has channels reads more than one series, and says how many."""
    write_mr_series(tmp_path / "first")
    write_mr_series(tmp_path / "second", seed=5)
    series = load(tmp_path / "first")
    both = replace(series, others=load(tmp_path / "second").datasets)
    alone, together = (lines_of(text_of(case_of(each, a_reading(each), a_card()))) for each in (series, both))
    assert not any("with it" in line for line in alone)
    assert "It read 1 further series with it." in together


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """A series that had no sex."""
    write_mr_series(tmp_path, without=("PatientSex",))
    return load(tmp_path)


def test_it_says_all_of_it_in_short_lines(series: LoadedSeries) -> None:
    """Research, unverified, model, numbers, what was not found, warnings and repairs; no line over 90 characters."""
    lines = lines_of(text_of(case_of(series, a_reading(series), a_card())))
    text = "\n".join(lines)
    assert lines[:3] == [
        "2 structures were outlined and measured.",
        "Made by an AI model, not verified by a physician.",
        "RESEARCH: this model is not cleared for clinical use.",
    ]
    for part in (
        "not verified",
        "Test structures, version 1.2",
        "Cerebral cortex: ",
        " ml",
        "It looked for: Cerebral cortex, Left thalamus, Hippocampus.",
        "Nothing else was looked at.",
        "It read one MR series of 12 images.",
        "This was read: series 3.",
        "Read on 2 Jan 2026",
        "not found: Hippocampus",
        "The answer was known before.",
        "Patient's Sex (0010,0040) was missing",
    ):
        assert part in text
    assert max(map(len, lines)) <= 90


def test_without_a_list_of_what_was_looked_for_nothing_refers_to_one() -> None:
    """An ECG's model has none: "nothing else" would be else than nothing."""
    told = scope_of(case_of(an_ecg(), an_ecg_reading(), an_ecg_card()))
    assert "Nothing was looked at but what is told here." in told
    assert "Nothing else was looked at." not in told


def test_long_sentences_are_broken(series: LoadedSeries) -> None:
    """A sentence of 300 characters becomes several items and loses nothing."""
    reading = Reading(warnings=(" ".join(["word"] * 60) + ".",))
    lines = lines_of(text_of(case_of(series, reading, a_card())))
    assert " ".join(lines).count("word") == 60
    assert max(map(len, lines)) <= 90


def test_a_negative_is_a_result(series: LoadedSeries) -> None:
    """Nothing found gives the text SR alone, and it says what was looked for."""
    objects = build(case_of(series, nothing_found(series), a_card()))
    assert [made.kind for made in objects] == ["TEXT-SR", "SC"]
    assert sum("not found" in line for line in lines_of(objects[0].data)) == 3
    assert "Nothing was found of what was looked for." in lines_of(objects[0].data)


def test_what_was_not_read_says_why(series: LoadedSeries) -> None:
    """The report of an unread series names the reason and is not the report of a reading."""
    case = case_of(series, nothing_found(series), a_card())
    made = not_read(case, "slices are missing.")
    assert any("Not read by Test structures: slices are missing." in line for line in lines_of(made.data))
    assert made.sop_instance_uid != build(case)[0].sop_instance_uid


def test_an_ecg_is_told_in_words() -> None:
    """Rhythm with its certainty, rate in beats a minute."""
    assert findings_of(case_of(an_ecg(), an_ecg_reading(), an_ecg_card())) == (
        "Cardiac Rhythm: Normal sinus rhythm (certainty 97 %)",
        "Heart rate (mean): 61.1 /min",
        "RR interval per lead (mean): 982 ms",
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.1234, "0.12 ml"), (8.404, "8.40 ml"), (61.07, "61.1 ml"), (606.4, "606 ml"), (1814.2, "1,814 ml")],
)
def test_numbers_have_three_digits_or_more(value: float, told: str) -> None:
    """A number is told as exactly as it is worth."""
    assert words_in("en").measured(Measurement(name=VOLUME, value=value, unit=ML)) == told


def test_units_are_told_as_people_write_them() -> None:
    """UCUM's annotations stay in the coded report."""
    unit = Concept(value="{H.B.}/min", scheme="UCUM", meaning="beats per minute")
    assert words_in("en").measured(Measurement(name=VOLUME, value=61, unit=unit)) == "61.0 /min"


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_speaks_the_sites_language(series: LoadedSeries, language: Language) -> None:
    """TID 1204 names the language; the sentences are in it, in lines that fit, in ISO_IR 192."""
    report = parsed(text_of(case_of(series, a_reading(series), a_card(), report=ReportSettings(language=language))))
    codes = [item.ConceptCodeSequence[0].CodeValue for item in report.ContentSequence if item.ValueType == "CODE"]
    assert codes[0] == language
    lines = [item.TextValue for item in content_items(report) if item.get("ValueType") == "TEXT"]
    own = words_in(language).say("Made by an AI model, not verified by a physician.")
    assert own in lines
    assert (own == "Made by an AI model, not verified by a physician.") == (language == "en")
    assert report.SpecificCharacterSet == "ISO_IR 192"


def test_what_is_not_reported_is_said(series: LoadedSeries) -> None:
    """A site that hides what is not certain enough reads so in every report."""
    report = ReportSettings(min_certainty_percent=50)
    lines = lines_of(text_of(case_of(series, a_reading(series), a_card(), report=report)))
    assert "What is less than 50 % certain is not reported." in lines


def test_thresholds_are_told_as_the_site_says_them(series: LoadedSeries) -> None:
    """Not rounded: less than 0 % certain is nothing."""
    report = ReportSettings(min_certainty_percent=0.25, min_diameter_mm=2.125)
    lines = lines_of(text_of(case_of(series, a_reading(series), a_card(), report=report)))
    assert "What is less than 0.25 % certain is not reported." in lines
    assert "What is smaller than 2.125 mm is not reported." in lines


def test_a_threshold_never_makes_a_negative(series: LoadedSeries) -> None:
    """Where all that was found lies below the site's thresholds, no sentence denies it."""
    report = ReportSettings(min_diameter_mm=1000)
    reading = for_site(replace(detections_reading(series), structures=()), report, None)
    lines = lines_of(text_of(case_of(series, reading, a_nodule_card(), report=report)))
    assert reading.detections == ()
    assert lines[0] == "Nothing was found that reaches this site's thresholds."
    assert "What is smaller than 1,000 mm is not reported." in lines
    assert not any("not found: Nodule" in line or "what was looked for" in line for line in lines)


def test_detections_are_counted_placed_and_measured(series: LoadedSeries) -> None:
    """How many, how large, where: the number of the image that a viewer shows."""
    reading = detections_reading(series)
    lines = lines_of(text_of(case_of(series, reading, a_nodule_card())))
    assert lines[0].startswith(f"Nodule: {len(reading.detections)} found, the largest ")
    assert f"; image {reading.detections[0].slice_index + 1}" in " ".join(lines)


@pytest.mark.parametrize(("first", "told"), [(0, ["0", "1"]), (5, ["5", "6"]), (None, ["1", "2"])])
def test_images_are_told_by_their_own_numbers(tmp_path: Path, first: int | None, told: list[str]) -> None:
    """Also where they count from 0; by their place where they have none."""
    for place in (0, 1):
        number = {"InstanceNumber": "" if first is None else first + place}
        write_planar_image(tmp_path / f"{place}.dcm", a_chest(), number=place + 1, attributes=number)
    series = load(tmp_path)
    sentences = findings_of(case_of(series, detections_reading(series, masks=False), a_nodule_card()))
    assert [re.findall(r"; image (\d+)$", sentence) for sentence in sentences[:2]] == [[number] for number in told]
