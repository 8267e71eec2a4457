"""Asks the modality worklist how urgent complete studies are, beside everything else: no study waits for its answer.

What the worklist says raises a study's jobs in the ledger whenever it comes. It is asked once for each revision; what
it could not answer, or what waited for its question when this process ended, stays as urgent as it was.
"""

import threading
from collections import deque
from pathlib import Path
from typing import Protocol

import structlog

from dicom_node.error_place import place_of
from dicom_node.errors import NodeError
from dicom_node.study import AssembledStudy
from worker.errors import LedgerAway, UnknownStudy
from worker.instances.bounded_inflating import read_header
from worker.jobs.priority import raised_by_worklist
from worker.ledger.ledger import Ledger

_log = structlog.get_logger()

_ORDER = ["AccessionNumber", "PatientID"]
_LOOK_EVERY_S = 0.5


class AsksOrders(Protocol):
    """Who knows orders; `dicom_node.archives.worklist.Worklist` is one."""

    def priorities(self, accession_number: str, patient_id: str) -> list[str]:
        """Return the Requested Procedure Priorities (0040,1003) of an order. Raises NodeError."""


class OrderPriorities:
    """A thread's work: studies wait in a bounded line, each is asked about once."""

    def __init__(self, *, ledger: Ledger, spool: Path, worklist: AsksOrders, most_waiting: int) -> None:
        """Take the ledger, the spool's root, whom to ask, and how many studies may wait for their question."""
        self._ledger = ledger
        self._spool = spool
        self._worklist = worklist
        self._waiting: deque[tuple[str, str]] = deque(maxlen=most_waiting)
        self._some = threading.Event()

    def study_complete(self, study: AssembledStudy) -> None:
        """Let a study wait for its question; returns at once. Where the line is full, the oldest is not asked."""
        if len(self._waiting) == self._waiting.maxlen:
            _log.warning("worklist not asked", cause="too many studies wait for their question: does it answer?")
        self._waiting.append((study.study_instance_uid, study.series[0].files[0]))
        self._some.set()

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop."""
        while not stop.is_set():
            if not self._waiting:
                self._some.wait(_LOOK_EVERY_S)
                self._some.clear()
                continue
            self.ask_one()

    def ask_one(self) -> None:
        """Ask about the study that waits longest."""
        study_uid, file = self._waiting.popleft()
        try:
            priority = raised_by_worklist(self._worklist.priorities(*self._order_of(file)))
            if priority is not None:
                jobs = self._ledger.raise_priority(study_uid, priority, because="the worklist says so (0040,1003)")
                _log.info("priority raised", study=study_uid, priority=priority.name.lower(), jobs=jobs)
        except (NodeError, LedgerAway, UnknownStudy) as error:
            _log.warning("worklist not heard", study=study_uid, cause=str(error))
        except Exception as error:  # noqa: BLE001 - the outermost frame of a thread: one question ends, not all
            # Its words could quote a patient.
            _log.warning("order not known", study=study_uid, kind=type(error).__name__, place=place_of(error))

    def _order_of(self, file: str) -> tuple[str, str]:
        """Return Accession Number and Patient ID of a file."""
        found = read_header(self._spool / file, _ORDER)
        return str(found.get("AccessionNumber") or "").strip(), str(found.get("PatientID") or "").strip()
