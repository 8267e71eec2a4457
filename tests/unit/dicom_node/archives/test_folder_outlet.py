"""Results as files in a folder."""

import errno
import os
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.archives.folder_outlet import FolderOutlet
from dicom_node.archives.sender import OutcomeKind
from dicom_node.errors import ArchiveUnreachable
from worker.testing import write_mr_series


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two instances under UIDs of ours."""
    return write_mr_series(tmp_path / "results", slices=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    made = tmp_path / "out"
    made.mkdir()
    return made


def test_each_object_is_one_file_of_the_same_bytes(files: list[Path], folder: Path) -> None:
    """Named by its SOP Instance UID; writing it again changes nothing and is as good."""
    outlet = FolderOutlet(folder)
    assert [outcome.kind for outcome in outlet.store(files)] == [OutcomeKind.ACCEPTED] * 2
    assert [outcome.kind for outcome in outlet.store(files)] == [OutcomeKind.DUPLICATE] * 2
    names = {f"{dcmread(file).SOPInstanceUID}.dcm": file.read_bytes() for file in files}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == names


def test_another_file_of_the_name_is_never_overwritten(files: list[Path], folder: Path) -> None:
    """It is not ours, so the object is refused, and an admin sees it."""
    target = folder / f"{dcmread(files[0]).SOPInstanceUID}.dcm"
    target.write_bytes(b"somebody else's")
    (outcome,) = FolderOutlet(folder).store(files[:1])
    assert outcome.kind is OutcomeKind.REFUSED
    assert target.read_bytes() == b"somebody else's"


def test_what_a_dead_deliverer_left_is_replaced(files: list[Path], folder: Path) -> None:
    """Half a file under its passing name does not stop the next attempt."""
    part = folder / f"{dcmread(files[0]).SOPInstanceUID}.part"
    part.write_bytes(b"half")
    assert FolderOutlet(folder).store(files[:1])[0].accepted
    assert [path.suffix for path in folder.iterdir()] == [".dcm"]


def test_a_share_that_is_away_is_not_mistaken_for_an_empty_folder(files: list[Path], tmp_path: Path) -> None:
    """Nothing is made where nothing is."""
    outlet = FolderOutlet(tmp_path / "not mounted")
    for ask in (outlet.probe, lambda: outlet.store(files)):
        with pytest.raises(ArchiveUnreachable, match="mounted") as raised:
            ask()
        assert raised.value.kept_nothing
    assert not (tmp_path / "not mounted").exists()


def test_a_share_whose_server_is_gone_is_away(files: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is mounted, and nobody may even look at it; that is no trouble of ours with a result's file."""

    def stale(_: Path) -> bool:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(Path, "is_dir", stale)
    outlet = FolderOutlet(folder)
    for ask in (outlet.probe, lambda: outlet.store(files)):
        with pytest.raises(ArchiveUnreachable, match=r"Stale file handle\); is the share mounted") as raised:
            ask()
        assert raised.value.kept_nothing


def test_only_our_own_uids_become_names(tmp_path: Path, folder: Path) -> None:
    """A UID that did not come from us is refused, whatever it looks like."""
    (file,) = write_mr_series(tmp_path / "other", slices=1)
    dataset = dcmread(file)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.1/../../x"
    dataset.save_as(file)
    assert FolderOutlet(folder).store([file])[0].kind is OutcomeKind.REFUSED
    assert not list(folder.iterdir())


def test_what_is_deleted_is_gone(files: list[Path], folder: Path) -> None:
    """A second time is as good."""
    outlet = FolderOutlet(folder)
    outlet.store(files)
    uid = str(dcmread(files[0]).SOPInstanceUID)
    for _ in range(2):
        outlet.delete("1.2", "1.3", uid)
    assert len(list(folder.iterdir())) == 1
    outlet.delete("1.2", "1.3", "../results/0001")
    assert files[1].exists()
