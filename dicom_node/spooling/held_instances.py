"""Instances that the node has promised to keep: whatever deletes from the spool asks here first.

``commitment/held/STUDY`` in the spool has a line ``SERIES/INSTANCE.dcm`` for each, named as the spool names them. The
line is on the disk before anybody is told that the node has taken responsibility, and goes when somebody says that
another archive has: `HeldInstances.release`.
"""

import fcntl
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dicom_node.spooling.disk import Disk
from dicom_node.spooling.durable_note import write_note

_HELD = "held"
_LOCK = "lock"
#: What a crash left of a line is none.
_LINE = re.compile("[0-9a-f]{32}/[0-9a-f]{32}(~[0-9a-f]{16,64})?[.]dcm")


class _Thread(threading.local):
    """The spools of which a thread has the lock: who removes files asks what they are, and that may take it too."""

    def __init__(self) -> None:
        self.has: set[Path] = set()


_THREAD = _Thread()


class HeldInstances:
    """The instances of a spool that must stay; for many threads and processes at once. Every method raises OSError."""

    def __init__(self, spool: Path) -> None:
        """Take the spool's directory; nothing is made before it is needed."""
        self._root = spool / "commitment"

    def hold(self, files: Iterable[str], still_there: Callable[[str], bool]) -> frozenset[str]:
        """Hold those files, relative to the spool, that are still there; return them. Synced when this returns.

        Whatever removes files does it under the same lock (`removing_from`), so they are there until they are released.
        """
        with self._locked():
            there = frozenset(file for file in files if still_there(file))
            for folder, lines in _by_study(there).items():
                added = lines - self._lines(folder)
                if added:
                    self._append(folder, added)
        return there

    def release(self, files: Iterable[str]) -> None:
        """Let files go, relative to the spool: their archive is known to hold them. Not held: nothing happens."""
        with self._locked():
            for folder, lines in _by_study(files).items():
                before = self._lines(folder)
                if not before & lines:
                    continue
                rest = before - lines
                if rest:
                    write_note(self._file(folder), "".join(f"{line}\n" for line in sorted(rest)).encode())
                else:
                    self._file(folder).unlink()

    def of_study(self, folder: str) -> frozenset[str]:
        """Return the held files of a study folder, relative to the spool."""
        return frozenset(f"{folder}/{line}" for line in self._lines(folder))

    @contextmanager
    def removing_from(self, folder: str) -> Iterator[frozenset[str]]:
        """Give the held files of a study folder; until the block ends no more are held: all others may be removed."""
        with self._locked():
            yield self.of_study(folder)

    def _file(self, folder: str) -> Path:
        return self._root / _HELD / folder

    def _lines(self, folder: str) -> set[str]:
        try:
            text = self._file(folder).read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return set()
        return {line for line in text.split("\n") if _LINE.fullmatch(line)}

    def _append(self, folder: str, lines: set[str]) -> None:
        file = self._file(folder)
        disk = Disk(self._root)
        disk.make_folder(file.parent)
        with file.open("ab") as stream:
            # After what a crash may have left of a line.
            stream.write("".join(f"\n{line}" for line in sorted(lines)).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        disk.sync_folder(file.parent)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._root in _THREAD.has:
            yield
            return
        self._root.mkdir(exist_ok=True)
        with (self._root / _LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _THREAD.has.add(self._root)
            try:
                yield
            finally:
                _THREAD.has.discard(self._root)


def _by_study(files: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for file in files:
        folder, _, line = file.partition("/")
        if not _LINE.fullmatch(line):
            raise ValueError(f"{file!r} is no instance of the spool")
        found.setdefault(folder, set()).add(line)
    return found
