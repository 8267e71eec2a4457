"""Records archives' reports of storage commitment one after the other, in a thread of its own.

What is slow to record, because others hold the ledger, keeps nobody waiting at the node's door but who reports.
"""

import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

import structlog

from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.error_place import defect_of
from dicom_node.messages.services import Status

_log = structlog.get_logger()

#: More that wait are told to come again: each may have some megabytes, and its archive does not wait for long.
_MOST_WAITING = 16

#: Records what a peer, by its AE title, reports; returns the status to answer.
Record = Callable[[CommitmentReport, str], int]
#: Answers with a status; called once, from any thread.
AnswerReport = Callable[[int], None]


class _Taken(NamedTuple):
    report: CommitmentReport
    peer: str
    answer: AnswerReport


class ReportRecorder:
    """A queue and its thread."""

    def __init__(self, record: Record, reporters: frozenset[str]) -> None:
        """Take who records, and under which AE titles archives may report."""
        self.reporters = reporters
        self._record = record
        self._waiting: queue.Queue[_Taken | None] = queue.Queue(_MOST_WAITING)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commitment-reports", daemon=True)

    def start(self) -> None:
        """Record from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the one that is being recorded; the others get no answer, and their archives report again."""
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join()

    @property
    def stopping(self) -> bool:
        """Whether nothing more is recorded."""
        return self._stopping.is_set()

    def take(self, report: CommitmentReport, peer: str, answer: AnswerReport) -> None:
        """Record a report when it is its turn, then answer. Does not wait."""
        try:
            self._waiting.put_nowait(_Taken(report, peer, answer))
        except queue.Full:
            _log.warning("commitment report not taken", peer=peer, cause="too many wait to be recorded")
            answer(Status.PROCESSING_FAILURE.code)

    def _run(self) -> None:
        while (taken := self._waiting.get()) is not None:
            if not self.stopping:
                taken.answer(self._status(taken))

    def _status(self, taken: _Taken) -> int:
        try:
            return self._record(taken.report, taken.peer)
        except Exception as error:  # noqa: BLE001 - the thread goes on: the archive is told, and reports again
            _log.error("commitment report not recorded", peer=taken.peer, cause=defect_of(error))
            return Status.PROCESSING_FAILURE.code
