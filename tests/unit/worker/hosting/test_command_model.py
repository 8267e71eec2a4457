"""A program reads a directory of DICOM and leaves NIfTI or JSON; what it leaves is checked."""

import json
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from models.errors import ChecksumMismatch, ModelError, RuntimeFailed
from models.runtimes.runtime import Arrays
from tests.code_models import NUMBERS, bright, command_entry
from worker.hosting.reading_series import read_series
from worker.series.series_volume import load_series
from worker.testing import write_mr_series

#: Reads the series with pydicom, labels what is bright, and writes NIfTI on a permuted and flipped grid, in RAS.
SEGMENT = """
import nibabel, numpy as np, pydicom
slices = sorted((pydicom.dcmread(f) for f in given.iterdir()), key=lambda d: d.InstanceNumber)
array = np.stack([d.pixel_array for d in slices]).astype(float)
mask = (array > array.mean()).astype(np.uint8)
first, last = slices[0], slices[-1]
position = np.array(first.ImagePositionPatient, float)
step = (np.array(last.ImagePositionPatient, float) - position) / (len(slices) - 1)
row, column = (np.array(first.ImageOrientationPatient[k:k + 3], float) for k in (0, 3))
affine = np.eye(4)
affine[:3, 0], affine[:3, 1], affine[:3, 2] = step, column * first.PixelSpacing[0], row * first.PixelSpacing[1]
affine[:3, 3] = position
# Axes as NIfTI files often have them: columns first, rows from the other end.
mask = mask.transpose(2, 1, 0)[:, ::-1]
affine = affine[:, [2, 1, 0, 3]]
affine[:3, 3] += affine[:3, 1] * (mask.shape[1] - 1)
affine[:3, 1] *= -1
nibabel.save(nibabel.Nifti1Image(mask, np.diag([-1, -1, 1, 1]) @ affine), out / "labels.nii.gz")
"""
FINDINGS = {
    "measurements": [
        {
            "name": {"value": "118565006", "scheme": "SCT", "meaning": "Volume"},
            "value": 12.5,
            "unit": {"value": "ml", "scheme": "UCUM", "meaning": "milliliter"},
        }
    ]
}


def nobody(_network: str, _inputs: Arrays) -> Arrays:
    """Answer nothing: a command asks no network."""
    raise AssertionError("no network is asked")


def reading_of(folder: Path, program: str, *, oblique: bool = False, **more: Any) -> Any:
    """Return the reading of a small series by a program, and the series."""
    files = write_mr_series(folder / "series", slices=8, oblique=oblique)
    series = load_series(files, max_voxels=10**7)
    before = [file.read_bytes() for file in files]
    try:
        return read_series(command_entry(folder, program, **more).card, series.source, files, nobody), series
    finally:
        assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize("oblique", [False, True])
def test_labels_come_back_to_the_voxel(tmp_path: Path, oblique: bool) -> None:  # noqa: FBT001
    """Whatever the order of axes in the NIfTI file, each label lies on the voxel that it was drawn on."""
    reading, series = reading_of(tmp_path, SEGMENT, oblique=oblique)
    np.testing.assert_array_equal(reading.labels, bright(np.asarray(series.source.array, np.float64)))
    assert reading.runtime.startswith("command program ")


def test_labels_may_lie_on_a_finer_grid_than_the_images(tmp_path: Path) -> None:
    """Programs of heads bring thick slices to 256 voxels of 1 mm a side, and answer there."""
    fine = "import nibabel, numpy as np\nlabels = np.zeros((256,) * 3, np.uint8)\nlabels[:, :, 128:] = 1\n"
    affine = "nibabel.affines.from_matvec(np.eye(3), (-128, -128, -128))"
    save = f"nibabel.save(nibabel.Nifti1Image(labels, {affine}), out / 'labels.nii')"
    reading, series = reading_of(tmp_path, fine + save)
    assert 8 * series.source.array.size + (1 << 20) < 256**3
    # NIfTI's third axis and the series' slices both grow to the head.
    np.testing.assert_array_equal(reading.labels[:, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1])


