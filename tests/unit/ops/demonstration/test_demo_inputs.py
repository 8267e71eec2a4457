"""Studies of the demonstration: NIfTI is read by hand, and what is made of it is valid DICOM in the right place."""

import gzip
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from models.errors import InputRefused
from ops.demonstration.demo_inputs import ecg_file, read_nifti, write_head_series
from tests.optional import missing
from worker.series.series_volume import load_series

#: Indices to patient coordinates in mm (right, front, up grow), as NIfTI has it: x falls with i, as in many templates.
_RAS = np.array([[-2.0, 0, 0, 10], [0, 3.0, 0, -20], [0, 0, 4.0, -30], [0, 0, 0, 1]])


def _write_nifti(file: Path, values: NDArray[Any], affine: NDArray[np.float64] = _RAS, **changed: Any) -> Path:
    """Write a NIfTI-1 file: only the fields that are read."""
    fields = {"size": 348, "code": {"uint8": 2, "int16": 4, "float32": 16}[str(values.dtype)], "sform": 1}
    fields |= {"slope": 0.0, "intercept": 0.0, "magic": b"n+1\0", **changed}
    header = bytearray(352)
    struct.pack_into("<i", header, 0, fields["size"])
    struct.pack_into("<8h", header, 40, 3, *values.shape, 1, 1, 1, 1)
    struct.pack_into("<h", header, 70, fields["code"])
    struct.pack_into("<3f", header, 108, 352.0, fields["slope"], fields["intercept"])
    struct.pack_into("<h", header, 254, fields["sform"])
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[344:348] = fields["magic"]
    file.write_bytes(gzip.compress(bytes(header) + values.tobytes(order="F")))
    return file


@pytest.fixture
def head() -> NDArray[np.uint8]:
    """A grid whose sides differ, with one bright voxel off the middle in every direction."""
    values = np.full((5, 6, 7), 10, np.uint8)
    values[1, 2, 4] = 200
    return values


def test_a_file_is_read_into_patient_coordinates(tmp_path: Path, head: NDArray[np.uint8]) -> None:
    """Values in the order i, j, k; positions to the left, back and up."""
    values, affine = read_nifti(_write_nifti(tmp_path / "a.nii.gz", head))
    np.testing.assert_array_equal(values, head)
    np.testing.assert_allclose(affine @ [1, 2, 4, 1], [-8, 14, -14, 1])


def test_a_slope_of_zero_is_none(tmp_path: Path) -> None:
    """The scale counts where there is one, and its intercept only with it."""
    values = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    unscaled, _ = read_nifti(_write_nifti(tmp_path / "a.nii.gz", values, intercept=5.0))
    scaled, _ = read_nifti(_write_nifti(tmp_path / "b.nii.gz", values, slope=2.0, intercept=5.0))
    np.testing.assert_array_equal(unscaled, values)
    np.testing.assert_array_equal(scaled, values * 2 + 5)


@pytest.mark.parametrize("changed", [{"size": 540}, {"magic": b"ni1\0"}, {"code": 32}, {"sform": 0}], ids=str)
def test_another_kind_of_file_is_refused(tmp_path: Path, head: NDArray[np.uint8], changed: dict[str, Any]) -> None:
    """NIfTI-2, two-file NIfTI, other datatypes and files without a position are named, not guessed."""
    with pytest.raises(InputRefused, match=r"a\.nii\.gz"):
        read_nifti(_write_nifti(tmp_path / "a.nii.gz", head, **changed))


def test_a_damaged_file_is_refused(tmp_path: Path, head: NDArray[np.uint8]) -> None:
    """Half a download, and a file that is not compressed at all."""
    file = _write_nifti(tmp_path / "a.nii.gz", head)
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"<html>", gzip.compress(gzip.decompress(whole)[:400])):
        file.write_bytes(damaged)
        with pytest.raises(InputRefused, match="fetch it again"):
            read_nifti(file)


def test_an_oblique_head_is_refused(tmp_path: Path, head: NDArray[np.uint8]) -> None:
    """Axial slices of it would need resampling."""
    turned = _RAS[:, [1, 0, 2, 3]]
    with pytest.raises(InputRefused, match="axes"):
        write_head_series(_write_nifti(tmp_path / "a.nii.gz", head, turned), tmp_path / "out", name="head")


def test_the_series_has_the_head_where_the_file_had_it(tmp_path: Path, head: NDArray[np.uint8]) -> None:
    """Read as every series is, the bright voxel lies at the same place of the patient, whichever way the axes ran."""
    files = write_head_series(_write_nifti(tmp_path / "a.nii.gz", head), tmp_path / "out", name="head")
    volume: Any = load_series(files, max_voxels=10**6).source
    assert volume.array.shape == (7, 6, 5)
    bright = np.argwhere(volume.array == volume.array.max())
    assert len(bright) == 1
    np.testing.assert_allclose(volume.affine @ [*bright[0], 1], [-8, 14, -14, 1], atol=1e-3)


def test_rows_run_to_the_left_and_columns_to_the_back(tmp_path: Path, head: NDArray[np.uint8]) -> None:
    """As radiologists look at a head: axial, from the feet, face up, HFS."""
    files = write_head_series(_write_nifti(tmp_path / "a.nii.gz", head), tmp_path / "out", name="head")
    first, last = dcmread(files[0]), dcmread(files[-1])
    assert [float(value) for value in first.ImageOrientationPatient] == [1, 0, 0, 0, 1, 0]
    assert (first.PatientPosition, first.PixelSpacing, first.SliceThickness) == ("HFS", [3.0, 2.0], 4.0)
    assert last.ImagePositionPatient[2] > first.ImagePositionPatient[2]


def test_the_same_file_gives_the_same_bytes(tmp_path: Path, head: NDArray[np.uint8]) -> None:
    """So a demonstration that runs twice gives the same results; another name is another study."""
    nifti = _write_nifti(tmp_path / "a.nii.gz", head)
    one, two = (write_head_series(nifti, tmp_path / folder, name="head") for folder in ("one", "two"))
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]
    other = write_head_series(nifti, tmp_path / "three", name="other")
    assert dcmread(one[0]).StudyInstanceUID != dcmread(other[0]).StudyInstanceUID


def test_dciodvfy_finds_no_error(tmp_path: Path, head: NDArray[np.uint8]) -> None:
    """Each instance is a valid MR image, and together they are one series of one patient."""
    if shutil.which("dciodvfy") is None:
        missing("dciodvfy is not installed: apt-get install dicom3tools")
    files = write_head_series(_write_nifti(tmp_path / "a.nii.gz", head), tmp_path / "out", name="head")
    for command in (["dciodvfy", str(files[3])], ["dcentvfy", *map(str, files)]):
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Error" not in told.stdout + told.stderr


def test_the_ecg_is_the_one_that_is_meant() -> None:
    """It comes with pydicom: 12 leads, known by its checksum."""
    ecg = dcmread(ecg_file())
    assert ecg.Modality == "ECG"
    assert ecg.WaveformSequence[0].NumberOfWaveformChannels == 12
