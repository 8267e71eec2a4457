"""Files that survive a power cut: written aside, synced, renamed, and the directory synced."""

import os
from pathlib import Path


def write_durably(file: Path, data: bytes) -> None:
    """Write a file so that it is there whole, under its name, or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    # Without this a power cut can forget the name while the ledger already lists it.
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
