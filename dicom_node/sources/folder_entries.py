"""What lies below a folder, in order: its files, and what should be there and cannot be looked at.

`Path.rglob` passes over a folder that it may not read, and over links to folders, without a word.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class FolderEntry(NamedTuple):
    """Something below a folder.

    Attributes:
        path: Where it is.
        why: Why it cannot be looked at; empty for a file.
    """

    path: Path
    why: str


def entries_below(folder: Path) -> list[FolderEntry]:
    """Return what lies below a folder, sorted. Links to files are files; sockets, pipes and devices are left out."""
    found: list[FolderEntry] = []

    def unread(error: OSError) -> None:
        found.append(FolderEntry(Path(error.filename), f"a folder that cannot be read ({error.strerror})"))

    for place, folders, files in os.walk(folder, onerror=unread):
        found += _linked(Path(place), folders, folder)
        found += (entry for name in files if (entry := _entry(Path(place, name))) is not None)
    return sorted(found)


def _linked(place: Path, folders: list[str], root: Path) -> Iterator[FolderEntry]:
    """Yield the links to folders that lie elsewhere; those below the root are found where they are."""
    for name in folders:
        path = place / name
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
            yield FolderEntry(
                path, "a link to a folder elsewhere, which is not followed: name the folder that it leads to"
            )


def _entry(path: Path) -> FolderEntry | None:
    try:
        if path.is_file():
            return FolderEntry(path, "")
        if path.is_symlink() and not path.exists():
            return FolderEntry(path, "a link to what is not there")
    except OSError as error:  # its folder may be listed and no more
        return FolderEntry(path, f"cannot be read ({error.strerror})")
    return None
