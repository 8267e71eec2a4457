"""Values that are none, in files that are otherwise whole: named, never a crash, never quoted."""

from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from dicom_node.study import AssembledSeries, AssembledStudy, Completion
from worker.errors import SeriesRefused, SeriesUnreadable
from worker.instances.pydicom_errors import told_as_unreadable
from worker.selecting.selection_summary import summarise
from worker.series.series_volume import load_series
from worker.testing import write_mr_series

#: Keyword, value representation, bytes that are no value of it.
WRONG = [
    ("ImagePositionPatient", "DS", b"a\\CANARY\\c "),
    ("ImagePositionPatient", "DS", b"nan\\0\\0 "),
    ("ImageOrientationPatient", "DS", b"1 "),
    ("PixelSpacing", "DS", b"1e400"),
    ("NumberOfFrames", "IS", b"1\\2 "),
    ("NumberOfFrames", "IS", b"CANARY"),
    ("Rows", "US", b"\1"),
    ("Rows", "US", b"\1\0\2\0"),
    ("SamplesPerPixel", "US", b"\1\0\2\0"),
    ("RescaleSlope", "DS", b"CANARY"),
    ("SpacingBetweenSlices", "DS", b"1\\2 "),
    ("EchoTime", "Du", b"\1\2"),
    ("PatientBirthDate", "\xff\xfe", b"CANARY"),
    ("PatientID", "Du", b"CANARY"),
]
#: Selection does not look at these (at the birth date only where no age is stated); the job finds them.
NOT_SELECTED_BY = {
    "PixelSpacing",
    "Rows",
    "SamplesPerPixel",
    "RescaleSlope",
    "SpacingBetweenSlices",
    "EchoTime",
    "PatientBirthDate",
}


def altered(folder: Path, keyword: str, vr: str, value: bytes) -> list[Path]:
    """Write a series in whose first file an element holds these bytes."""
    files = write_mr_series(folder, slices=3, rows=6, columns=5)
    dataset = pydicom.dcmread(files[0])
    tag = Tag(keyword)
    dataset._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, is_implicit_VR=False, is_little_endian=True)
    dataset.save_as(files[0])
    return files


@pytest.mark.parametrize(("keyword", "vr", "value"), WRONG)
def test_a_value_that_is_none_ends_the_series_by_name(tmp_path: Path, keyword: str, vr: str, value: bytes) -> None:
    """A job fails with our own error, which does not quote the value: it may be a patient's."""
    files = altered(tmp_path, keyword, vr, value)
    with pytest.raises((SeriesRefused, SeriesUnreadable)) as told:
        load_series(files, max_voxels=10**6)
    assert "CANARY" not in str(told.value)


@pytest.mark.parametrize(("keyword", "vr", "value"), WRONG)
def test_a_value_that_is_none_does_not_stop_selection(tmp_path: Path, keyword: str, vr: str, value: bytes) -> None:
    """One file that nobody can read is named; its study is summed up all the same, or it could never be recorded."""
    files = altered(tmp_path / "s", keyword, vr, value)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    study = AssembledStudy(
        study_instance_uid="1",
        folder="s",
        series=(AssembledSeries(series_instance_uid="1.1", files=tuple(f"s/{file.name}" for file in files)),),
        completion=Completion.QUIET,
        calling_ae_title="X",
        first_received_at=now,
        last_received_at=now,
    )
    (series,) = summarise(tmp_path, study).series
    assert series.unreadable == (() if keyword in NOT_SELECTED_BY else ("0000.dcm",))
    assert series.images == 3 - len(series.unreadable)


def test_our_own_errors_pass_unchanged() -> None:
    """A refusal keeps its name on its way out."""
    with pytest.raises(SeriesRefused, match=r"^colour"), told_as_unreadable("a.dcm"):
        raise SeriesRefused("colour images")
    with pytest.raises(SeriesUnreadable, match=r"^a\.dcm: .*ValueError"), told_as_unreadable("a.dcm"):
        raise ValueError("CANARY")
