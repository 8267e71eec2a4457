"""Other encodings of a result."""

from pathlib import Path

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from dicom_node.datasets.part10 import read_meta
from worker.delivery.reencoded_copy import in_encoding
from worker.testing import write_mr_series


def compressed(folder: Path) -> Path:
    """Return an RLE image with a nested sequence."""
    (file,) = write_mr_series(folder, slices=1)
    dataset = dcmread(file)
    item = dcmread(file, stop_before_pixels=True)
    item.ReferencedSeriesSequence = [dcmread(file, specific_tags=["PatientID", "Rows"])]
    dataset.ReferencedStudySequence = [item]
    uid = dataset.SOPInstanceUID
    dataset.compress(RLELossless)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.save_as(file)
    return file


def test_the_object_stays_the_same_in_every_encoding(tmp_path: Path) -> None:
    """UIDs, values and pixels are equal; only the transfer syntax differs."""
    file = compressed(tmp_path / "a")
    made = dcmread(file)
    for encoding, syntax in (("explicit", ExplicitVRLittleEndian), ("implicit", ImplicitVRLittleEndian)):
        copy = in_encoding(file, encoding)  # type: ignore[arg-type]
        read = dcmread(copy)
        assert read_meta(copy).transfer_syntax_uid == syntax
        assert read_meta(copy).sop_instance_uid == made.SOPInstanceUID == read.SOPInstanceUID
        assert (read.pixel_array == made.pixel_array).all()
        del read.PixelData
        without = dcmread(file, stop_before_pixels=True)
        assert [e.value for e in read.iterall() if e.VR != "SQ"] == [e.value for e in without.iterall() if e.VR != "SQ"]


def test_it_is_made_once_and_always_the_same(tmp_path: Path) -> None:
    """A re-send is the same bytes, also where the copy was lost in between."""
    file = compressed(tmp_path / "a")
    copy = in_encoding(file, "explicit")
    first, made_at = copy.read_bytes(), copy.stat().st_mtime_ns
    assert in_encoding(file, "explicit").stat().st_mtime_ns == made_at
    copy.unlink()
    assert in_encoding(file, "explicit").read_bytes() == first


def test_what_is_encoded_so_already_is_sent_as_it_is(tmp_path: Path) -> None:
    """No copy is made of it."""
    (file,) = write_mr_series(tmp_path / "a", slices=1)
    assert in_encoding(file, "explicit") == file
    assert in_encoding(compressed(tmp_path / "b"), "as-made").suffixes == [".dcm"]
