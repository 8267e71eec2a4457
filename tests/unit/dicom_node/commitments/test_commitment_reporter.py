"""Which reports the node's first process makes, and when; by a clock of the test's own, and peers that are away."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from dicom_node.archives import commitment
from dicom_node.archives.commitment import CommitmentListener
from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.commitments import commitment_call, commitment_reporter, promising
from dicom_node.commitments.commitment_call import _shut
from dicom_node.commitments.commitment_reporter import CommitmentReporter
from dicom_node.commitments.commitment_requests import CommitmentRequests
from dicom_node.messages.commitment_messages import CommitmentRequest, Reference, Verdict
from dicom_node.settings import NodeSettings
from dicom_node.spooling.spool import Spool
from dicom_node.testing import ManualClock
from tests.commitment_reports import taking
from tests.unit.dicom_node.instances import CT, SOP, incoming


def settings(port: int, *titles: str) -> NodeSettings:
    """Return those of a node that reports to these AE titles, all at one port."""
    to = {"host": "127.0.0.1", "port": port}
    entry = {"hosts": ["127.0.0.1"], "storage_commitment": True, "report_to": to}
    return NodeSettings.model_validate({"peers": [{"ae_title": title, **entry} for title in titles]})


class House:
    """A reporter that is stepped by hand."""

    def __init__(self, folder: Path, port: int, *titles: str) -> None:
        self.port = port
        self.clock = ManualClock()
        self.spool = Spool(folder)
        self.spool.store(*incoming())
        self.requests = CommitmentRequests(folder)
        self.reporter = CommitmentReporter(settings(port, *(titles or ("CT1",))), self.spool, self.clock)

    def keep(self, transaction: str, *, peer: str = "CT1", age: timedelta = timedelta()) -> str:
        """Keep a request, as a receiving process does."""
        return self.requests.keep(
            CommitmentRequest(
                peer=peer,
                transaction_uid=transaction,
                references=(Reference(CT, SOP),),
                asked_at=datetime.now(UTC) - age,
            )
        )

    def heard(self, steps: int = 1) -> Sequence[CommitmentReport]:
        """Step while somebody listens; return what it hears, in order of the transactions."""
        reports: list[CommitmentReport] = []
        listener = CommitmentListener("CT1", "127.0.0.1", self.port, taking(reports))
        try:
            for _ in range(steps):
                self.reporter.step()
        finally:
            listener.close()
        return sorted(reports, key=lambda report: report.transaction_uid)

    def attempts(self) -> int:
        """Step; return how many peers were called in vain."""
        with structlog.testing.capture_logs() as logs:
            self.reporter.step()
        return sum(entry["event"] == "storage commitment not reported" for entry in logs)


@pytest.fixture
def house(tmp_path: Path, free_port: Callable[[], int]) -> House:
    """One whose peer is away."""
    return House(tmp_path, free_port())


def test_what_was_left_is_reported_over_one_association(house: House) -> None:
    """Everything that is open at the start; then it is closed."""
    house.keep("1.2.3")
    house.keep("1.2.4")
    house.reporter.look_again()
    assert [(report.transaction_uid, report.committed) for report in house.heard()] == [
        ("1.2.3", {SOP}),
        ("1.2.4", {SOP}),
    ]
    assert house.requests.names() == frozenset()
    assert house.heard() == []


def test_a_long_line_of_reports_is_loaded_by_parts(
    house: House, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request may name 25,000 instances: what a peer was away for is never in memory as a whole."""
    monkeypatch.setattr(commitment_reporter, "_REQUESTS_AT_ONCE", 2)
    transactions = [f"1.2.{number}" for number in range(5)]
    for transaction in transactions:
        house.keep(transaction)
    house.reporter.look_again()
    assert [len(requests) for requests in house.reporter._due().values()] == [2]
    reports: list[CommitmentReport] = []
    listener = CommitmentListener("CT1", "127.0.0.1", house.port, taking(reports))
    house.reporter.start()
    try:
        wait_for(lambda: len(reports) == len(transactions), what="all reports")
        wait_for(lambda: not house.requests.names(), what="nothing open")
    finally:
        house.reporter.stop()
        listener.close()
    assert sorted(report.transaction_uid for report in reports) == transactions