def test_findings_come_as_json(tmp_path: Path) -> None:
    """A program may leave numbers and coded answers instead of, or beside, labels."""
    reading, _ = reading_of(tmp_path, f"(out / 'findings.json').write_text('''{json.dumps(FINDINGS)}''')")
    assert reading.labels is None
    assert [(one.name.meaning, one.value) for one in reading.measurements] == [("Volume", 12.5)]


def told_by(*numbers: tuple[str, str, float]) -> str:
    """Return a program that tells numbers by their codes and units."""
    told = [
        {
            "name": {"value": name, "scheme": "SCT" if name.isdecimal() else "LN", "meaning": "Said otherwise"},
            "value": value,
            "unit": {"value": unit, "scheme": "UCUM", "meaning": unit},
        }
        for name, unit, value in numbers
    ]
    return f"(out / 'findings.json').write_text({json.dumps({'measurements': told})!r})"


AGE, FRACTION = ("397669002", "a", 34.0), ("10230-1", "%", 55.5)


def test_numbers_are_those_of_the_card(tmp_path: Path) -> None:
    """In its order and by its names, however the program orders and calls them."""
    reading, _ = reading_of(tmp_path, told_by(FRACTION, AGE), answers=NUMBERS)
    assert [(one.name.meaning, one.value) for one in reading.measurements] == [
        ("Age", 34.0),
        ("Left Ventricular Ejection Fraction", 55.5),
    ]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((AGE,), "wanted is each of these once: Age in a, Left Ventricular Ejection Fraction in %; mend the program"),
        ((AGE, FRACTION, FRACTION), "wanted is each of these once"),
        ((AGE, (FRACTION[0], "1", 0.555)), "wanted is each of these once"),
        ((AGE, (FRACTION[0], "%", 95.0)), r"Ejection Fraction: 95 % \(plausible at least 5 and at most 90\)"),
    ],
)
def test_other_numbers_than_the_cards_are_refused(
    tmp_path: Path, numbers: tuple[tuple[str, str, float], ...], words: str
) -> None:
    """A number that is missing, twice there, in another unit or not plausible."""
    with pytest.raises(ModelError, match=words):
        reading_of(tmp_path, told_by(*numbers), answers=NUMBERS)


