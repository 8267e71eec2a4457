"""Where receiving processes report: what they tell reaches the one assembler and the one doorkeeper.

A process that dies takes its associations with it, and what it had stored and not told is adopted from the spool.
"""

import socket
import threading
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from dicom_node.admitting.association import Admission
from dicom_node.admitting.doorkeeper import Admitting
from dicom_node.commitments.commitment_service import CommitmentDesk
from dicom_node.commitments.report_recorder import ReportRecorder
from dicom_node.processes.receiver_messages import (
    Accepting,
    Asking,
    Begin,
    CommitmentAsked,
    CommitmentLeft,
    Ended,
    Line,
    Listed,
    Message,
    Refused,
    ReportAnswer,
    Reported,
    Serving,
    Stored,
    Verdict,
)
from dicom_node.receiving.store_scp import Reception
from dicom_node.settings import NodeSettings
from dicom_node.spooling.shares import Shares
from dicom_node.turned_away import Witness, no_witness

_log = structlog.get_logger()

#: How soon receiving processes learn that backlog or a peer's share is full, or has room again.
_TELL_EVERY_S = 0.2


class Assembling(Reception, Protocol):
    """The assembler, as the desk needs it."""

    def adopt(self, pid: int) -> None:
        """Look for what a process, which is gone, has left in the spool and told nobody of."""


class Committing(CommitmentDesk, Protocol):
    """Who reports storage commitment, as the desk needs it."""

    def association_ended(self, association: str) -> None:
        """Report on what an association has left."""

    def look_again(self) -> None:
        """Look for requests that a process, which is gone, has kept and told nobody of. Raises OSError."""


class ReceiverDesk:
    """Listens on a Unix socket for receiving processes, and has a thread for each."""

    def __init__(
        self,
        address: Path,
        *,
        settings: NodeSettings,
        spool: Path,
        assembler: Assembling,
        doorkeeper: Admitting,
        shares: Shares,
        witness: Witness = no_witness,
        commitments: Committing,
        reports: ReportRecorder,
    ) -> None:
        """Take where to listen, what each process is told to do, and whom their messages are for.

        `witness` hears of callers that are turned away.
        """
        self._address = address
        self._settings = settings
        self._spool = spool
        self._assembler = assembler
        self._doorkeeper = doorkeeper
        self._shares = shares
        self._witness = witness
        self._commitments = commitments
        self._reports = reports
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._lock = threading.Lock()
        self._lines: dict[Line, int] = {}  # the process id, 0 until it serves
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Listen. Raises OSError."""
        self._listening.bind(str(self._address))
        self._address.chmod(0o600)
        self._listening.listen()
        for run in (self._accept, self._tell):
            self._threads.append(threading.Thread(target=run, name="receiver-desk", daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Hang up; the processes end when they hear it. What they had told by then is handled."""
        self._stop.set()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waker:
            waker.connect(str(self._address))  # `accept` is not ended by closing its socket
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            line.close()
        for thread in self._threads:
            thread.join()
        self._listening.close()
        self._address.unlink(missing_ok=True)

    def serving(self) -> int:
        """Return how many processes accept callers."""
        with self._lock:
            return sum(pid > 0 for pid in self._lines.values())

    def _accept(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            if self._stop.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._attend, args=(Line(connection),), name="receiver-desk")
            self._threads = [known for known in self._threads if known.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _tell(self) -> None:
        told = self._state()
        while not self._stop.wait(_TELL_EVERY_S):
            state = self._state()
            if state == told:
                continue
            told = state
            with self._lock:
                lines = list(self._lines)
            for line in lines:
                self._say(line, told)

    def _state(self) -> Accepting:
        return Accepting(accepting=self._assembler.accepting(), full_peers=self._shares.full())

    def _attend(self, line: Line) -> None:
        with self._lock:
            self._lines[line] = 0
        state = self._state()
        begin = Begin(
            settings=self._settings,
            spool=self._spool,
            accepting=state.accepting,
            full_peers=state.full_peers,
            reporters=self._reports.reporters,
        )
        self._say(line, begin)
        inside: set[str] = set()
        try:
            for message in line.received():
                self._heard(line, message, inside)
        finally:
            with self._lock:
                pid = self._lines.pop(line)
            line.close()
            for association in inside:
                self._over(association)
            # Between naming an instance and telling of it there is an instruction at which a process may die.
            self._assembler.adopt(pid)
            self._look_for_commitments()
            _log.info("receiving process is gone", pid=pid, associations=len(inside))

    def _heard(self, line: Line, message: Message, inside: set[str]) -> None:
        match message:
            case Stored(instance=instance, association=association):
                self._shares.stored(instance)
                self._assembler.instance_stored(instance, association)
            case Asking():
                self._answer(line, message, inside)
            case Ended(association=association):
                inside.discard(association)
                self._over(association)
            case Refused(caller=caller):
                self._witness(caller)
            case Listed():
                self._assembler.listed(message.study_instance_uid, message.sop_instance_uids, message.source)
            case CommitmentAsked(name=name, association=association):
                self._commitments.commitment_asked(name, association)
            case CommitmentLeft(name=name):
                self._commitments.commitment_left(name)
            case Reported(number=number, report=report, peer=peer):
                self._reports.take(report, peer, partial(self._answer_report, line, number))
            case Serving(pid=pid):
                with self._lock:
                    self._lines[line] = pid
            case _:
                _log.error("message not understood", kind=message.kind)

    def _answer(self, line: Line, question: Asking, inside: set[str]) -> None:
        verdict = self._doorkeeper.admit(question.caller, question.association)
        admission = verdict if isinstance(verdict, Admission) else None
        if admission is not None:
            inside.add(question.association)
        rejection = None if isinstance(verdict, Admission) else verdict.name
        self._say(line, Verdict(association=question.association, admission=admission, rejection=rejection))

    def _answer_report(self, line: Line, number: int, status: int) -> None:
        self._say(line, ReportAnswer(number=number, status=status))

    def _over(self, association: str) -> None:
        self._doorkeeper.leave(association)
        self._assembler.association_ended(association)
        self._commitments.association_ended(association)

    def _look_for_commitments(self) -> None:
        try:
            self._commitments.look_again()
        except OSError as error:
            _log.error(
                "spool not looked through", cause=str(error), remedy="is its disk there? It is at the next start"
            )

    def _say(self, line: Line, message: Accepting | Begin | ReportAnswer | Verdict) -> None:
        try:
            line.send(message)
        except OSError:
            _log.debug("receiving process does not hear", kind=message.kind)  # its thread finds that it is gone
