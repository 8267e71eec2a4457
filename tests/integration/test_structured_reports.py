"""Structured reports as other programs read them: valid for PixelMed, DCMTK and dicom3tools, exact for dcmqi."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from models.card.manifest import Card
from models.findings import Measurement, Reading
from ops.commands.known_false_alarms import real_problems
from tests.dcmtk import dcmtk
from tests.pixelmed import validated
from tests.readings import (
    NODULE,
    a_card,
    a_nodule_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    classified,
    detections_reading,
    load,
    nothing_found,
)
from worker.case.case import Case
from worker.gate import output_gate
from worker.gate.bundle import children, content_items, name_of
from worker.object_kinds import Kind
from worker.objects.segments import segmented, tracking_name, tracking_uid
from worker.planar_testing import a_chest, write_planar_image
from worker.results import build, not_read
from worker.series.series_volume import LoadedSeries
from worker.testing import write_mr_series


@dataclass(frozen=True, kw_only=True, eq=False)
class Reports:
    """What was read and its results on disk.

    Attributes:
        case: Of the read.
        files: The results by kind.
    """

    case: Case
    files: dict[Kind, Path]

    @property
    def reports(self) -> dict[Kind, Path]:
        """The SR objects alone."""
        return {kind: file for kind, file in self.files.items() if kind.endswith("SR")}


def written(folder: Path, case: Case) -> Reports:
    """Build the results, pass the gate and write them."""
    objects = build(case)
    output_gate.check(objects, case)
    folder.mkdir()
    files = {made.kind: folder / f"{made.kind}.dcm" for made in objects}
    for made in objects:
        files[made.kind].write_bytes(made.data)
    return Reports(case=case, files=files)


def everything(series: LoadedSeries) -> Reading:
    """Return structures, detections and answers in one reading; all that is outlined reaches the edge of the images."""
    answers, found = classified(series), detections_reading(series)
    return replace(
        found,
        structures=tuple(replace(one, cut=True) for one in found.structures),
        detections=tuple(replace(one, cut=True) for one in found.detections),
        findings=answers.findings,
        measurements=answers.measurements,
    )


def no_nodule(series: LoadedSeries) -> Reading:
    """Return a negative: no structure and no nodule."""
    nothing = nothing_found(series)
    return replace(nothing, missing=(*nothing.missing, NODULE))


#: Kind of source, and what its model says.
_CASES: dict[str, tuple[Callable[[LoadedSeries], Reading], Card]] = {
    "structures": (a_reading, a_card()),
    "structures, detections and answers": (everything, a_nodule_card()),
    "detections without masks": (lambda series: detections_reading(series, masks=False), a_nodule_card()),
    "answers about one image": (classified, a_nodule_card()),
    "no nodule": (no_nodule, a_nodule_card()),
}


def a_procedure() -> Dataset:
    """Return a procedure code of a site's own."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "CTTHX", "99SITE", "CT Thorax"
    return code


