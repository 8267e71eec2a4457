"""A model that comes as Python code: an entry point of the group `wetread.models`, called in a process of its own."""

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card.card_inference import EntryPoint
from models.card.manifest import Card
from models.errors import ModelError, RuntimeFailed
from models.programs import code_child
from models.programs.answer_file import arrays_in
from models.programs.bounded_process import ended, folder_of_its_own, run_bounded
from models.volume import Source

_SCRIPT = Path(code_child.__file__)
_GIB = 1 << 30
#: What an answer may have beyond the labels of its source: npz headers.
_SPARE_BYTES = 1 << 20


def ask_code(card: Card, entry_point: EntryPoint, source: Source, *, loud: bool = False) -> dict[str, NDArray[Any]]:
    """Return what the code answers: labels on the source's grid, probabilities of the card's classes, or its numbers.

    Raises RuntimeFailed when it is missing, of another version, too slow, or ends badly.
    """
    what = f"{card.id}: entry point {entry_point.name}"
    with folder_of_its_own("wetread-code-", what) as folder:
        _write(source, folder)
        memory = str(int(entry_point.memory_gib * _GIB))
        argv = [
            entry_point.python or sys.executable,
            "-P",
            str(_SCRIPT),
            str(folder),
            entry_point.name,
            entry_point.version,
            memory,
        ]
        status = run_bounded(argv, folder=folder, time_limit_s=entry_point.time_limit_s, what=what, loud=loud)
        if status:
            raise _error_of(what, entry_point, status)
        return arrays_in(folder / "answer.npz", what, limit=source.array.size * 8 + _SPARE_BYTES)


def words_of(entry_point: EntryPoint) -> str:
    """Return what ran, for records and reports."""
    return f"entry-point {entry_point.name} {entry_point.version}"


def _error_of(what: str, entry_point: EntryPoint, status: int) -> ModelError:
    if status == code_child.NOT_FOUND:
        return RuntimeFailed(
            f"{what} is not installed: pip install its package for {entry_point.python or sys.executable}"
        )
    if status == code_child.OTHER_VERSION:
        return RuntimeFailed(f"{what} is installed in another version than the card's {entry_point.version}")
    if status == code_child.NO_ANSWER:
        return RuntimeFailed(f"{what} must return a dict with labels, probabilities or numbers, and nothing else")
    return ended(what, status)


def _write(source: Source, folder: Path) -> None:
    """Write the fields of a source: arrays into one file, the rest as JSON."""
    values = {field.name: getattr(source, field.name) for field in fields(source)}
    arrays: dict[str, Any] = {key: value for key, value in values.items() if isinstance(value, np.ndarray)}
    with (folder / "source.npz").open("wb") as stream:
        np.savez(stream, **arrays)
    plain = {key: value for key, value in values.items() if key not in arrays}
    plain["kind"] = type(source).__name__.lower()
    (folder / "source.json").write_text(json.dumps(plain), encoding="utf-8")
