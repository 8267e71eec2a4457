"""Whether a file is what was recorded of it; imports little, since the node's process asks too."""

import hashlib
from pathlib import Path


def flaw_of(file: Path, sha256: str) -> str:
    """Say what is wrong with a file of which this digest was recorded; "" where it is the very same."""
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if digest == sha256 else "has other bytes than those that were recorded"
