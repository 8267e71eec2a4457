"""C-GET from a real archive: pynetdicom's qrscp, as `wetread up` starts it."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, MRImageStorage

from dicom_node.archives.retrieve import get_study
from dicom_node.archives.sender import send
from dicom_node.datasets.part10 import dataset_digest
from dicom_node.errors import ArchiveUnreachable
from dicom_node.settings import Peer
from ops.embedded import EmbeddedArchive
from ops.settings import Settings
from tests.unit.dicom_node.instances import STUDY, dataset, write_file


@pytest.fixture
def archive(tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]) -> Iterator[Peer]:
    """A running archive with nothing in it."""
    made = EmbeddedArchive(Settings(data=tmp_path / "data"), free_port())
    with subprocess.Popen(list(made.part().argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(made.answers, what="the archive answers")
            yield made.peer
        finally:
            process.terminate()


def test_a_study_comes_back_as_it_was_sent(archive: Peer, tmp_path: Path) -> None:
    """Every instance of the classes that were asked for, byte for byte; no other study and no other class."""
    one = write_file(
        tmp_path / "one.dcm", dataset(Modality="CT", PatientName="Grün^µ", SpecificCharacterSet="ISO_IR 192")
    )
    two = write_file(tmp_path / "two.dcm", dataset(SOPInstanceUID="1.2.3.1.1.2", Modality="CT"))
    other_class = write_file(tmp_path / "mr.dcm", dataset(SOPInstanceUID="1.2.3.1.2.1", SOPClassUID=MRImageStorage))
    other_study = write_file(tmp_path / "other.dcm", dataset(SOPInstanceUID="1.2.3.2.1.1", StudyInstanceUID="1.2.3.2"))
    assert all(outcome.accepted for _, outcome in send([one, two, other_class, other_study], archive, "TEST"))
    files = get_study(archive, "TEST", STUDY, [CTImageStorage], tmp_path / "back")
    assert sorted(map(dataset_digest, files)) == sorted(map(dataset_digest, [one, two]))
    assert {dcmread(file).file_meta.TransferSyntaxUID for file in files} == {dcmread(one).file_meta.TransferSyntaxUID}


def test_a_study_that_is_not_there_gives_no_files(archive: Peer, tmp_path: Path) -> None:
    """An empty answer is an answer."""
    assert get_study(archive, "TEST", "1.2.3.9", [CTImageStorage], tmp_path / "back") == []


def test_an_archive_that_is_away_is_named(free_port: Callable[[], int], tmp_path: Path) -> None:
    """With its address, so that somebody can look."""
    peer = Peer(ae_title="ARCHIVE", host="127.0.0.1", port=free_port())
    with pytest.raises(ArchiveUnreachable, match=f"ARCHIVE@127.0.0.1:{peer.port}"):
        get_study(peer, "TEST", STUDY, [CTImageStorage], tmp_path / "back")
