"""How much of the spool each peer fills whose entry limits that (`max_bytes`), over all receiving processes.

The files are the truth: what arrives is added, and folders that have changed (somebody made room) are counted anew.
What was refused and lies in quarantine counts too: of that nobody tells, and it is looked at every second.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from dicom_node.datasets.part10 import read_meta
from dicom_node.errors import NotDicom
from dicom_node.settings import NodeSettings
from dicom_node.spooling.quarantine import QUARANTINE
from dicom_node.spooling.spool import Spool
from dicom_node.study import Arrival, StoredInstance

_log = structlog.get_logger()

#: How long the start waits for the first count; what a large spool needs beyond is counted beside receiving.
_FIRST_COUNT_S = 5.0
_COUNT_EVERY_S = 60.0
#: While a peer waits for room.
_COUNT_EVERY_FULL_S = 5.0
#: So much may come into quarantine unnoticed.
_QUARANTINE_EVERY_S = 1.0
#: A folder that changed so lately may change again under the same time stamp.
_SETTLED_NS = 2_000_000_000


@dataclass(kw_only=True)
class _Folder:
    """A study: bytes by AE title, and when it had last changed as it was counted; None counts it again."""

    changed_ns: int | None = None
    held: Counter[str] = field(default_factory=Counter)


class Shares:
    """Counts bytes by the AE title that sent them; safe for many threads. Without limits it does nothing."""

    def __init__(self, settings: NodeSettings, spool: Spool) -> None:
        """Take the limits and the spool."""
        self._limits = {peer.ae_title: peer.max_bytes for peer in settings.peers if peer.max_bytes is not None}
        self._spool = spool
        self._lock = threading.Lock()
        self._folders: dict[str, _Folder] = {}
        self._held: Counter[str] = Counter()
        self._full: frozenset[str] = frozenset()
        self._quarantined: dict[Path, Counter[str]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shares", daemon=True)

    def start(self) -> None:
        """Count what is there, and keep counting."""
        if self._limits:
            deadline = time.monotonic() + _FIRST_COUNT_S
            self._count_quarantine()
            self._count(lambda: time.monotonic() > deadline)
            self._thread.start()

    def stop(self) -> None:
        """Count no longer."""
        self._stop.set()
        if self._limits:
            self._thread.join()

    def stored(self, instance: StoredInstance) -> None:
        """Add an instance that the spool has now."""
        peer = instance.calling_ae_title
        if peer not in self._limits or instance.arrival is Arrival.SAME:
            return
        with self._lock:
            folder = self._folders.setdefault(instance.file.split("/", maxsplit=1)[0], _Folder())
            folder.held[peer] += instance.size_bytes
            folder.changed_ns = None  # counted anew: it may have been among the files at the last count
            self._held[peer] += instance.size_bytes
            self._note_full()

    def full(self) -> frozenset[str]:
        """Return the AE titles of those who have no room left."""
        return self._full

    def _run(self) -> None:
        counted = time.monotonic()
        while not self._stop.wait(_QUARANTINE_EVERY_S):
            self._count_quarantine()
            if time.monotonic() - counted >= (_COUNT_EVERY_FULL_S if self._full else _COUNT_EVERY_S):
                self._count(self._stop.is_set)
                counted = time.monotonic()

    def _count_quarantine(self) -> None:
        """Count what is there; of its files only those that came since are looked into."""
        # That the disk is away, the count of the studies tells.
        with contextlib.suppress(OSError):
            files = set(self._spool.quarantined())
            for file in self._quarantined.keys() - files:
                del self._quarantined[file]
            for file in files - self._quarantined.keys():
                held: Counter[str] = Counter()
                self._add(file, held)
                self._quarantined[file] = held
            self._replace(QUARANTINE, _Folder(held=sum(self._quarantined.values(), Counter())))

    def _count(self, enough: Callable[[], bool]) -> None:
        """Count what has changed since it was counted last."""
        try:
            names = self._spool.study_folders()
            for name in self._folders.keys() - {*names, QUARANTINE}:
                self._replace(name, None)
            for name in names:
                if enough():
                    return
                self._look_at(name)
        except OSError as error:
            _log.error(
                "spool not counted", cause=str(error), remedy="is its disk there? The figures from before are used"
            )

    def _look_at(self, name: str) -> None:
        folder = self._spool.root / name
        known = self._folders.get(name)
        try:
            # Before the files are looked at: what comes meanwhile counts it again.
            changed_ns = _changed_ns(folder)
            if known is not None and known.changed_ns == changed_ns:
                return
            held: Counter[str] = Counter()
            for file in self._spool.files(name):
                self._add(self._spool.root / file, held)
        except FileNotFoundError:
            self._replace(name, None)  # removed just now
            return
        settled = time.time_ns() - changed_ns > _SETTLED_NS
        self._replace(name, _Folder(changed_ns=changed_ns if settled else None, held=held))

    def _add(self, file: Path, held: Counter[str]) -> None:
        try:
            meta = read_meta(file)
        except (NotDicom, FileNotFoundError):
            return  # nobody knows whose it is; or it was removed just now
        if meta.source_ae_title in self._limits:
            held[meta.source_ae_title] += meta.size_bytes

    def _replace(self, name: str, folder: _Folder | None) -> None:
        with self._lock:
            before = self._folders.pop(name, _Folder())
            self._held.subtract(before.held)
            if folder is not None:
                self._folders[name] = folder
                self._held.update(folder.held)
            self._note_full()

    def _note_full(self) -> None:
        full = frozenset(peer for peer, limit in self._limits.items() if self._held[peer] >= limit)
        for peer in full - self._full:
            _log.warning(
                "peer has filled its share of the spool",
                ae_title=peer,
                held_bytes=self._held[peer],
                max_bytes=self._limits[peer],
                remedy="remove studies of its that are done with, or what it has in quarantine, or raise `max_bytes` "
                "of its [[node.peers]]",
            )
        for peer in self._full - full:
            _log.info("peer has room in the spool again", ae_title=peer, held_bytes=self._held[peer])
        self._full = full


def _changed_ns(folder: Path) -> int:
    """Return when a name in a study folder was last made or removed. Raises FileNotFoundError, OSError."""
    return max(path.stat().st_mtime_ns for path in (folder, *(entry for entry in folder.iterdir() if entry.is_dir())))
