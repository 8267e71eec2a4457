"""`wetread validate`: good results pass, defects are named at the object that has them, and no patient is."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from ops.cli import app
from ops.commands import validation
from ops.commands.validation import GATE, Report
from tests.readings import a_card, a_reading, case_of, load
from worker.gate.bundle import children, content_items, name_of
from worker.object_kinds import DEFAULT_KINDS
from worker.results import build
from worker.testing import write_mr_series

KINDS = (*DEFAULT_KINDS, "RTSTRUCT")
_NAME, _ID = "Secretive^Sam", "SECRET-77"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `source` and `results`."""
    write_mr_series(tmp_path / "source", patient_name=_NAME, patient_id=_ID)
    series = load(tmp_path / "source")
    (tmp_path / "results").mkdir()
    for made in build(case_of(series, a_reading(series), a_card()), KINDS):
        (tmp_path / "results" / f"{made.kind}.dcm").write_bytes(made.data)
    return tmp_path


def validated(folder: Path, *, against: bool = True) -> Report:
    """Ask the gate alone."""
    sources = [folder / "source"] if against else []
    return validation.validate([folder / "results"], sources, lambda _: None, gate_only=True)


def change(file: Path, how: Callable[[Dataset], None]) -> None:
    """Change what is in a file."""
    dataset = dcmread(file)
    how(dataset)
    dataset.save_as(file)


def told(report: Report) -> dict[str, tuple[str, ...]]:
    """Return what the gate says of each file of the only read, and of all together."""
    (read,) = report.reads
    said = {made.file.stem: made.problems[GATE] for made in read.objects} | {"together": read.together[GATE]}
    return {name: lines for name, lines in said.items() if lines}


def test_good_results_pass_with_their_sources_and_without(folder: Path) -> None:
    """All objects are one read; without the sources the checks that need them are named as not made."""
    report = validated(folder)
    assert told(report) == {}
    (read,) = report.reads
    assert (len(read.objects), read.sources, read.not_checked) == (len(list((folder / "results").iterdir())), 12, ())
    report = validated(folder, against=False)
    assert told(report) == {}
    (read,) = report.reads
    assert {"evidence", "geometry"} <= set(read.not_checked)


