"""Which images to look at first."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from models.card.card_parts import Concept
from models.findings import Finding, Reading
from tests.readings import (
    PNEUMONIA,
    a_nodule_card,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    detections_reading,
    load,
    nothing_found,
)
from worker.case.case import Case
from worker.object_kinds import Kind
from worker.objects.key_slices import key_slices
from worker.results import build
from worker.testing import write_mr_series


def made_of(case: Case, *kinds: Kind) -> dict[str, Dataset]:
    """Return the objects of a case by kind, read from their bytes."""
    return {made.kind: dcmread(BytesIO(made.data)) for made in build(case, kinds)}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A reading with nodules on two slices."""
    write_mr_series(tmp_path, slices=20)
    series = load(tmp_path)
    return case_of(series, detections_reading(series), a_nodule_card())


def test_slices_and_results_are_named_with_their_evidence(case: Case) -> None:
    """Key slices with the state that draws on them, picture, reports; the evidence lists exactly these."""
    made = made_of(case, "SC", "TEXT-SR", "SR", "REGION-SR", "GSPS", "KO")
    selection = made["KO"]
    items = [item for item in selection.ContentSequence if item.ValueType in ("IMAGE", "COMPOSITE")]
    assert not any("ConceptNameCodeSequence" in item for item in items)
    named = [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items]
    slices = [case.series.datasets[k].SOPInstanceUID for k in key_slices(case.reading, 20)]
    assert named == [*slices, *(made[kind].SOPInstanceUID for kind in ("SC", "SR", "REGION-SR", "TEXT-SR"))]
    assert [item.ReferencedSOPSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items[:2]] == [
        made["GSPS"].SOPInstanceUID
    ] * 2
    (study,) = selection.CurrentRequestedProcedureEvidenceSequence
    evidence = {
        reference.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    }
    assert evidence == {*named, made["GSPS"].SOPInstanceUID}


def test_what_was_not_made_is_not_named(case: Case) -> None:
    """Where nobody asked for a picture or a report, the slices stand alone."""
    items = made_of(case, "KO")["KO"].ContentSequence
    assert len([item for item in items if item.ValueType == "IMAGE"]) == len(key_slices(case.reading, 20))
    assert not [item for item in items if item.ValueType == "COMPOSITE"]


def test_of_nothing_nothing_is_of_interest(case: Case) -> None:
    """A reading that found nothing has no key images."""
    assert "KO" not in made_of(replace(case, reading=nothing_found(case.series)), "SC", "KO")


@pytest.mark.parametrize(("code", "meaning"), [("373067005", "No"), ("260385009", "Negative"), ("2667000", "Absent")])
def test_a_no_is_not_of_interest(code: str, meaning: str) -> None:
    """Whatever word an answer denies with."""
    finding = Finding(name=PNEUMONIA, value=Concept(value=code, scheme="SCT", meaning=meaning))
    assert "KO" not in made_of(case_of(an_ecg(), Reading(findings=(finding,)), an_ecg_card()), "SC", "KO")


def test_an_ecg_is_named_as_a_waveform() -> None:
    """Its selection names the recording and its picture."""
    items = made_of(case_of(an_ecg(), an_ecg_reading(), an_ecg_card()), "SC", "KO")["KO"].ContentSequence
    assert [item.ValueType for item in items][-2:] == ["WAVEFORM", "IMAGE"]
