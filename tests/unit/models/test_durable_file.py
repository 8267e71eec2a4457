"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from models.durable_file import write_durably


def test_makes_its_directories_and_replaces(tmp_path: Path) -> None:
    """The name holds the new content, and nothing else is left beside it."""
    file = tmp_path / "a" / "b" / "file"
    write_durably(file, b"old")
    write_durably(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(file.parent.iterdir()) == [file]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """When the new content cannot take its place, the old one stays and no part is left."""
    file = tmp_path / "file"
    file.mkdir()
    (file / "inside").write_bytes(b"old")
    with pytest.raises(OSError, match="file"):
        write_durably(file, b"new")
    assert (file / "inside").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