def test_a_folder_that_cannot_be_read_is_a_problem(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in it was not looked at."""
    locked, scandir = folder / "results" / "locked", os.scandir
    locked.mkdir()

    def refuse(path: Any) -> Any:
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = validated(folder)
    assert report.unreadable == {locked: "a folder that cannot be read (Permission denied)"}
    assert report.problems == 1


def other_tracking(report: Dataset) -> None:
    """Track the first structure under another UID than its segment."""
    group = next(item for item in content_items(report) if name_of(item) == ("125007", "DCM"))
    children(group, "112040", "DCM")[0].UID = "1.2.3"


@pytest.mark.parametrize(
    ("file", "how", "named"),
    [
        ("SEG", lambda seg: setattr(seg, "PixelData", bytes(len(seg.PixelData))), "segments: a segment is empty"),
        ("SEG", lambda seg: setattr(seg, "ContentLabel", ""), "attributes: SEG without ContentLabel"),
        ("SR", other_tracking, "tracking: a group and its segment are tracked differently"),
        ("TEXT-SR", lambda report: setattr(report, "SOPInstanceUID", "1.02"), "valid UIDs: not a UID: SOPInstanceUID"),
        ("TEXT-SR", lambda report: setattr(report, "VerificationFlag", "VERIFIED"), "flags: wrong VerificationFlag"),
        ("SR", lambda report: setattr(report, "PatientID", "OTHER"), "patient and study: differs from .* in PatientID"),
    ],
)
@pytest.mark.parametrize("against", [True, False])
def test_a_defect_is_named_at_its_object(
    folder: Path, file: str, how: Callable[[Dataset], None], named: str, *, against: bool
) -> None:
    """Each defect is told of the object that has it, also where the sources are not at hand."""
    import re  # noqa: PLC0415

    change(folder / "results" / f"{file}.dcm", how)
    said = told(validated(folder, against=against))
    # Without sources nobody knows which of two objects is right about the patient.
    lines = said.get(file) or said["together"]
    assert any(re.search(named, line) for line in lines), said
    assert "OTHER" not in str(said)


def test_evidence_is_held_against_the_sources(folder: Path) -> None:
    """A report that lists an image that is not among the sources is told of."""

    def invent(report: Dataset) -> None:
        study = report.CurrentRequestedProcedureEvidenceSequence[0]
        study.ReferencedSeriesSequence[0].ReferencedSOPSequence[2].ReferencedSOPInstanceUID = "1.2.3"

    change(folder / "results/TEXT-SR.dcm", invent)
    assert told(validated(folder)) == {"TEXT-SR": ("evidence: lists an instance that was not read",)}
    (folder / "other").mkdir()
    for file in write_mr_series(folder / "other", seed=5):
        file.rename(folder / "other" / file.name)
    report = validation.validate([folder / "results"], [folder / "other"], lambda _: None, gate_only=True)
    assert "sources: none of the images that it refers to is among the sources" in told(report)["together"]


def test_a_report_alone_is_no_defect(folder: Path) -> None:
    """One file of a read can be asked for by itself: what it refers to may be elsewhere."""
    for name in ("SR", "SEG", "TEXT-SR"):
        report = validation.validate(
            [folder / "results" / f"{name}.dcm"], [folder / "source"], lambda _: None, gate_only=True
        )
        assert told(report) == {}, name


def test_objects_of_another_maker_need_not_keep_our_rules(folder: Path) -> None:
    """A verified report numbered like a scanner's series is no defect of another maker's; an empty SEG is."""

    def foreign(made: Dataset) -> None:
        made.Manufacturer = "Somebody else"
        made.SeriesNumber = 3
        made.SeriesDescription = "Segmentation"
        if made.Modality == "SR":
            made.VerificationFlag = "VERIFIED"

    for file in (folder / "results").iterdir():
        change(file, foreign)
    report = validated(folder)
    assert told(report) == {}
    assert {"flags", "own series"} <= set(report.reads[0].not_checked)
    change(folder / "results/SEG.dcm", lambda seg: setattr(seg, "PixelData", bytes(len(seg.PixelData))))
    assert told(validated(folder)) == {"SEG": ("segments: a segment is empty",)}


def test_reads_of_several_studies_are_told_apart(folder: Path, tmp_path: Path) -> None:
    """Results of two studies in one folder are two reads, each held against its own images."""
    write_mr_series(tmp_path / "source/second", seed=4, patient_id="TEST-4")
    series = load(tmp_path / "source/second")
    for made in build(case_of(series, a_reading(series), a_card()), KINDS):
        (folder / "results" / f"second-{made.kind}.dcm").write_bytes(made.data)
    report = validated(folder)
    assert [{len(read.objects) * 2, read.sources} for read in report.reads] == [
        {len(list((folder / "results").iterdir())), 12}
    ] * 2
    assert report.problems == 0


def test_the_command_tells_people_and_programs(folder: Path) -> None:
    """Exit status 0 without a problem, 1 with one; as a table or as one JSON object; never a patient's data."""
    runner = CliRunner()
    results, source = str(folder / "results"), str(folder / "source")
    good = runner.invoke(app, ["validate", results, "--against", source, "--gate-only"])
    assert good.exit_code == 0, good.output
    assert "no problem" in good.stdout
    (folder / "results/broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    change(folder / "results/SEG.dcm", lambda seg: setattr(seg, "PatientName", "Somebody^Else"))
    bad = runner.invoke(app, ["validate", results, "--against", source, "--gate-only"])
    assert bad.exit_code == 1
    assert "differs from the source in PatientName" in bad.stdout
    assert "broken.dcm: cannot be read" in bad.stdout
    told_as_json = runner.invoke(app, ["validate", results, "--against", source, "--gate-only", "--json"])
    said = json.loads(told_as_json.stdout)
    assert (told_as_json.exit_code, said["problems"]) == (1, 2)
    for output in (bad.output, told_as_json.output):
        assert not any(secret in output for secret in ("Secretive", "SECRET", "Somebody"))


def test_images_alone_are_nothing_to_validate(folder: Path) -> None:
    """A folder without results is no success."""
    outcome = CliRunner().invoke(app, ["validate", str(folder / "source"), "--gate-only"])
    assert outcome.exit_code == 1
    assert "no results here: 12 images" in outcome.stdout
    assert "no problem" not in outcome.stdout
