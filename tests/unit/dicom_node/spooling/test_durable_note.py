"""A small file is whole as it is, or whole as it was."""

from pathlib import Path

import pytest

from dicom_node.spooling import durable_note
from dicom_node.spooling.durable_note import write_note


def test_a_note_is_replaced_whole(tmp_path: Path) -> None:
    """And nothing else is left."""
    write_note(tmp_path / "note", b"first")
    write_note(tmp_path / "note", b"second", durable=False)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"note": b"second"}


def test_a_disk_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is raised, and nothing is half-written."""

    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    write_note(tmp_path / "note", b"first")
    monkeypatch.setattr(durable_note.os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_note(tmp_path / "note", b"second")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"note": b"first"}
