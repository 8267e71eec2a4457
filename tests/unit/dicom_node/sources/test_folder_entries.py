"""Folders that are named to be sent: nothing below one is left out without a word."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from dicom_node.sources.folder_entries import entries_below
from dicom_node.sources.sources import Found, sources_of
from tests.unit.dicom_node.instances import write_file


def found_in(folder: Path) -> list[Found]:
    """Return what would be sent of a folder."""
    return [found for source in sources_of([folder]) for found in source.files(folder)]


def test_a_folder_that_cannot_be_read_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told like a file that cannot be read; what lies beside it is found."""
    image, locked = write_file(tmp_path / "a.dcm"), tmp_path / "locked"
    locked.mkdir()
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = found_in(tmp_path)
    assert [(one.name, one.damaged) for one in found] == [(image, False), (locked, True)]
    assert "Permission denied" in found[1].why


def test_links_are_followed_to_files_and_told_of_folders(tmp_path: Path) -> None:
    """What a link leads to beside it is found there; a link to a folder elsewhere, or to nothing, is told."""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    image = write_file(root / "study" / "a.dcm")
    write_file(elsewhere / "b.dcm")
    (root / "again").symlink_to("study")
    (root / "file").symlink_to(elsewhere / "b.dcm")
    (root / "folder").symlink_to(elsewhere)
    (root / "gone").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    entries = entries_below(root)
    assert [entry.path for entry in entries if not entry.why] == [root / "file", image]
    told = {entry.path.name: entry.why for entry in entries if entry.why}
    assert told.keys() == {"folder", "gone", "loop"}
    assert "name the folder that it leads to" in told["folder"]
    assert all(found.damaged for found in found_in(root) if found.meta is None)


def test_a_zip_file_that_cannot_be_opened_does_not_end_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and what lies beside it is found."""
    (tmp_path / "a.zip").write_bytes(b"")
    image = write_file(tmp_path / "b.dcm")

    def refuse(_file: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("dicom_node.sources.sources.ZipOfDicom", refuse)
    assert [(one.name, one.damaged) for one in found_in(tmp_path)] == [(tmp_path / "a.zip", True), (image, False)]