def test_a_peer_that_is_away_is_called_once_for_all_that_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once a part: each call takes its time, and each is a warning."""
    monkeypatch.setattr(commitment_reporter, "_REQUESTS_AT_ONCE", 2)
    for number in range(5):
        house.keep(f"1.2.{number}")
    house.reporter.look_again()
    assert [house.attempts() for _ in range(3)] == [1, 0, 0]
    house.clock.advance(30)
    assert [house.attempts() for _ in range(3)] == [1, 0, 0]
    house.clock.advance(60)
    assert len(house.heard(3)) == 5


def test_a_peer_that_does_not_wait_while_its_instances_are_read_is_called_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of them: it ended the association each time before the report was made, and never heard it."""

    def slowly(spool: Spool, request: CommitmentRequest) -> Verdict:
        time.sleep(1.5)
        return promising.commit(spool, request)

    monkeypatch.setattr(commitment, "_TIMEOUT_S", 0.5)
    monkeypatch.setattr(commitment_call, "commit", slowly)
    house.keep("1.2.3")
    house.reporter.look_again()
    assert [report.committed for report in house.heard()] == [{SOP}]


def test_an_association_reports_on_its_own_requests_until_it_ends(house: House) -> None:
    """Another's end, and a look at the disk, change nothing."""
    name = house.keep("1.2.3")
    house.reporter.commitment_asked(name, "a-1")
    house.reporter.association_ended("a-2")
    house.reporter.look_again()
    assert house.heard() == []
    house.reporter.association_ended("a-1")
    assert len(house.heard()) == 1


def test_a_request_that_is_left_is_reported_though_the_association_goes_on(house: House) -> None:
    """Its report was refused there."""
    name = house.keep("1.2.3")
    house.reporter.commitment_asked(name, "a-1")
    house.reporter.commitment_left(name)
    assert len(house.heard()) == 1


def test_a_request_that_was_reported_elsewhere_is_forgotten(house: House) -> None:
    """Its file is gone by the time the association ends."""
    name = house.keep("1.2.3")
    house.reporter.commitment_asked(name, "a-1")
    house.requests.remove(name)
    house.reporter.association_ended("a-1")
    assert house.heard() == []


def test_a_peer_that_is_away_is_tried_again_and_later_each_time(house: House) -> None:
    """After 5 s, 10 s and so on; when it is back it hears everything."""
    house.keep("1.2.3")
    house.reporter.look_again()
    assert house.attempts() == 1
    for wait in (5, 10, 20):
        house.clock.advance(wait - 1)
        assert house.attempts() == 0
        house.clock.advance(1.5)
        assert house.attempts() == 1
    house.clock.advance(1000)
    assert len(house.heard()) == 1


def test_nobody_is_told_for_ever(house: House) -> None:
    """A week; or a peer that has lost its right is told for as long, should it come back."""
    house.keep("1.2.3", age=timedelta(days=8))
    kept = house.keep("1.2.4", peer="CT9")
    house.reporter.look_again()
    assert house.attempts() == 1
    assert house.requests.names() == {kept}


