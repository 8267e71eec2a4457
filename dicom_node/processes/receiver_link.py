"""A receiving process's end of the line: what its node asks and tells goes to the process with the assembler."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from dicom_node.admitting.association import Admission, Caller, Rejection
from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.errors import NobodyHears
from dicom_node.messages.services import Status
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
from dicom_node.study import StoredInstance
from dicom_node.turned_away import TurnedAway

_log = structlog.get_logger()

#: Longer than the other process should ever need; a caller that waits so long tries again.
_ANSWER_WITHIN_S = 10.0
#: Less than archives wait for the answer to a report; Orthanc's DicomScuTimeout is ten seconds.
_RECORDED_WITHIN_S = 8.0
#: What arrives within this time is told in one: else three threads of the other process wake up for each instance.
_TOGETHER_S = 0.01


class ReceiverLink:
    """Implements `Reception`, `Admitting`, `CommitmentDesk` and `ReportDesk` over the line; safe for many threads."""

    def __init__(self, address: Path, *, on_gone: Callable[[], None]) -> None:
        """Connect, and wait to be told what to do. Raises OSError. `on_gone` is called when the other side is gone."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(address))
        except OSError:
            connection.close()
            raise
        self._line = Line(connection)
        self._on_gone = on_gone
        self._gone = threading.Event()
        self._lock = threading.Lock()
        self._asked: dict[str, _Question] = {}
        self._reported: dict[int, _Reported] = {}
        self._numbers = itertools.count(1)
        self._messages = self._line.received()
        begin = next(self._messages, None)
        if not isinstance(begin, Begin):
            raise ConnectionError("the node's first process has nothing to do for this one")
        self.begin = begin
        self._accepting, self._full_peers = begin.accepting, begin.full_peers
        self._put_off = threading.Event()
        threading.Thread(target=self._listen, name="receiver-link", daemon=True).start()
        threading.Thread(target=self._flush, name="receiver-link-flush", daemon=True).start()

    def serving(self, pid: int) -> None:
        """Tell that callers are accepted now."""
        self._send(Serving(pid=pid))

    def close(self) -> None:
        """Say what was put off, and hang up."""
        with contextlib.suppress(OSError):  # then nobody hears it, and it is adopted from the spool
            self._line.flush()
        self._line.close()

    def accepting(self) -> bool:
        """Say whether instances may be taken, as it was last told. Raises NobodyHears."""
        self._require_hearer()
        return self._accepting

    def full_peers(self) -> frozenset[str]:
        """Return from whom nothing may be taken, as it was last told."""
        return self._full_peers

    def instance_stored(self, instance: StoredInstance, association: str) -> None:
        """Tell of an instance, soon. If this process dies before that, it is adopted from the spool.

        Raises NobodyHears: whoever follows may have looked through the spool before it was there.
        """
        self._line.put_off(Stored(instance=instance, association=association))
        self._put_off.set()
        self._require_hearer()

    def association_ended(self, association: str) -> None:
        """Tell that an association is over."""
        self._send(Ended(association=association))

    def turned_away(self, caller: TurnedAway) -> None:
        """Tell of a caller that was turned away; a `dicom_node.turned_away.Witness`."""
        self._send(Refused(caller=caller))

    def listed(self, study_instance_uid: str, sop_instance_uids: frozenset[str], source: str) -> None:
        """Tell what a study consists of."""
        self._send(Listed(study_instance_uid=study_instance_uid, sop_instance_uids=sop_instance_uids, source=source))

    def commitment_asked(self, name: str, association: str) -> None:
        """Tell of a request for storage commitment. If this process dies before that, it is found in the spool.

        Raises NobodyHears.
        """
        self._send(CommitmentAsked(name=name, association=association))
        self._require_hearer()

    def commitment_left(self, name: str) -> None:
        """Tell that somebody else must report on it."""
        self._send(CommitmentLeft(name=name))

    @property
    def reporters(self) -> frozenset[str]:
        """Under which AE titles archives may report storage commitment."""
        return self.begin.reporters

    def commitment_reported(self, report: CommitmentReport, peer: str) -> int:
        """Have a report recorded; return the status to answer. Who waits too long is to report again."""
        waiting = _Reported()
        number = next(self._numbers)
        with self._lock:
            self._reported[number] = waiting
        self._send(Reported(number=number, report=report, peer=peer))
        if not waiting.answered.wait(min(_RECORDED_WITHIN_S, self.begin.settings.dimse_timeout_s)):
            _log.warning("commitment report not recorded in time", peer=peer, remedy="nothing: it comes again")
        with self._lock:
            self._reported.pop(number, None)
        return waiting.status

    def admit(self, caller: Caller, association: str) -> Admission | Rejection:
        """Ask whether a caller may come in."""
        question = _Question()
        with self._lock:
            self._asked[association] = question
        self._send(Asking(caller=caller, association=association))
        if not question.answered.wait(_ANSWER_WITHIN_S):
            _log.error("no answer from the node's first process", within_s=_ANSWER_WITHIN_S)
        with self._lock:
            self._asked.pop(association, None)
        if question.verdict is None:
            # Should it be counted as admitted by now, it is over.
            self._send(Ended(association=association))
            return Rejection.LOCAL_LIMIT_EXCEEDED
        return question.verdict

    def leave(self, association: str) -> None:
        """Do nothing: that the association ended says it."""

    def _require_hearer(self) -> None:
        if self._gone.is_set():
            raise NobodyHears("the node's first process is gone; this one ends with the associations that it has")

    def _send(self, message: Message) -> None:
        try:
            self._line.send(message)
        except OSError:
            self._left_alone()

    def _flush(self) -> None:
        try:
            while self._put_off.wait():
                time.sleep(_TOGETHER_S)
                self._put_off.clear()
                self._line.flush()
        except OSError:
            self._left_alone()

    def _listen(self) -> None:
        for message in self._messages:
            match message:
                case Accepting(accepting=accepting, full_peers=full_peers):
                    self._accepting, self._full_peers = accepting, full_peers
                case Verdict():
                    self._answer(message)
                case ReportAnswer(number=number, status=status):
                    self._answer_report(number, status)
                case _:
                    _log.error("message not understood", kind=message.kind)
        self._left_alone()

    def _left_alone(self) -> None:
        self._gone.set()
        with self._lock:
            unanswered = [question.answered for question in self._asked.values()]
            unanswered += [waiting.answered for waiting in self._reported.values()]
        for answered in unanswered:
            answered.set()
        self._on_gone()

    def _answer(self, message: Verdict) -> None:
        with self._lock:
            question = self._asked.get(message.association)
        if question is not None:
            question.verdict = message.admission or Rejection[message.rejection or "LOCAL_LIMIT_EXCEEDED"]
            question.answered.set()

    def _answer_report(self, number: int, status: int) -> None:
        with self._lock:
            waiting = self._reported.get(number)
        if waiting is not None:
            waiting.status = status
            waiting.answered.set()


class _Question:
    def __init__(self) -> None:
        self.answered = threading.Event()
        self.verdict: Admission | Rejection | None = None


class _Reported:
    def __init__(self) -> None:
        self.answered = threading.Event()
        self.status = Status.PROCESSING_FAILURE.code
