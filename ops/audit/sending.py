"""The thread that sends audit messages: the oldest first, each until it is taken."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog

from dicom_node.error_place import defect_of
from ops.audit.outgoing import Outgoing, Waiting
from ops.audit.syslog_message import AuditAway, Outward

_log = structlog.get_logger()

_MOST_AT_ONCE = 100
#: Other processes write too, and wake nobody.
_LOOK_EVERY_S = 1.0
_LONGEST_RETRY_S = 60.0


class Destination(Protocol):
    """What takes audit messages."""

    def send(self, messages: Sequence[Outward]) -> None:
        """Take all of them, durably as far as it can be known. Raises AuditAway."""


class Sender:
    """Sends what waits, if no other process does."""

    def __init__(self, outgoing: Outgoing, destination: Destination) -> None:
        """Take what waits, and where it goes."""
        self._outgoing = outgoing
        self._destination = destination
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._away = False
        self._unreadable: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="audit-sender", daemon=True)

    def start(self) -> None:
        """Send from now on."""
        self._thread.start()

    def wake(self) -> None:
        """Say that something was written."""
        self._wake.set()

    def stop(self, within_s: float) -> None:
        """Try what waits once more, then end; what is left is sent after the next start."""
        self._stop.set()
        self._wake.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._outgoing.sole_sender() as ours:
                    if ours:
                        self._outgoing.remove_partials()
                        self._send_until_stopped()
            except OSError as error:
                self._tell_away(f"{self._outgoing.folder}: {error.strerror}; may this user write there?")
            except Exception as error:  # noqa: BLE001 - the outermost frame of the thread: a defect must not end it
                self._tell_away(f"{defect_of(error)}: a defect of wetread; please report it")
            self._pause(_LOOK_EVERY_S)

    def _send_until_stopped(self) -> None:
        wait_s = _LOOK_EVERY_S
        while True:
            last = self._stop.is_set()
            wait_s = _LOOK_EVERY_S if self._send_all() else min(wait_s * 2, _LONGEST_RETRY_S)
            if last:
                return
            self._pause(wait_s)

    def _pause(self, wait_s: float) -> None:
        # While it is away nobody wakes it but a stop: each message would be another attempt.
        if self._away:
            self._stop.wait(wait_s)
        else:
            self._wake.wait(wait_s)
        self._wake.clear()

    def _send_all(self) -> bool:
        """Send what waits; return whether it was taken."""
        waiting = self._outgoing.waiting()
        for first in range(0, len(waiting), _MOST_AT_ONCE):
            batch = waiting[first : first + _MOST_AT_ONCE]
            readable = {one.file: outward for one in batch if (outward := self._read(one)) is not None}
            try:
                if readable:
                    self._destination.send(list(readable.values()))
            except AuditAway as error:
                self._tell_away(str(error))
                return False
            for file in readable:
                file.unlink(missing_ok=True)
        if self._away:
            self._away = False
            _log.info("audit messages are taken again")
        return True

    def _tell_away(self, cause: str) -> None:
        if not self._away:
            _log.error("audit messages not taken", cause=cause, remedy="mend it; they wait, and are sent then")
        self._away = True

    def _read(self, waiting: Waiting) -> Outward | None:
        """Read a message; one that cannot be read stays, and does not hold the others."""
        try:
            xml = waiting.file.read_bytes()
        except OSError as error:
            if waiting.file.name not in self._unreadable:
                self._unreadable.add(waiting.file.name)
                _log.error(
                    "audit message not readable",
                    file=str(waiting.file),
                    cause=error.strerror,
                    remedy="let this user read it; it is sent then",
                )
            return None
        at = datetime.fromtimestamp(waiting.at_ns / 1e9, UTC)
        return Outward(at=at, pid=waiting.pid, severity=waiting.severity, host=waiting.host, xml=xml)
