"""The audit trail of one process: hears what happens, makes messages of it, keeps them, and has them sent.

What may not wait (associations, C-STORE) leaves a record in a queue; a thread makes messages of them. Nothing here ever
stops receiving: what cannot be kept is counted, warned of, and told in the trail itself when it can be kept again.
"""

import queue
import socket
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from dicom_node.archives.identity import StudyIdentity
from dicom_node.error_place import defect_of
from dicom_node.study import StoredInstance
from dicom_node.turned_away import TurnedAway
from ops.audit.message import Teller, is_warning, message
from ops.audit.outgoing import Outgoing, OutgoingFull
from ops.audit.patient import patient_of
from ops.audit.received import Received
from ops.audit.records import Activity, Lapse, Record, Transfer
from ops.audit.sending import Destination, Sender
from ops.audit.settings import AuditSettings
from ops.audit.syslog_message import NOTICE, WARNING, TlsSyslog, UdpSyslog
from ops.audit.trail_file import TrailFile
from ops.audit.turned_away_counts import Alerts

_log = structlog.get_logger()

#: Records that wait for their message; more than this means that the disk does not answer.
_LONGEST_QUEUE = 10_000
_TICK_S = 1.0
_WARN_EVERY_S = 60.0
#: What is written last is tried once more before the process ends.
_LAST_TRY_S = 5.0


class Trail:
    """What a process tells; every method is for any thread, and raises nothing."""

    def __init__(self, settings: AuditSettings, *, process: str, ae_title: str, folder: Path, spool: Path) -> None:
        """Take the settings and who we are.

        Args:
            settings: Where messages go.
            process: Such as "node".
            ae_title: Ours.
            folder: Of the trail, in the data directory.
            spool: Root of the instances.
        """
        host = socket.gethostname()
        self.teller = Teller(
            ae_title=ae_title,
            process=f"wetread {process}",
            host=host,
            source_id=settings.source_id or ae_title,
            site_id=settings.site_id,
        )
        self._on = settings.to != "off"
        self._process = process
        self._every_s = settings.every_s
        self._outgoing = outgoing_of(settings, folder)
        self._sender = Sender(self._outgoing, _destination(settings, folder))
        self._received = Received(spool, self.teller.side(requestor=False))
        self._alerts = Alerts()
        self._collecting = threading.Lock()
        self._writing = threading.Lock()
        self._records: queue.Queue[Record | threading.Event | None] = queue.Queue(_LONGEST_QUEUE)
        self._lost = 0
        self._warned_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        """Tell that the process starts, and send from now on."""
        if self._on:
            self._write(Activity(at=_now(), started=True))
            self._thread.start()
            self._sender.start()

    def stop(self) -> None:
        """Tell what is not told yet, and that the process stops."""
        if self._on:
            with self._collecting:
                left: list[Record] = [*self._received.before(float("inf")), *self._alerts.all()]
            self._tell(left)
            self._records.put(None)
            self._thread.join()
            self._write(Activity(at=_now(), started=False))
            self._sender.stop(_LAST_TRY_S)

    def instance_stored(self, instance: StoredInstance, association: str) -> None:
        """Count an instance that an association has brought, or ("") that was found in the spool after a crash."""
        if self._on:
            with self._collecting:
                told = self._received.stored(instance, association, time.monotonic())
            self._tell(told)

    def association_ended(self, association: str) -> None:
        """Tell what it has brought."""
        if self._on:
            with self._collecting:
                told = self._received.ended(association)
            self._tell(told)

    def turned_away(self, caller: TurnedAway) -> None:
        """Tell of a caller that was turned away; a `dicom_node.turned_away.Witness`."""
        if self._on:
            with self._collecting:
                told = self._alerts.heard(caller, _now(), time.monotonic())
            self._tell(told)

    def settle(self, study_instance_uid: str) -> None:
        """Keep what has come of a study before this returns: once the ledger has it, no crash would find it again."""
        if self._on:
            with self._collecting:
                told = self._received.of_study(study_instance_uid)
            # What its associations have left there already; not what others leave there meanwhile, which may never end.
            reached = threading.Event()
            self._records.put(reached)
            while not reached.wait(_TICK_S) and self._thread.is_alive():
                pass
            for record in told:
                self._write(record)

    def tell(self, record: Record) -> None:
        """Keep a record before this returns."""
        if self._on:
            self._write(record)

    def _tell(self, records: Iterable[Record]) -> None:
        for record in records:
            try:
                self._records.put_nowait(record)
            except queue.Full:
                self._lose(f"{_LONGEST_QUEUE} records wait for the disk")

    def _run(self) -> None:
        tick_at = time.monotonic() + _TICK_S
        while True:
            if time.monotonic() >= tick_at:
                tick_at = time.monotonic() + _TICK_S
                self._tick()
            try:
                record = self._records.get(timeout=_TICK_S)
            except queue.Empty:
                continue
            try:
                if record is None:
                    return
                if isinstance(record, threading.Event):
                    record.set()
                else:
                    self._write(record)
            except Exception as error:  # noqa: BLE001 - the outermost frame of a record: the next must still be told
                self._lose(f"{defect_of(error)}, a defect of wetread")

    def _tick(self) -> None:
        now = time.monotonic()
        with self._collecting:
            due: list[Record] = [*self._received.before(now - self._every_s), *self._alerts.due(now)]
        self._tell(due)

    def _write(self, record: Record) -> None:
        patient = patient_of(record.file) if isinstance(record, Transfer) else StudyIdentity()
        with self._writing:
            try:
                self._put(record, patient)
                if self._lost:
                    self._note_lost()
            except OutgoingFull as error:
                self._lose(str(error))
            except OSError as error:
                self._lose(f"{self._outgoing.folder}: {error.strerror}")
        self._sender.wake()

    def _put(self, record: Record, patient: StudyIdentity) -> None:
        severity = WARNING if is_warning(record) else NOTICE
        self._outgoing.put(message(record, self.teller, patient), severity=severity)

    def _note_lost(self) -> None:
        lost = self._lost
        self._put(Lapse(at=_now(), lost=lost), StudyIdentity())
        self._lost -= lost
        self._outgoing.note_lost(self._process, lost)

    def _lose(self, cause: str) -> None:
        self._lost += 1
        now = time.monotonic()
        if now - self._warned_at >= _WARN_EVERY_S:
            self._warned_at = now
            _log.error(
                "audit messages lost",
                lost=self._lost,
                cause=cause,
                remedy="receiving goes on without them; make room, or let this user write there",
            )


def outgoing_of(settings: AuditSettings, folder: Path) -> Outgoing:
    """Return where messages wait."""
    return Outgoing(folder / "outgoing", max_bytes=settings.max_waiting_bytes)


def _destination(settings: AuditSettings, folder: Path) -> Destination:
    if settings.to != "syslog" or settings.syslog is None:
        return TrailFile(settings.file or folder / "trail.log")
    return (UdpSyslog if settings.syslog.transport == "udp" else TlsSyslog)(settings.syslog)


def _now() -> datetime:
    return datetime.now(UTC)
