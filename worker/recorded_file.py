"""Whether a file is what was recorded of it, and what lies beside it; imports little, since the node asks too."""

import hashlib
from pathlib import Path, PurePosixPath


def flaw_of(file: Path, sha256: str) -> str:
    """Say what is wrong with a file of which this digest was recorded; "" where it is the very same."""
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if digest == sha256 else "has other bytes than those that were recorded"


def picture_beside(text_report: str) -> str:
    """Return the file of a read's picture, below the root of the results like that of its text SR.

    It has the name of the text SR, which holds that one's digest: whose text SR the ledger knows, his picture is shown,
    and a worker that comes too late changes neither.
    """
    return PurePosixPath(text_report).with_suffix(".png").as_posix()