@pytest.fixture(params=[*_CASES, "ecg"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Reports:
    """The results of one kind of source and reading."""
    if request.param == "ecg":
        return written(tmp_path / "results", case_of(an_ecg(), an_ecg_reading(), an_ecg_card()))
    reading_of, card = _CASES[request.param]
    one_image = "one image" in request.param
    attributes = {"ProcedureCodeSequence": [a_procedure()]} if "masks" in request.param else {}
    write_mr_series(tmp_path / "source", oblique=True, slices=1 if one_image else 12, attributes=attributes)
    series = load(tmp_path / "source")
    return written(tmp_path / "results", case_of(series, reading_of(series), card))


def test_check_03_dcmtk_prints_and_converts_every_report(made: Reports) -> None:
    """Both dsrdump and dsr2xml end with success and complain of nothing but the character set that they do not know."""
    for file in made.reports.values():
        for tool in ("dsrdump", "dsr2xml"):
            done = subprocess.run([dcmtk(tool), str(file)], capture_output=True, check=False)
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            assert done.returncode == 0, said
            assert real_problems(tool, said) == []


#: The others are parts of these, and PixelMed takes its time: `make prove` has them too.
_OFTEN = ("structures, detections and answers", "no nodule", "ecg")


@pytest.mark.parametrize(
    "made",
    [pytest.param(name, marks=[] if name in _OFTEN else [pytest.mark.campaign]) for name in [*_CASES, "ecg"]],
    indirect=True,
)
def test_check_04_pixelmed_finds_no_error_in_any_report(made: Reports) -> None:
    """DicomSRValidator finds neither an error nor a warning that is not a known false alarm."""
    for kind, file in made.reports.items():
        said = validated(file)
        assert real_problems("DicomSRValidator", said) == [], kind
        if kind in ("SR", "REGION-SR"):
            assert "Found Root Template TID_1500 (MeasurementReport)" in said


def test_check_04_what_the_images_show_is_said_by_the_template(tmp_path: Path) -> None:
    """Side, view and part of the body of a mammogram stand in the image library, to which PixelMed has no objection."""
    shown = {"ImageLaterality": "R", "ViewPosition": "MLO", "BodyPartExamined": "BREAST"}
    write_planar_image(tmp_path / "source" / "image.dcm", a_chest(), kind="MG", attributes=shown)
    series = load(tmp_path / "source")
    made = written(tmp_path / "results", case_of(series, detections_reading(series, masks=False), a_nodule_card()))
    report = dcmread(made.files["REGION-SR"])
    told = {
        name_of(item): item.ConceptCodeSequence[0].CodeMeaning
        for item in content_items(report)
        if "ConceptCodeSequence" in item
    }
    assert [told[name, "DCM"] for name in ("111027", "111031", "123014")] == [
        "Right",
        "medio-lateral oblique",
        "Breast",
    ]
    assert real_problems("DicomSRValidator", validated(made.files["REGION-SR"])) == []


def test_check_04_a_report_that_says_why_nothing_was_read_is_valid_too(tmp_path: Path) -> None:
    """So is the text SR of a series that could not be read."""
    write_mr_series(tmp_path / "source")
    series = load(tmp_path / "source")
    file = tmp_path / "not-read.dcm"
    file.write_bytes(not_read(case_of(series, Reading(), a_card()), "slices are missing.").data)
    assert real_problems("DicomSRValidator", validated(file)) == []


def test_pixelmed_notices_a_report_that_is_wrong(tmp_path: Path) -> None:
    """The filter of false alarms lets a real defect through: a report without its completion flag."""
    write_mr_series(tmp_path / "source")
    series = load(tmp_path / "source")
    made = written(tmp_path / "results", case_of(series, a_reading(series), a_card()))
    report = dcmread(made.files["SR"])
    del report.CompletionFlag
    (measurements,) = children(report, "126010", "DCM")
    del measurements.ContentSequence[0].ContentSequence[-2]
    report.save_as(tmp_path / "wrong.dcm")
    assert real_problems("DicomSRValidator", validated(tmp_path / "wrong.dcm"))


def test_check_06_dcmqi_reads_what_was_measured(made: Reports, tmp_path: Path) -> None:
    """Every number of every structure, detection and answer comes back to the last digit sent, with unit and UIDs."""
    kinds: tuple[Kind, ...] = ("SR", "REGION-SR")
    for kind in (kind for kind in kinds if kind in made.files):
        groups = groups_of(made.files[kind], tmp_path / f"{kind}.json")
        told = {group["TrackingIdentifier"]: group for group in groups}
        assert len(told) == len(groups)
        for name, uid, measurements in expected(made.case, kind):
            group = told.pop(name)
            assert group["TrackingUniqueIdentifier"] == uid
            sent = [(item["quantity"]["CodeValue"], item["units"]["CodeValue"]) for item in group["measurementItems"]]
            assert sent == [(measurement.name.value, measurement.unit.value) for measurement in measurements]
            for item, measurement in zip(group["measurementItems"], measurements, strict=True):
                # A DS has 16 characters: 14 digits at least.
                assert float(item["value"]) == pytest.approx(measurement.value, rel=1e-12, abs=0)
        assert kind == "SR" or not told


def expected(case: Case, kind: Kind) -> list[tuple[str, str, tuple[Measurement, ...]]]:
    """Return name, UID and numbers of each thing that this kind of report tells."""
    things = segmented(case.reading) if kind == "SR" else case.reading.detections
    return [(tracking_name(thing), tracking_uid(case.provenance, thing), thing.measurements) for thing in things]


def groups_of(report: Path, out: Path) -> list[dict[str, Any]]:
    """Return the measurement groups as dcmqi's tid1500reader reads them."""
    reader = Path(sys.executable).parent / "tid1500reader"
    command = [str(reader), "--inputDICOM", str(report), "--outputMetadata", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    groups: list[dict[str, Any]] = json.loads(out.read_text())["Measurements"]
    return groups