def test_a_defect_is_told_without_its_words(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """They could quote a dataset; those of the disk tell what to look at."""

    def failing(error: Exception) -> Callable[..., None]:
        def report_to(*_arguments: object) -> None:
            raise error

        return report_to

    house.keep("1.2.3")
    house.reporter.look_again()
    with structlog.testing.capture_logs() as logs:
        monkeypatch.setattr(house.reporter, "_report_to", failing(ValueError("CANARY^NAME")))
        house.reporter.step()
        house.clock.advance(3600)
        monkeypatch.setattr(house.reporter, "_report_to", failing(OSError(28, "No space left on device")))
        house.reporter.step()
    defect, disk = (entry for entry in logs if entry["event"] == "reports of storage commitment failed")
    assert (defect["kind"], defect["cause"]) == ("ValueError", "a defect of wetread; please report it")
    assert defect["place"].startswith("test_commitment_reporter.py:")
    assert "No space left" in disk["cause"]
    assert "CANARY" not in str(logs)


def test_each_start_warns_of_each_peer_that_believes_us(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """By its AE title, with a remedy."""
    house = House(tmp_path, free_port(), "CT1", "CT2")
    with structlog.testing.capture_logs() as logs:
        house.reporter.start()
        house.reporter.stop()
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [entry["peer"] for entry in warnings] == ["CT1", "CT2"]
    assert all("only copy" in entry["event"] and entry["remedy"] for entry in warnings)


def test_the_thread_reports_by_itself(house: House, wait_for: Callable[..., None]) -> None:
    """Woken by the end of an association."""
    name = house.keep("1.2.3")
    reports: list[CommitmentReport] = []
    listener = CommitmentListener("CT1", "127.0.0.1", house.port, taking(reports))
    reporter = CommitmentReporter(settings(house.port, "CT1"), house.spool)
    reporter.commitment_asked(name, "a-1")
    reporter.start()
    try:
        reporter.association_ended("a-1")
        wait_for(lambda: reports and not house.requests.names(), what="the report is taken")
    finally:
        reporter.stop()
        listener.close()
    assert reports[0].event_type == 1


@contextmanager
def silent(port: int) -> Iterator[None]:
    """A peer whose system takes connections, and which says nothing over them."""
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_a_silent_peer_keeps_nobody_waiting(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """Neither who is told after it, nor the stop; what it has not taken is kept for the next start."""
    house = House(tmp_path, free_port())
    mute, port = free_port(), house.port
    to = {"CT1": port, "CT2": mute}
    entry = {"hosts": ["127.0.0.1"], "storage_commitment": True}
    peers = [
        {"ae_title": title, **entry, "report_to": {"host": "127.0.0.1", "port": where}} for title, where in to.items()
    ]
    left = house.keep("1.2.1", peer="CT2")
    reports: list[CommitmentReport] = []
    with silent(mute):
        listener = CommitmentListener("CT1", "127.0.0.1", port, taking(reports))
        reporter = CommitmentReporter(NodeSettings.model_validate({"peers": peers}), house.spool)
        reporter.start()
        try:
            wait_for(lambda: "CT2" in reporter._open, what="the silent one is called")
            reporter.commitment_left(house.keep("1.2.2"))
            wait_for(lambda: reports, what="the other is told", deadline_s=5)
        finally:
            began = time.monotonic()
            reporter.stop()
            listener.close()
        # Far below `acse_timeout_s` (30 s), which a stop would wait for; a busy machine needs some of it.
        assert time.monotonic() - began < 15
    assert not reporter._calls
    assert house.requests.names() == {left}


@pytest.mark.parametrize("closed", [None, SimpleNamespace(socket=None)], ids=["forgotten", "closed"])
def test_a_connection_that_is_just_being_closed_is_not_shut(closed: object) -> None:
    """Its association's own thread takes the socket away at any moment; the node's end must not trip over that."""
    _shut(SimpleNamespace(dul=SimpleNamespace(socket=closed)))


def test_more_peers_than_are_told_at_once_wait_for_each_other(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is passed over is told when another call has ended."""
    monkeypatch.setattr("dicom_node.commitments.commitment_reporter._PEERS_AT_ONCE", 1)
    titles = ["CT1", "CT2", "CT3"]
    house = House(tmp_path, free_port(), *titles)
    for number, title in enumerate(titles):
        house.keep(f"1.2.{number}", peer=title)
    calls: list[str] = []

    def taken(_: CommitmentReporter, title: str, requests: object) -> tuple[str, ...]:
        del requests
        calls.append(title)
        return ()

    monkeypatch.setattr(CommitmentReporter, "_taken", taken)
    house.reporter.start()
    try:
        wait_for(lambda: sorted(calls) == titles, what="each has had its turn")
    finally:
        house.reporter.stop()
