"""A small file that survives a power cut: whole as it is now, or whole as it was before."""

import os
import tempfile
from pathlib import Path

from dicom_node.spooling.disk import HOST, sync_folder


def write_note(file: Path, content: bytes, *, durable: bool = True) -> None:
    """Write or replace a file in a folder that is there. Raises OSError.

    Args:
        file: Its name.
        content: All of it.
        durable: Whether it must be on the disk when this returns; else it is only never half there.
    """
    # Named for process and machine, as all that is half-written (`dicom_node.spooling.spool.Spool.remove_partials`).
    descriptor, aside = tempfile.mkstemp(prefix=f"{os.getpid()}-", suffix=f"@{HOST}.part", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        Path(aside).replace(file)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(file.parent)
