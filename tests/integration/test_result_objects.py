"""Other people's programs read our objects: dicom3tools finds no error, DCMTK prints, dcmqi gets the same voxels."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.data import get_testdata_file

from models.card.manifest import Card
from models.findings import Reading
from models.volume import Volume
from ops.commands.known_false_alarms import real_problems
from tests.readings import (
    a_card,
    a_reading,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    load,
    nothing_found,
)
from worker import results
from worker.gate import output_gate
from worker.objects.source_geometry import frame_geometry
from worker.provenance import derived_uid
from worker.series.series_volume import LoadedSeries
from worker.testing import write_mr_series


@dataclass(frozen=True, kw_only=True, eq=False)
class Written:
    """A bundle on disk.

    Attributes:
        sources: Files that were read.
        results: Files of the results by kind.
        series: The same, loaded.
        reading: What the results say.
        card: Of the model.
    """

    sources: list[Path]
    results: dict[str, Path]
    series: LoadedSeries
    reading: Reading
    card: Card


def written(folder: Path, sources: list[Path], reading_of: Callable[[LoadedSeries], Reading], card: Card) -> Written:
    """Read the files, build the results, pass the gate and write them."""
    series = load(sources[0].parent)
    reading = reading_of(series)
    objects = results.build(case_of(series, reading, card))
    output_gate.check(objects, case_of(series, reading, card))
    folder.mkdir()
    files = {made.kind: folder / f"{made.kind}.dcm" for made in objects}
    for made in objects:
        files[made.kind].write_bytes(made.data)
    return Written(sources=sources, results=files, series=series, reading=reading, card=card)


def one_structure(series: LoadedSeries) -> Reading:
    """Return the known reading with its first structure alone."""
    reading = a_reading(series)
    assert reading.labels is not None
    first = reading.structures[0]
    return Reading(
        labels=np.where(reading.labels == first.label.number, reading.labels, np.uint8(0)),
        structures=(first,),
        runtime="none",
    )


@pytest.fixture(params=["straight", "oblique", "one structure", "nothing found", "gaps in the header", "ecg"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Written:
    """The results of one kind of source and reading."""
    source, out = tmp_path / "source", tmp_path / "results"
    if request.param == "ecg":
        source.mkdir()
        file = source / "ecg.dcm"
        file.write_bytes(Path(str(get_testdata_file("waveform_ecg.dcm"))).read_bytes())
        return written(out, [file], lambda _: an_ecg_reading(), an_ecg_card())
    readings = {"one structure": one_structure, "nothing found": nothing_found}
    missing = ("PatientSex", "StudyID", "AccessionNumber", "StudyTime", "PositionReferenceIndicator")
    files = write_mr_series(
        source, oblique=request.param == "oblique", without=missing if request.param == "gaps in the header" else ()
    )
    return written(out, files, readings.get(str(request.param), a_reading), a_card())


@pytest.fixture
def enhanced(tmp_path: Path, shared_data: Path) -> Written:
    """The results on a Philips enhanced MR, whose frames are turned over so that their order is not the volume's."""
    (file,) = (shared_data / "odd-series/philips_enhanced/anatomical/001").glob("*")
    dataset = dcmread(file)
    dataset.FrameOfReferenceUID = derived_uid("test", "enhanced")  # the sample lost its own
    dataset.PerFrameFunctionalGroupsSequence = list(reversed(dataset.PerFrameFunctionalGroupsSequence))
    source = tmp_path / "source"
    source.mkdir()
    dataset.save_as(source / "enhanced.dcm")
    return written(tmp_path / "results", [source / "enhanced.dcm"], a_reading, a_card())


