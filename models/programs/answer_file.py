"""Arrays that a process of a model has left in a file: bounded before they are read, and never a pickle."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from models.errors import RuntimeFailed
from models.foreign import told_as

#: Whole, real, and true and false.
_NUMBERS = "iufb"


def arrays_in(file: Path, what: str, *, limit: int) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of an npz file by their names.

    Args:
        file: What the process left.
        what: Its name in messages.
        limit: Bytes that its arrays may have together.

    Raises RuntimeFailed for anything else.
    """
    if file.is_symlink() or (file.exists() and not file.is_file()):
        # A pipe would be waited for without end, and a link leads where this process may read and its model not.
        raise RuntimeFailed(f"{what} left something else than a file as its answer")
    with told_as(lambda error: RuntimeFailed(f"{what} left no answer that can be read ({type(error).__name__})")):
        found = _arrays(file, limit)
    if found is None:
        raise RuntimeFailed(f"{what} answers more than its source's size allows")
    if not all(isinstance(array, np.ndarray) and array.dtype.kind in _NUMBERS for array in found.values()):
        raise RuntimeFailed(f"{what} left something else than arrays of numbers in its answer")
    return found


def _arrays(file: Path, limit: int) -> dict[str, Any] | None:
    """Return what an npz file holds; None where that is more than the limit."""
    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > limit:
            return None
    with file.open("rb") as stream, NpzFile(stream, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
