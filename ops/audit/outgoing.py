"""Audit messages on their way, a file each: written aside, synced, renamed, and gone once somebody has them.

Several processes write, of several machines where they share the folder; the one that holds the lock sends. A name is
``time-process-number-severity@host.xml``, so that the order of names is the order of time.
"""

import fcntl
import itertools
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicom_node.spooling.disk import sync_folder

_HOST = re.sub("[^A-Za-z0-9.-]", "-", socket.gethostname())
_NAME = re.compile(r"(\d{20})-(\d+)-(\d+)-([0-7])@([A-Za-z0-9.-]*)\.xml")
#: Whoever wrote it writes it no more.
_FORSAKEN_S = 86_400.0
_PRIVATE = 0o600
#: Several processes write, so what waits is counted anew this often.
_COUNT_EVERY_S = 10.0


class OutgoingFull(Exception):
    """As many audit messages wait as may: is the audit record repository away, or `audit.max_waiting_bytes` too low?"""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A message that waits.

    Attributes:
        file: Where it is.
        at_ns: When it was written, nanoseconds since 1970.
        pid: Of the process that wrote it.
        severity: RFC 5424 6.2.1.
        host: Of the machine that wrote it.
    """

    file: Path
    at_ns: int
    pid: int
    severity: int
    host: str


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What an admin wants to know.

    Attributes:
        waiting: Messages that wait.
        oldest_s: Age of the oldest; 0 where none waits.
        lost: Messages that could not be kept, ever.
    """

    waiting: int
    oldest_s: float
    lost: int


class Outgoing:
    """A folder of messages; writing is for any thread."""

    def __init__(self, folder: Path, *, max_bytes: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take the folder, made when it is needed, and how much may wait."""
        self.folder = folder
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._serial = itertools.count()
        self._bytes = 0
        self._counted_at = float("-inf")

    def put(self, message: bytes, *, severity: int) -> None:
        """Keep a message; when this returns it survives a power cut. Raises OutgoingFull, OSError."""
        self._make_folder()
        self._require_room(len(message))
        stem = f"{time.time_ns():020d}-{os.getpid()}-{next(self._serial)}-{severity}@{_HOST}"
        part = self.folder / f"{stem}.part"
        try:
            _write(part, message)
            part.rename(self.folder / f"{stem}.xml")
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(self.folder)
        self._bytes += len(message)

    def waiting(self) -> list[Waiting]:
        """Return what waits, the oldest first. Raises OSError."""
        if not self.folder.is_dir():
            return []
        found = []
        for name in sorted(entry.name for entry in os.scandir(self.folder)):
            match = _NAME.fullmatch(name)
            if match is not None:
                at_ns, pid, _, severity = map(int, match.groups()[:4])
                one = Waiting(file=self.folder / name, at_ns=at_ns, pid=pid, severity=severity, host=match[5])
                found.append(one)
        return found

    def remove_partials(self) -> None:
        """Remove what a process that is gone has left half-written. Raises OSError."""
        for part in self.folder.glob("*.part"):
            name = _NAME.fullmatch(f"{part.stem}.xml")
            if name is None:
                continue  # not ours
            dead = name[5] == _HOST and not Path(f"/proc/{name[2]}").exists()
            if dead or _age_s(part) > _FORSAKEN_S:
                part.unlink(missing_ok=True)

    @contextmanager
    def sole_sender(self) -> Iterator[bool]:
        """Give whether this process may send: one at a time may, until its block ends. Raises OSError."""
        self._make_folder()
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def note_lost(self, process: str, lost: int) -> None:
        """Keep how many messages a process has lost, for the metrics. Raises OSError."""
        file = self.folder / f"lost-{process}@{_HOST}"
        _write(file, str(_number(file) + lost).encode(), flags=os.O_TRUNC)

    def figures(self) -> Figures:
        """Return the figures of all processes. Raises OSError."""
        waiting = self.waiting()
        oldest_s = max(0.0, time.time() - waiting[0].at_ns / 1e9) if waiting else 0.0
        lost = sum(_number(file) for file in self.folder.glob("lost-*")) if self.folder.is_dir() else 0
        return Figures(waiting=len(waiting), oldest_s=oldest_s, lost=lost)

    def _make_folder(self) -> None:
        if self.folder.is_dir():
            return
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(folder.parent)  # else a power cut can forget it with all that was synced in it

    def _require_room(self, size: int) -> None:
        now = self._monotonic()
        if now - self._counted_at >= _COUNT_EVERY_S:
            self._counted_at = now
            self._bytes = sum(_size(one.file) for one in self.waiting())
        if self._bytes + size > self._max_bytes:
            raise OutgoingFull(
                f"{self._bytes} bytes of audit messages wait, and {self._max_bytes} may (audit.max_waiting_bytes); "
                "is the audit record repository there?"
            )


def _write(file: Path, data: bytes, *, flags: int = os.O_EXCL) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, _PRIVATE)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _age_s(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # it has its name by now


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0  # sent meanwhile


def _number(file: Path) -> int:
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return 0
