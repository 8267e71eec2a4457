"""Files that survive a power cut: written aside, synced, renamed, and every directory on the way synced."""

import os
from pathlib import Path


def write_durably(file: Path, content: bytes) -> None:
    """Write a file so that its name holds the old content or the new, never a part; make its directories.

    Raises OSError; nothing is left of a file that could not be written.
    """
    new_folders = [folder for folder in (file.parent, *file.parent.parents) if not folder.exists()]
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    # Without this a power cut can forget the name while somebody already counts on it.
    for folder in (file.parent, *(folder.parent for folder in new_folders)):
        _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
