"""Other people's programs read the optional voxel objects: label map, parametric map and RT structure set."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from models.findings import HeatMap
from models.volume import Volume
from tests.optional import missing
from tests.readings import PNEUMONIA, a_card, a_reading, case_of, load
from worker.case.case import Case
from worker.gate import output_gate
from worker.object_kinds import DEFAULT_KINDS
from worker.results import build
from worker.testing import write_mr_series

#: Newer than dicom3tools' tables.
UNKNOWN_TO_DCIODVFY = {"LABELMAP"}
SPACING_MM = (2.5, 0.7, 1.3)


@pytest.fixture(params=[False, True], ids=["straight", "oblique"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A reading of an anisotropic series with structures and a heat map."""
    oblique = bool(request.param)
    write_mr_series(tmp_path / "s", oblique=oblique, slices=16, rows=64, columns=48, spacing_mm=SPACING_MM)
    series = load(tmp_path / "s")
    reading = a_reading(series)
    assert reading.labels is not None
    heat = np.linspace(0, 1, reading.labels.size, dtype=np.float32).reshape(reading.labels.shape)
    return case_of(series, replace(reading, heat_maps=(HeatMap(name=PNEUMONIA, array=heat),)), a_card())


@pytest.fixture
def files(case: Case, tmp_path: Path) -> dict[str, Path]:
    """The results as files by kind; they have passed the gate."""
    objects = build(case, (*DEFAULT_KINDS, "LABELMAP", "PMAP", "RTSTRUCT"))
    output_gate.check(objects, case)
    written = {made.kind: tmp_path / f"{made.kind}.dcm" for made in objects}
    for made in objects:
        written[made.kind].write_bytes(made.data)
    return {kind: file for kind, file in written.items() if kind in ("LABELMAP", "PMAP", "RTSTRUCT")}


def installed(name: str) -> str:
    """Return the path of a program; where it is missing the test is left out at home and fails in CI."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not installed")
    return found


def test_dciodvfy_finds_no_error(files: dict[str, Path]) -> None:
    """Parametric map and structure set are as PS3.3 has them."""
    assert set(files) == {"LABELMAP", "PMAP", "RTSTRUCT"}
    for kind, file in files.items():
        told = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False).stderr
        errors = [line for line in told.splitlines() if line.startswith("Error")]
        assert not errors or kind in UNKNOWN_TO_DCIODVFY, (kind, told)


def test_dcmtk_decodes_the_label_map(files: dict[str, Path], case: Case, tmp_path: Path) -> None:
    """DCMTK's own RLE decoder and highdicom's reader find every voxel's segment number."""
    raw = tmp_path / "raw.dcm"
    subprocess.run([installed("dcmdrle"), str(files["LABELMAP"]), str(raw)], check=True, capture_output=True)
    uids = [str(source.SOPInstanceUID) for source in case.series.datasets]
    labels = case.reading.labels
    assert labels is not None
    for file in (raw, files["LABELMAP"]):
        seg = hd.seg.segread(file)
        numbers = seg.get_pixels_by_source_instance(uids, combine_segments=True, assert_missing_frames_are_empty=True)
        for place, structure in enumerate(case.reading.structures, start=1):
            assert np.array_equal(numbers == place, labels == structure.label.number)


def test_plastimatch_fills_the_contours_as_the_mask_was(files: dict[str, Path], case: Case, tmp_path: Path) -> None:
    """Filled by a radiotherapy program on the source's grid, each ROI overlaps its mask with a Dice above 0.98.

    It fills axial slices only, so the contours of an oblique series are turned into its axes first.
    """
    plastimatch = installed("plastimatch")
    volume, labels = case.series.source, case.reading.labels
    assert isinstance(volume, Volume)
    assert labels is not None
    turned = dcmread(files["RTSTRUCT"])
    _turn(turned, np.diag([*SPACING_MM, 1.0])[[2, 1, 0, 3]] @ np.linalg.inv(volume.affine))
    turned.save_as(tmp_path / "turned.dcm")
    size = " ".join(map(str, volume.array.shape[::-1]))
    subprocess.run(
        [
            plastimatch, "convert", "--input", "turned.dcm", "--output-prefix", "filled", "--prefix-format", "mha",
            "--origin", "0 0 0", "--spacing", " ".join(map(str, SPACING_MM[::-1])), "--dim", size,
        ],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    for structure in case.reading.structures:
        found = _mha(tmp_path / "filled" / f"{structure.label.name}.mha", volume.array.shape)
        mask = labels == structure.label.number
        assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) > 0.98


def _turn(made: Dataset, matrix: NDArray[np.float64]) -> None:
    for roi in made.ROIContourSequence:
        for contour in roi.ContourSequence:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            turned = (np.hstack([points, np.ones((len(points), 1))]) @ matrix.T)[:, :3]
            contour.ContourData = [f"{value:.4f}" for value in turned.ravel()]


def _mha(file: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    header, data = file.read_bytes().split(b"ElementDataFile = LOCAL\n", 1)
    assert b"ElementType = MET_UCHAR" in header
    return np.frombuffer(data, np.uint8).reshape(shape) > 0
