"""`wetread models run` on folders as people have them: with other files, and with files that lack what makes a file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.uid import ExplicitVRBigEndian

from dicom_node.datasets.part10 import read_meta
from models.testing import write_threshold_model
from worker.testing import write_mr_series


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that reads everything, and a series of ten slices."""
    write_threshold_model(tmp_path / "data" / "models", id="any")
    write_mr_series(tmp_path / "series", slices=10)
    return tmp_path


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Read the series."""
    command = [str(Path(sys.executable).parent / "wetread"), "models", "run", "any", "series", "--out", "out"]
    return subprocess.run(
        [*command, "--data", "data"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def in_big_endian(file: Path) -> None:
    """Write a file of 16 bits a pixel anew in big endian."""
    dataset = dcmread(file)
    assert dataset.BitsAllocated == 16
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dcmwrite(file, dataset, little_endian=False, implicit_vr=False)


def test_what_is_no_dicom_is_named_and_what_lacks_meta_information_is_read(folder: Path) -> None:
    """Two slices of ten have neither, and one of them is in big endian: ten are read, as if nothing were."""
    assert run(folder).returncode == 0
    before = dcmread(folder / "out" / "seg.dcm").PixelData
    in_big_endian(folder / "series" / "0004.dcm")
    for name in ("0003.dcm", "0004.dcm"):
        file = folder / "series" / name
        file.write_bytes(file.read_bytes()[read_meta(file).dataset_start :])
    (folder / "series" / "more").mkdir()
    (folder / "series" / "more" / "notes.txt").write_text("hello")
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not DICOM, and not read: 1 file, such as more/notes.txt\n" in done.stderr
    assert "(PS3.10), and read all the same: 2 files, such as 0003.dcm\n" in done.stderr
    assert dcmread(folder / "out" / "seg.dcm").PixelData == before


def test_it_is_told_also_where_the_read_is_refused(folder: Path) -> None:
    """A slice that was damaged to no DICOM at all is why one is missing."""
    (folder / "series" / "0004.dcm").write_bytes(b"hello")
    done = run(folder)
    assert done.returncode == 1
    assert "missing slices: 1 of 10" in done.stderr
    assert "not DICOM, and not read: 1 file, such as 0004.dcm" in done.stderr


def test_what_cannot_be_looked_at_is_named(folder: Path) -> None:
    """Slices may be in it."""
    write_mr_series(folder / "elsewhere", slices=2)
    (folder / "series" / "more").symlink_to(folder / "elsewhere")
    (folder / "series" / "gone.dcm").symlink_to("nowhere")
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not read: more: a link to a folder elsewhere, which is not followed" in done.stderr
    assert "not read: gone.dcm: a link to what is not there" in done.stderr


def test_a_folder_without_dicom_says_what_is_in_it(folder: Path) -> None:
    """One file, which is none."""
    for file in (folder / "series").iterdir():
        file.unlink()
    (folder / "series" / "a.txt").write_text("a")
    done = run(folder)
    assert done.returncode == 1
    assert "series holds no DICOM file; is it the right folder?" in done.stderr
    assert "not DICOM, and not read: 1 file, such as a.txt" in done.stderr


@pytest.mark.parametrize("content", [bytes(128) + b"DICM\x02\x00", b"scratched"], ids=["cut", "no DICOM"])
def test_a_damaged_media_directory_keeps_nothing_from_being_read(folder: Path, content: bytes) -> None:
    """On a scratched CD the images may be whole; what lists them is not needed."""
    (folder / "series" / "DICOMDIR").write_bytes(content)
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DICOMDIR" not in done.stderr