def run(*command: str | Path) -> str:
    """Run a program that must succeed and return all that it says."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def dcmqi(name: str) -> Path:
    """Return a program of dcmqi, which lies beside this Python."""
    return Path(sys.executable).parent / name


def real_errors(tool: str, told: str) -> list[str]:
    """Return the errors of a validator that are no known false alarm."""
    return [line for line in real_problems(tool, told) if line.startswith("Error")]


def assert_valid(bundle: Written) -> None:
    """Fail where dciodvfy, dcentvfy or dsrdump find an error."""
    for kind, file in bundle.results.items():
        told = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False).stderr
        assert real_errors("dciodvfy", told) == [], kind
        if kind not in ("SEG", "SC"):
            dump = run("dsrdump", file)
            assert not [line for line in dump.splitlines() if line.startswith(("E:", "F:"))], (kind, dump)
    together = ["dcentvfy", *map(str, [*bundle.sources, *bundle.results.values()])]
    told = subprocess.run(together, capture_output=True, text=True, check=False).stderr
    assert real_errors("dcentvfy", told) == []


def assert_read_back(bundle: Written, folder: Path) -> None:
    """Fail where dcmqi reads other voxels or other numbers than were read."""
    folder.mkdir()
    run(
        dcmqi("segimage2itkimage"), "--inputDICOM", bundle.results["SEG"], "--outputDirectory", folder,
        "--outputType", "nrrd",
    )  # fmt: skip
    described = json.loads((folder / "meta.json").read_text())["segmentAttributes"]
    volume, labels = bundle.series.source, bundle.reading.labels
    assert isinstance(volume, Volume)
    assert labels is not None
    for place, structure in enumerate(bundle.reading.structures, start=1):
        (attributes,) = [item for group in described for item in group if item["labelID"] == place]
        assert attributes["SegmentLabel"] == structure.label.name
        found = voxels_in_patient(folder / f"{place}.nrrd")
        homogeneous = np.hstack([found, np.ones((len(found), 1))]) @ np.linalg.inv(volume.affine).T
        indices = homogeneous[:, :3]
        assert np.abs(indices - np.rint(indices)).max() < 0.02
        back = np.zeros(labels.shape, bool)
        back[tuple(np.rint(indices).astype(int).T)] = True
        assert np.array_equal(back, labels == structure.label.number)
    run(dcmqi("tid1500reader"), "--inputDICOM", bundle.results["SR"], "--outputMetadata", folder / "sr.json")
    groups = json.loads((folder / "sr.json").read_text())["Measurements"]
    told = {group["TrackingIdentifier"]: group for group in groups}
    segments = {item["SegmentLabel"]: item["TrackingUniqueIdentifier"] for group in described for item in group}
    for structure in bundle.reading.structures:
        group = told.pop(structure.label.name)
        (number,) = group["measurementItems"]
        assert float(number["value"]) == pytest.approx(structure.measurements[0].value, rel=1e-9)
        assert number["units"]["CodeValue"] == "ml"
        assert group["TrackingUniqueIdentifier"] == segments[structure.label.name]
    assert not told


def voxels_in_patient(file: Path) -> NDArray[np.float64]:
    """Return the centres of all voxels that are set in an NRRD, ``(n, 3)`` in mm, LPS."""
    header, data = file.read_bytes().split(b"\n\n", 1)
    fields = dict(line.split(": ", 1) for line in header.decode().splitlines() if ": " in line)
    assert (fields["space"], fields["encoding"], fields["type"]) == ("left-posterior-superior", "gzip", "short")
    sizes = [int(size) for size in fields["sizes"].split()]
    values = np.frombuffer(gzip.decompress(data), "<i2").reshape(sizes, order="F")
    directions = np.array([_vector(part) for part in fields["space directions"].split()])
    return np.asarray(np.argwhere(values > 0) @ directions + _vector(fields["space origin"]))


def _vector(text: str) -> NDArray[np.float64]:
    return np.array([float(part) for part in text.strip("()").split(",")])


def test_other_programs_find_no_error(bundle: Written) -> None:
    """dciodvfy, dcentvfy and dsrdump are content with every kind of result."""
    assert_valid(bundle)


def test_check_05_dcmqi_reads_the_same_voxels_and_numbers(bundle: Written, tmp_path: Path) -> None:
    """Every voxel of every segment lies where the reading has it; volumes and tracking UIDs are equal."""
    if bundle.reading.structures:
        assert_read_back(bundle, tmp_path / "dcmqi")


def test_an_enhanced_image_is_segmented_frame_by_frame(enhanced: Written, tmp_path: Path) -> None:
    """On a multi-frame source all programs are content, and frames refer to the source's own frame numbers."""
    assert enhanced.series.frame_numbers != tuple(sorted(enhanced.series.frame_numbers))
    assert_valid(enhanced)
    assert_read_back(enhanced, tmp_path / "dcmqi")
    source = dcmread(enhanced.sources[0])
    _, frames = frame_geometry(source, range(1, int(source.NumberOfFrames) + 1))
    for frame in dcmread(enhanced.results["SEG"]).PerFrameFunctionalGroupsSequence:
        number = int(frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber)
        position = frames[number - 1].PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose(frame.PlanePositionSequence[0].ImagePositionPatient, position, atol=1e-4)


def test_files_that_were_read_back_pass_the_gate(bundle: Written) -> None:
    """The gate passes every kind of result as files, against the files of its source."""
    output_gate.check_files(list(bundle.results.values()), bundle.sources, bundle.card)


def test_a_real_head_is_segmented_on_its_own_grid(tmp_path: Path, shared_data: Path) -> None:
    """The results on 384 real slices are as valid and as exact as those on a phantom."""
    sources = sorted((shared_data / "t1-head").rglob("*.dcm"))
    source = tmp_path / "source"
    source.mkdir()
    for file in sources:
        (source / file.name).symlink_to(file)
    bundle = written(tmp_path / "results", sorted(source.iterdir()), a_reading, a_card())
    assert_valid(bundle)
    assert_read_back(bundle, tmp_path / "dcmqi")