#: A gzip file whose header is right, and what it deflates is not.
DAMAGE = """
save(np.zeros((4, 4, 4), np.uint8))
kept = (out / "labels.nii.gz").read_bytes()
(out / "labels.nii.gz").write_bytes(kept[:30] + bytes([0xFF] * 40) + kept[70:])
"""
#: The header of 30 GB of voxels, and 100 bytes of them.
PROMISE = """
import struct
save(np.zeros((4, 4, 4), np.uint8))
import gzip
kept = bytearray(gzip.decompress((out / "labels.nii.gz").read_bytes()))
struct.pack_into("<4h", kept, 40, 3, 3100, 3100, 3100)
(out / "labels.nii.gz").unlink()
(out / "labels.nii").write_bytes(kept)
"""
NIFTI = """
import nibabel, numpy as np
def save(array, at=(0, 0, 0)):
    affine = None if at is None else nibabel.affines.from_matvec(np.eye(3), at)
    nibabel.save(nibabel.Nifti1Image(array, affine), out / "labels.nii.gz")
"""


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("sys.exit(3)", "ended with status 3"),
        ("os.abort()", "ended by SIGABRT"),
        ("pass", "left neither"),
        (NIFTI + "save(np.zeros((4, 4), np.uint8))", "2 axes"),
        (NIFTI + "save(np.zeros((4, 4, 0), np.uint8))", "no voxels"),
        (NIFTI + "save(np.full((4, 4, 4), 0.5, np.float32))", "no label numbers"),
        (NIFTI + "save(np.full((4, 4, 4), np.nan, np.float32))", "no label numbers"),
        (NIFTI + "save(np.full((4, 4, 4), 400, np.int16))", "no label numbers"),
        (NIFTI + "save(np.ones((2, 2, 2), np.uint8), [9000, 9000, 9000])", "beside the images"),
        (NIFTI + "save(np.ones((4, 4, 4), np.uint8), None)", "does not say where its voxels lie"),
        ("(out / 'labels.nii.gz').write_bytes(b'no gzip')", "cannot be read"),
        (NIFTI + DAMAGE, "cannot be read"),
        (NIFTI + "save(np.zeros((4, 4, 4), np.uint8)); (out / 'labels.nii').write_text('')", "nobody knows which one"),
        (NIFTI + "save(np.zeros((4, 4, 4), [(c, 'u1') for c in 'RGB']))", "no NIfTI-1 file"),
        (NIFTI + "save(np.zeros((4, 4, 4), np.complex64))", "no NIfTI-1 file"),
        ("(out / 'labels.nii').write_bytes(bytes(347))", "no NIfTI-1 file"),
        ("import gzip; (out / 'labels.nii.gz').write_bytes(gzip.compress(b'no nifti' * 99))", "no NIfTI-1 file"),
        ("(out / 'labels.nii').symlink_to('/etc/passwd')", "left neither"),
        ("os.link(__file__, out / 'findings.json')", "left neither"),
        ("(out / 'findings.json').write_text('{')", "no JSON"),
        ("(out / 'findings.json').write_text('[' * 100000)", "no JSON"),
        ("(out / 'findings.json').write_text('{\"patient\": \"Canary^Bird\"}')", "not as documented"),
        ("(out / 'findings.json').write_bytes(b'0' * 2000000)", "larger than"),
        (
            f"(out / 'findings.json').write_text({json.dumps(FINDINGS)!r}.replace('Volume', 'Doe\\\\\\\\Canary'))",
            "meaning: value_error",
        ),
        (
            f"(out / 'findings.json').write_text({json.dumps(FINDINGS)!r}.replace('12.5', '1e300'))",
            "value: less_than_equal",
        ),
    ],
)
def test_what_it_leaves_is_checked(tmp_path: Path, program: str, words: str) -> None:
    """Wrong shapes, values, links and bombs are refused by name, and nothing that the program said is repeated."""
    with pytest.raises(ModelError, match=words) as failure:
        reading_of(tmp_path, program)
    assert "Canary" not in str(failure.value)


def test_a_gzip_bomb_is_not_inflated(tmp_path: Path) -> None:
    """A small file that inflates to a gigabyte is refused at the size that a label map can have."""
    program = (
        "import gzip\nwith gzip.open(out / 'labels.nii.gz', 'wb', 1) as f:\n"
        "    [f.write(bytes(1 << 20)) for _ in range(200)]\n"
    )
    with pytest.raises(RuntimeFailed, match="larger than a label map"):
        reading_of(tmp_path, program)


def test_memory_is_not_taken_for_voxels_that_are_not_there(tmp_path: Path) -> None:
    """A header of a few hundred bytes may promise any size; nothing is made for it."""
    grown: list[int] = []

    def noted(size: int) -> bytearray:
        grown.append(size)
        return bytearray(min(size, 1 << 20))

    with patch("nibabel.volumeutils.bytearray", noted, create=True), pytest.raises(RuntimeFailed, match="no NIfTI"):
        reading_of(tmp_path, NIFTI + PROMISE)
    assert not [size for size in grown if size > 1 << 20]


def test_a_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """After its time limit it is killed."""
    started = time.monotonic()
    with pytest.raises(RuntimeFailed, match="longer than its 1 s"):
        reading_of(tmp_path, "time.sleep(600)", time_limit_s=1.0)
    assert time.monotonic() - started < 20


def test_another_program_is_not_run(tmp_path: Path) -> None:
    """A program whose checksum is not the card's is not started."""
    with pytest.raises(ChecksumMismatch, match="its card says"):
        reading_of(tmp_path, f"Path('{tmp_path / 'ran'}').touch()", sha256="0" * 64)
    assert not (tmp_path / "ran").exists()
