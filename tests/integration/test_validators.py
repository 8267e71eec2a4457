"""Other people's validators, run by `wetread validate`: their defects are told, their false alarms sorted out."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from models.interpreting.counting import counts_of, number_of
from ops.commands.validation import Report, validate
from ops.commands.validators import VALIDATORS, without
from tests.readings import (
    LABELS,
    NODULE,
    a_card,
    a_nodule_card,
    a_reading,
    case_of,
    classified,
    detections_reading,
    load,
)
from worker.gate import output_gate
from worker.gate.bundle import content_items, name_of
from worker.objects.object_encoding import ResultObject
from worker.planar_testing import a_chest, write_planar_image
from worker.results import build
from worker.selecting.other_series import OtherSeries
from worker.testing import write_mr_series

_NAME, _ID = "Secretive^Sam", "SECRET-77"


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skip (fail in CI) where one is missing."""
    missing = [f"{one.tool} ({one.install})" for one in VALIDATORS if one.command() is None]
    if missing:
        missing(f"not installed: {', '.join(missing)}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `source` and `results`."""
    write_mr_series(tmp_path / "source", patient_name=_NAME, patient_id=_ID)
    series = load(tmp_path / "source")
    (tmp_path / "results").mkdir()
    for made in build(case_of(series, a_reading(series), a_card())):
        (tmp_path / "results" / f"{made.kind}.dcm").write_bytes(made.data)
    return tmp_path


def asked(folder: Path) -> Report:
    """Ask everybody of the results."""
    return validate([folder / "results"], [folder / "source"], lambda _: None)


def keep_the_report(folder: Path, made: Sequence[ResultObject], kind: str = "SR") -> None:
    """Let the measurement report be all that there is: a validator takes ten seconds for each object."""
    shutil.rmtree(folder / "results")
    (folder / "results").mkdir()
    (report,) = (each for each in made if each.kind == kind)
    (folder / "results" / f"{kind}.dcm").write_bytes(report.data)


def test_good_results_are_good_by_everybody(folder: Path) -> None:
    """No validator finds a defect; what it says nevertheless is told with the reason why it is none."""
    report = asked(folder)
    assert report.asked == ("gate", "dciodvfy", "dcentvfy", "DicomSRValidator", "dsrdump")
    assert [read.together for read in report.reads] == [{"gate": (), "dcentvfy": ()}]
    assert report.problems == 0, [made.problems for read in report.reads for made in read.objects]
    assert {tool for tool, _ in report.false_alarms} >= {"dciodvfy", "DicomSRValidator"}


def test_a_report_with_counts_is_good_by_everybody(folder: Path) -> None:
    """A number without a unit in a group of its own, and one beside a segment's volume: TID 1501 and 1411 hold both."""
    lesions = LABELS[0].model_copy(update={"measurements": ("count",)})
    series = load(folder / "source")
    reading = detections_reading(series)
    counted = tuple(
        replace(one, label=lesions, measurements=(*one.measurements, number_of(lesions, 3)))
        if one.label.number == lesions.number
        else one
        for one in reading.structures
    )
    nodule = NODULE.model_copy(update={"measurements": ("count",)})
    detections = tuple(replace(one, label=nodule) for one in reading.detections)
    reading = replace(reading, structures=counted, detections=detections, counts=counts_of(detections, ()))
    labels = [label.model_dump() for label in (lesions, *LABELS[1:], nodule)]
    case = case_of(series, reading, a_nodule_card(labels=labels))
    made = build(case)
    output_gate.check(made, case)
    keep_the_report(folder, made)
    report = asked(folder)
    assert "246206008" in str(dcmread(folder / "results" / "SR.dcm"))
    assert report.problems == 0, [one.problems for read in report.reads for one in read.objects]


def test_defects_are_told_without_the_patient(folder: Path) -> None:
    """Each validator finds the defect that is in its field, and none of its words holds a patient's data."""
    seg = dcmread(folder / "results/SEG.dcm")
    seg.PatientID = f"{_ID} {'x' * 70}"
    seg.SegmentationType = "WRONG"
    seg.save_as(folder / "results/SEG.dcm", enforce_file_format=True)
    text = dcmread(folder / "results/TEXT-SR.dcm")
    text.CompletionFlag = "NONSENSE"
    text.save_as(folder / "results/TEXT-SR.dcm", enforce_file_format=True)
    sr = dcmread(folder / "results/SR.dcm")
    group = next(item for item in content_items(sr) if name_of(item) == ("125007", "DCM"))
    group.ContentSequence[0].ConceptNameCodeSequence[0].CodeValue = "121999"
    sr.save_as(folder / "results/SR.dcm", enforce_file_format=True)
    report = asked(folder)
    (read,) = report.reads
    told = {made.file.stem: made.problems for made in read.objects}
    assert any("SegmentationType" in line or "Segmentation Type" in line for line in told["SEG"]["dciodvfy"])
    assert told["TEXT-SR"]["dsrdump"]
    assert any("121999" in line for line in told["SR"]["DicomSRValidator"])
    assert any("PatientID" in line for line in read.together["dcentvfy"])
    everything = f"{told} {read.together} {report.false_alarms}"
    assert not any(secret.lower() in everything.lower() for secret in ("Secretive", _ID, "^Sam"))


def test_what_is_missing_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the programs the gate is asked alone, and the packages are told that would bring them."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("dciodvfy") is None
    report = asked(folder)
    assert report.asked == ("gate",)
    assert report.not_installed["dciodvfy"] == "dicom3tools"
    assert report.problems == 0


def test_values_are_struck_out_whole() -> None:
    """The longest value goes first, so that no part of it is left over; very short ones would strike out words."""
    assert without("Error - <SAM^LONG> is too long", ["Sam", "Sam^Long", "lo"]) == "Error - <<...>> is too long"


def test_a_report_that_says_what_was_not_read_is_good_by_everybody(tmp_path: Path) -> None:
    """Sentences of no one thing stand in TID 1500 beside the measurements."""
    write_planar_image(tmp_path / "source" / "a.dcm", a_chest())
    series = load(tmp_path / "source")
    (tmp_path / "results").mkdir()
    case = replace(case_of(series, classified(series), a_card()), others=OtherSeries(series=1, images=1))
    keep_the_report(tmp_path, build(case))
    report = asked(tmp_path)
    told = [str(item.get("TextValue")) for item in content_items(dcmread(tmp_path / "results" / "SR.dcm"))]
    assert "1 other image of this study fits this model too and was not read." in told
    assert report.problems == 0, [made.problems for read in report.reads for made in read.objects]


def test_a_report_of_regions_that_says_what_was_not_read_is_good_by_everybody(tmp_path: Path) -> None:
    """There too."""
    write_mr_series(tmp_path / "source")
    series = load(tmp_path / "source")
    (tmp_path / "results").mkdir()
    reading = detections_reading(series, masks=False)
    case = replace(case_of(series, reading, a_nodule_card()), others=OtherSeries(series=1, images=8))
    keep_the_report(tmp_path, build(case), "REGION-SR")
    report = asked(tmp_path)
    assert report.problems == 0, [made.problems for read in report.reads for made in read.objects]
