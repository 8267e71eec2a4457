"""Media directories: what they name, wherever that leads."""

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.contexts import MEDIA_STORAGE_DIRECTORY
from dicom_node.errors import MediaUnreadable
from dicom_node.sources.media_directory import is_media_directory, references_of
from dicom_node.sources.sources import sources_of
from tests.unit.dicom_node.instances import write_file


def write_directory(file: Path, *ids: list[str] | None, **values: Any) -> Path:
    """Write a media directory with a record for each file id."""
    content = Dataset()
    content.file_meta = FileMetaDataset()
    content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content.file_meta.MediaStorageSOPClassUID = MEDIA_STORAGE_DIRECTORY
    content.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    content.FileSetID = "DISC"
    content.DirectoryRecordSequence = []
    for components in ids:
        record = Dataset()
        record.OffsetOfTheNextDirectoryRecord = 0xFFFFFFF0
        record.RecordInUseFlag = 0xFFFF
        record.DirectoryRecordType = "IMAGE"
        if components is not None:
            record.ReferencedFileID = components
        for keyword, value in values.items():
            setattr(record, keyword, value)
        content.DirectoryRecordSequence.append(record)
    file.parent.mkdir(parents=True, exist_ok=True)
    content.save_as(file, enforce_file_format=True)
    return file


def test_files_are_found_below_the_folder(tmp_path: Path) -> None:
    """In the directory's order, each once, whatever its offsets say; records without a file are passed over."""
    a, b = write_file(tmp_path / "IMAGES" / "A"), write_file(tmp_path / "B")
    directory = write_directory(tmp_path / "DICOMDIR", ["B"], None, ["IMAGES", "A"], ["B"])
    assert is_media_directory(directory)
    assert not is_media_directory(a)
    assert [reference.path for reference in references_of(directory)] == [b, a]


def test_small_letters_on_disc_are_found(tmp_path: Path) -> None:
    """Many copies of a disc have the names in small letters."""
    file = write_file(tmp_path / "images" / "im0001")
    directory = write_directory(tmp_path / "dicomdir", ["IMAGES", "IM0001"])
    assert [reference.path for reference in references_of(directory)] == [file]


@pytest.mark.parametrize("components", [["..", "OUT"], ["A", "..", "..", "OUT"], ["/", "OUT"], ["../OUT"], ["."]])
def test_what_leads_out_of_the_folder_is_refused(tmp_path: Path, components: list[str]) -> None:
    """Whatever the components are; what lies outside is not touched."""
    write_file(tmp_path / "OUT")
    (tmp_path / "disc" / "A").mkdir(parents=True)
    directory = write_directory(tmp_path / "disc" / "DICOMDIR", components)
    (reference,) = references_of(directory)
    assert (reference.path, "outside its folder" in reference.why) == (None, True)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A medium that was packed with links leads nowhere else."""
    outside = write_file(tmp_path / "OUT")
    directory = write_directory(tmp_path / "disc" / "DICOMDIR", ["LINK"])
    (tmp_path / "disc" / "LINK").symlink_to(outside)
    (reference,) = references_of(directory)
    assert reference.path is None


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    """So that an incomplete copy of a disc is no success."""
    (source,) = sources_of([write_directory(tmp_path / "DICOMDIR", ["GONE"])])
    assert [(item.damaged, "not there" in item.why) for item in source.files(tmp_path)] == [(True, True)]


def test_a_record_out_of_use_is_not_asked_for(tmp_path: Path) -> None:
    """Record In-use Flag 0 is how a file is removed from a directory (PS3.3 F.3.2.2)."""
    with pytest.raises(MediaUnreadable, match="names no file"):
        references_of(write_directory(tmp_path / "DICOMDIR", ["GONE"], RecordInUseFlag=0))


def test_a_damaged_directory_is_one_failure(tmp_path: Path) -> None:
    """One that breaks off names fewer files than it should: MediaUnreadable, and as a source one unreadable file."""
    whole = write_directory(tmp_path / "DICOMDIR", ["A"], ["B"]).read_bytes()
    (tmp_path / "DICOMDIR").write_bytes(whole[:-60])
    with pytest.raises(MediaUnreadable, match="damaged"):
        references_of(tmp_path / "DICOMDIR")
    (source,) = sources_of([tmp_path / "DICOMDIR"])
    assert [item.damaged for item in source.files(tmp_path)] == [True]


def test_a_directory_without_files_is_told(tmp_path: Path) -> None:
    """Nothing that it names is not nothing to send."""
    with pytest.raises(MediaUnreadable, match="names no file"):
        references_of(write_directory(tmp_path / "DICOMDIR", None))


def test_in_a_folder_it_is_passed_over(tmp_path: Path) -> None:
    """What it lists lies in the folder, and it is no instance itself."""
    write_directory(tmp_path / "disc" / "DICOMDIR", ["A"])
    write_file(tmp_path / "disc" / "A")
    found = [item for source in sources_of([tmp_path / "disc"]) for item in source.files(tmp_path)]
    assert [(item.name.name, item.meta is not None, item.damaged) for item in found] == [
        ("A", True, False),
        ("DICOMDIR", False, False),
    ]


def test_a_link_that_leads_to_itself_is_not_there(tmp_path: Path) -> None:
    """It is told as a file that is missing."""
    (tmp_path / "A").symlink_to("A")
    (reference,) = references_of(write_directory(tmp_path / "DICOMDIR", ["A"]))
    assert reference.path is None
