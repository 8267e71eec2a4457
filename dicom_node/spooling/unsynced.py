"""That a spool may have files which no sync has reached: told by a file in it, whatever the settings say by now.

A site may change ``node.fsync`` before the first start after a power cut, and what the cut left must be known then.
"""

from pathlib import Path

from dicom_node.spooling.disk import HOST
from dicom_node.spooling.durable_note import write_note

_NAME = "unsynced"


def note_unsynced(root: Path) -> None:
    """Tell it, before the first such file is written; on the disk when this returns. Raises OSError."""
    note = root / f"{_NAME}@{HOST}"
    if not note.exists():
        write_note(note, b"")


def may_be_unsynced(root: Path) -> bool:
    """Say whether this machine, or another that shares the spool, may have left such files. Raises OSError."""
    return any(root.glob(f"{_NAME}@*"))


def forget_unsynced(root: Path) -> None:
    """All was looked through, and this machine writes no more of them. Raises OSError."""
    (root / f"{_NAME}@{HOST}").unlink(missing_ok=True)
