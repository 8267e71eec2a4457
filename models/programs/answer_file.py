"""Arrays that a process of a model has left in a file: bounded before they are read, and never a pickle."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from models.errors import RuntimeFailed


def arrays_in(file: Path, what: str, *, limit: int) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of an npz file by their names.

    Args:
        file: What the process left.
        what: Its name in messages.
        limit: Bytes that its arrays may have together.

    Raises RuntimeFailed for anything else.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > limit:
                raise RuntimeFailed(f"{what} answers more than its source's size allows")
        with file.open("rb") as stream, NpzFile(stream, allow_pickle=False) as arrays:
            found: dict[str, NDArray[Any]] = {name: arrays[name] for name in arrays.files}
            return found
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise RuntimeFailed(f"{what} left no answer that can be read ({type(error).__name__})") from error
