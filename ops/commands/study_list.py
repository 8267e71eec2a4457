"""Study Instance UIDs as they are typed, or as a file lists them: one a line."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ops.settings import SettingsError

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_UID_LENGTH = 64
_STDIN = Path("-")


def studies_in(typed: Sequence[str], file: Path | None) -> list[str]:
    """Return the studies that are wanted, each once, in order.

    Raises SettingsError for what is no UID (with its line), a file that cannot be read, or nothing at all.
    """
    named = [*((uid, "the command line") for uid in typed), *(_listed(file) if file is not None else ())]
    for uid, place in named:
        if len(uid) > _UID_LENGTH or not _UID.fullmatch(uid):
            # Not repeated: a line of a worklist's export may name a patient.
            raise SettingsError(f"{place}: is no Study Instance UID: digits and dots, at most {_UID_LENGTH} characters")
    if not named:
        raise SettingsError("no study to pull: name Study Instance UIDs, or a file that lists them with --file")
    return list(dict.fromkeys(uid for uid, _ in named))


def _listed(file: Path) -> Iterator[tuple[str, str]]:
    try:
        data = sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
        text = data.decode("utf-8-sig")  # editors of Windows begin with a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read as text ({error}); is it the list of studies?") from error
    for number, line in enumerate(text.splitlines(), 1):
        uid = line.partition("#")[0].strip()
        if uid:
            yield uid, f"{file}, line {number}"
