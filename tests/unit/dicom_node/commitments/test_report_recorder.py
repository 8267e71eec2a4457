"""Reports of storage commitment on their way to the ledger: one after the other, and each is answered."""

import queue
import re
import threading
from collections.abc import Callable

import structlog.testing

from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.commitments.report_recorder import ReportRecorder

WAIT_S = 60.0


def report(transaction_uid: str) -> CommitmentReport:
    """Return one."""
    return CommitmentReport(transaction_uid=transaction_uid, event_type=1, committed=frozenset(), failed={})


def test_each_report_is_answered_with_what_became_of_it() -> None:
    """In their order; one over which the recording trips is answered with 0110, and the next is recorded."""

    def record(taken: CommitmentReport, peer: str) -> int:
        if taken.transaction_uid == "1.2":
            raise ValueError("a bug")
        return {"PACS": 0, "OTHER": 0x0115}[peer]

    recorder = ReportRecorder(record, frozenset(("PACS",)))
    recorder.start()
    answers: queue.Queue[int] = queue.Queue()
    with structlog.testing.capture_logs() as logs:
        for transaction, peer in (("1.1", "PACS"), ("1.2", "PACS"), ("1.3", "OTHER")):
            recorder.take(report(transaction), peer, answers.put)
        assert [answers.get(timeout=WAIT_S) for _ in range(3)] == [0, 0x0110, 0x0115]
    recorder.stop()
    (told,) = logs
    assert re.fullmatch(r"ValueError at test_report_recorder\.py:\d+", told["cause"])


def test_nobody_waits_in_a_crowd(wait_for: Callable[..., None]) -> None:
    """With sixteen that wait the next is told at once to come again; who stops leaves those that wait unanswered."""
    begun, go_on = threading.Event(), threading.Event()
    recorded: list[str] = []

    def record(taken: CommitmentReport, _peer: str) -> int:
        begun.set()
        assert go_on.wait(WAIT_S)
        recorded.append(taken.transaction_uid)
        return 0

    recorder = ReportRecorder(record, frozenset())
    recorder.start()
    answers: list[int] = []
    recorder.take(report("1.0"), "PACS", answers.append)
    assert begun.wait(WAIT_S)
    for number in range(1, 18):
        recorder.take(report(f"1.{number}"), "PACS", answers.append)
    assert answers == [0x0110]
    stopping = threading.Thread(target=recorder.stop)
    stopping.start()
    wait_for(lambda: recorder.stopping, what="it is told to stop")
    go_on.set()
    stopping.join(WAIT_S)
    assert (recorded, answers) == (["1.0"], [0x0110, 0])
