"""Files whose meta information is not what it should be, or is not there."""

import os
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from dicom_node.errors import MetaUnreadable, NotDicom
from dicom_node.sources.foreign_file import may_be_dicom, read_meta_to_send, write_with_meta
from tests.unit.dicom_node.instances import CT, SOP, dataset, encode, write_file

PIXELS: dict[str, Any] = {"BitsAllocated": 8, "Rows": 2, "Columns": 2, "PixelData": b"abcd"}


def bare(folder: Path, data: bytes) -> Path:
    """Write bytes that have neither preamble nor meta information."""
    file = folder / "bare"
    file.write_bytes(data)
    return file


def with_pixels(**values: Any) -> Dataset:
    """Return an instance with four pixels."""
    made = dataset(**(PIXELS | values))
    made["PixelData"].VR = "OB"
    return made


@pytest.mark.parametrize(
    ("encoding", "syntax"),
    [
        ({"implicit": True}, "1.2.840.10008.1.2"),
        ({"implicit": False}, "1.2.840.10008.1.2.1"),
        ({"big_endian": True}, "1.2.840.10008.1.2.2"),
    ],
    ids=["implicit", "explicit", "big endian"],
)
def test_a_dataset_alone_is_given_meta_information(tmp_path: Path, encoding: dict[str, bool], syntax: str) -> None:
    """What its encoding and its UIDs are stands in it; the copy has the same dataset, byte for byte."""
    data = encode(with_pixels(), **encoding)
    meta = read_meta_to_send(bare(tmp_path, data))
    assert (meta.sop_class_uid, meta.sop_instance_uid, meta.dataset_start, meta.corrected) == (CT, SOP, 0, True)
    copy = tmp_path / "copy.dcm"
    with copy.open("xb") as stream:
        write_with_meta(meta, stream, calling_ae_title="A", called_ae_title="B")
    assert copy.read_bytes().endswith(data)
    read = pydicom.dcmread(copy)
    assert read.PixelData == b"abcd"
    assert read.file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x08\x00",
        b"\x08\x00" + bytes(400),
        b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + os.urandom(3000),
        b"# notes\n" * 100,
        encode(dataset(StudyInstanceUID=None)),
        encode(dataset(SOPInstanceUID="Canary^Bird")),
        b"\x00\x08" + bytes(400),
        encode(dataset(SOPInstanceUID="Canary^Bird"), big_endian=True),
    ],
    ids=["empty", "two bytes", "zeros", "noise", "text", "no study", "no UID", "big zeros", "no big UID"],
)
def test_what_only_begins_like_a_dataset_is_none(tmp_path: Path, data: bytes) -> None:
    """All four UIDs must stand in their places: nothing that merely begins so is sent to an archive."""
    with pytest.raises(NotDicom) as told:
        read_meta_to_send(bare(tmp_path, data))
    assert not isinstance(told.value, MetaUnreadable)
    assert "Canary" not in str(told.value)


def test_compressed_pixels_of_which_nothing_says_how_are_damaged(tmp_path: Path) -> None:
    """They would be sent as what they are not."""
    made = with_pixels(PixelData=encapsulate([b"abcd"]))
    made["PixelData"].is_undefined_length = True
    with pytest.raises(MetaUnreadable, match="compressed pixels, and no file meta information that says how"):
        read_meta_to_send(bare(tmp_path, encode(made)))


@pytest.mark.parametrize("lost", [2, 5, 15], ids=["in the value of the pixels", "before it", "in another element"])
def test_a_dataset_that_ends_inside_an_element_is_damaged(tmp_path: Path, lost: int) -> None:
    """It is one, and not all of it: another matter than a file that is no DICOM."""
    with pytest.raises(MetaUnreadable, match="without file meta information, and truncated"):
        read_meta_to_send(bare(tmp_path, encode(with_pixels())[:-lost]))


def test_a_zip_file_is_unpacked_by_the_same_look(tmp_path: Path) -> None:
    """Of 132 bytes: DICM in its place, or the beginning of a dataset."""
    assert may_be_dicom(write_file(tmp_path / "a.dcm", dataset()).read_bytes()[:132])
    assert may_be_dicom(encode(dataset())[:132])
    assert may_be_dicom(encode(dataset(), big_endian=True)[:132])
    assert not may_be_dicom(b"hello")
