"""A receiving process's questions and reports reach the one assembler and the one doorkeeper, over a real socket."""

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.admitting.association import Admission, Caller, Rejection
from dicom_node.admitting.doorkeeper import Doorkeeper
from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.commitments.report_recorder import ReportRecorder
from dicom_node.errors import NobodyHears
from dicom_node.processes.receiver_desk import ReceiverDesk
from dicom_node.processes.receiver_link import ReceiverLink
from dicom_node.settings import NodeSettings
from dicom_node.spooling.shares import Shares
from dicom_node.spooling.spool import Spool
from dicom_node.study import StoredInstance
from dicom_node.turned_away import Stage, TurnedAway
from tests.unit.dicom_node.instances import incoming

REPORT = CommitmentReport(
    transaction_uid="1.2.3", event_type=2, committed=frozenset({"1.2.8", "1.2.9"}), failed={"1.2.7": 0x0112}
)
CALLER = Caller(calling_ae_title="CT1", called_ae_title="WETREAD", address="127.0.0.1")


class Hearing:
    """An assembler that keeps what it hears."""

    def __init__(self) -> None:
        self.taking = True
        self.stored: list[tuple[StoredInstance, str]] = []
        self.ended: list[str] = []
        self.gone: list[int] = []
        self.lists: list[tuple[str, frozenset[str], str]] = []

    def accepting(self) -> bool:
        """Say what the test says."""
        return self.taking

    def full_peers(self) -> frozenset[str]:
        """Nobody is full here."""
        return frozenset()

    def instance_stored(self, instance: StoredInstance, association: str) -> None:
        """Keep it."""
        self.stored.append((instance, association))

    def association_ended(self, association: str) -> None:
        """Keep it."""
        self.ended.append(association)

    def listed(self, study_instance_uid: str, sop_instance_uids: frozenset[str], source: str) -> None:
        """Keep it."""
        self.lists.append((study_instance_uid, sop_instance_uids, source))

    def adopt(self, pid: int) -> None:
        """Keep it."""
        self.gone.append(pid)


class Reporting:
    """Who reports storage commitment; keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []

    def commitment_asked(self, name: str, association: str) -> None:
        """Keep it."""
        self.heard.append(("asked", name, association))

    def commitment_left(self, name: str) -> None:
        """Keep it."""
        self.heard.append(("left", name))

    def association_ended(self, association: str) -> None:
        """Keep it."""
        self.heard.append(("ended", association))

    def look_again(self) -> None:
        """Keep it."""
        self.heard.append(("again",))


class House:
    """A desk and what stands behind it."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.address = folder / "receivers"
        self.settings = NodeSettings.model_validate(settings)
        self.assembler = Hearing()
        self.doorkeeper = Doorkeeper(self.settings)
        self.shares = Shares(self.settings, Spool(folder / "spool"))
        self.turned_away: list[TurnedAway] = []
        self.commitments = Reporting()
        self.recorded: list[tuple[CommitmentReport, str]] = []
        self.may_record = threading.Event()
        self.recorder = ReportRecorder(self._record, frozenset({"PACS"}))
        self.recorder.start()
        self.desk = ReceiverDesk(
            self.address,
            settings=self.settings,
            spool=folder / "spool",
            assembler=self.assembler,
            doorkeeper=self.doorkeeper,
            shares=self.shares,
            witness=self.turned_away.append,
            commitments=self.commitments,
            reports=self.recorder,
        )
        self.desk.start()
        self.gone = False

    def link(self) -> ReceiverLink:
        """Call as a receiving process does."""
        return ReceiverLink(self.address, on_gone=self._hang_up)

    def close(self) -> None:
        """Stop the desk, then what is behind it."""
        self.desk.stop()
        self.may_record.set()
        self.recorder.stop()

    def _record(self, report: CommitmentReport, peer: str) -> int:
        assert self.may_record.wait(60)
        self.recorded.append((report, peer))
        return 0x0115

    def _hang_up(self) -> None:
        self.gone = True


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """One that admits two associations."""
    made = House(tmp_path, max_associations=2)
    yield made
    made.close()


def test_a_process_is_told_what_to_do_first(house: House, tmp_path: Path) -> None:
    """Settings and spool come over the line; only who may read the socket can ask for them."""
    link = house.link()
    assert (link.begin.settings, link.begin.spool, link.accepting()) == (house.settings, tmp_path / "spool", True)
    assert house.address.stat().st_mode & 0o077 == 0
    link.close()


def test_what_is_stored_arrives_as_it_was(house: House, tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """The record of an instance is the same on the other side, whatever its sender called itself."""
    stored = Spool(tmp_path / "spool").store(*incoming(calling_ae_title='A"\\n{é'))
    link = house.link()
    link.instance_stored(stored, "association-1-1")
    link.association_ended("association-1-1")
    wait_for(lambda: house.assembler.ended, what="the end of the association")
    assert house.assembler.stored == [(stored, "association-1-1")]
    link.close()


def test_what_is_stored_is_told_though_nothing_follows(
    house: House, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """It is put off for a moment only, and not beyond the end of its process."""
    stored = Spool(tmp_path / "spool").store(*incoming())
    link = house.link()
    link.instance_stored(stored, "association-1-1")
    wait_for(lambda: house.assembler.stored, what="the instance")
    link.instance_stored(stored, "association-1-2")
    link.close()
    wait_for(lambda: len(house.assembler.stored) == 2, what="what was told last")


def test_who_is_turned_away_is_told(house: House, wait_for: Callable[..., None]) -> None:
    """The witness of the first process hears of callers of all processes, as they are."""
    link = house.link()
    caller = TurnedAway(
        stage=Stage.ASSOCIATION, address="::1", found="why", remedy="none", calling_ae_title='A"\n', answer=(1, 1, 3)
    )
    link.turned_away(caller)
    wait_for(lambda: house.turned_away, what="the caller")
    assert house.turned_away == [caller]
    link.close()


def test_lists_and_requests_for_commitment_arrive(house: House, wait_for: Callable[..., None]) -> None:
    """In their order; a process that is gone leaves its associations, and what it told nobody of is looked for."""
    link = house.link()
    assert link.admit(CALLER, "association-1-1") == Admission()
    link.listed("1.2.3", frozenset(("1.2.3.1", "1.2.3.2")), "MPPS")
    link.commitment_asked("ab", "association-1-1")
    link.commitment_asked("cd", "association-1-1")
    link.commitment_left("cd")
    link.close()
    wait_for(lambda: ("again",) in house.commitments.heard, what="the end of the process")
    assert house.assembler.lists == [("1.2.3", frozenset(("1.2.3.1", "1.2.3.2")), "MPPS")]
    assert house.commitments.heard == [
        ("asked", "ab", "association-1-1"),
        ("asked", "cd", "association-1-1"),
        ("left", "cd"),
        ("ended", "association-1-1"),
        ("again",),
    ]


def test_a_report_is_answered_when_it_is_recorded(house: House) -> None:
    """As it was, with the status that it got; meanwhile others come in over the same line."""
    link = house.link()
    assert link.reporters == {"PACS"}
    answers: list[int] = []
    reporting = threading.Thread(target=lambda: answers.append(link.commitment_reported(REPORT, "PACS")))
    reporting.start()
    assert link.admit(CALLER, "association-1-1") == Admission()
    assert not answers
    house.may_record.set()
    reporting.join(60)
    assert (answers, house.recorded) == ([0x0115], [(REPORT, "PACS")])
    link.close()


def test_a_report_that_is_not_recorded_in_time_comes_again(tmp_path: Path) -> None:
    """Its archive hears 0110 while it still waits; what comes later is nobody's answer."""
    house = House(tmp_path, dimse_timeout_s=0.2)
    link = house.link()
    assert link.commitment_reported(REPORT, "PACS") == 0x0110
    house.may_record.set()
    assert link.commitment_reported(REPORT, "PACS") in (0x0110, 0x0115)
    link.close()
    house.close()


def test_the_limit_counts_over_all_processes(house: House) -> None:
    """Two processes have one place each; the third caller is rejected at either, until one is over."""
    first, second = house.link(), house.link()
    assert first.admit(CALLER, "association-1-1") == Admission()
    assert second.admit(CALLER, "association-2-1") == Admission()
    for link, name in ((first, "association-1-2"), (second, "association-2-2")):
        assert link.admit(CALLER, name) is Rejection.LOCAL_LIMIT_EXCEEDED
    assert second.admit(replace(CALLER, called_ae_title="OTHER"), "x") is Rejection.CALLED_AE_TITLE_NOT_RECOGNISED
    first.association_ended("association-1-1")
    assert first.admit(CALLER, "association-1-3") == Admission()
    first.close()
    second.close()


def test_a_process_that_dies_gives_its_places_back(house: House, wait_for: Callable[..., None]) -> None:
    """Its associations are over, what it left in the spool is looked for, and others come in."""
    dying, living = house.link(), house.link()
    dying.serving(4711)
    wait_for(lambda: house.desk.serving() == 1, what="the process serves")
    for number in (1, 2):
        assert dying.admit(CALLER, f"association-1-{number}") == Admission()
    dying.close()
    wait_for(lambda: house.assembler.gone, what="the process is missed")
    assert house.assembler.gone == [4711]
    assert sorted(house.assembler.ended) == ["association-1-1", "association-1-2"]
    assert house.desk.serving() == 0
    assert living.admit(CALLER, "association-2-1") == Admission()
    living.close()


def test_half_a_report_is_none(house: House, wait_for: Callable[..., None]) -> None:
    """A process that dies within a message has not said it, and takes nobody with it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dying:
        dying.connect(str(house.address))
        dying.sendall(b'{"kind":"ended","associ')
        dying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: house.assembler.gone, what="the process is missed")
    assert not house.assembler.ended
    link = house.link()
    assert link.admit(CALLER, "association-2-1") == Admission()
    link.close()


def test_a_full_backlog_is_known_everywhere(house: House, wait_for: Callable[..., None]) -> None:
    """Every process stops taking instances, and takes them again."""
    links = [house.link(), house.link()]
    house.assembler.taking = False
    wait_for(lambda: not any(link.accepting() for link in links), what="no process takes instances")
    house.assembler.taking = True
    wait_for(lambda: all(link.accepting() for link in links), what="both take instances")
    for link in links:
        link.close()


def test_a_process_hears_when_it_is_left_alone(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """It is to end then; who asks, stores or wants commitment meanwhile is told to try again."""
    house = House(tmp_path)
    link = house.link()
    house.desk.stop()
    wait_for(lambda: house.gone, what="the process hears it")
    stored = Spool(tmp_path / "spool").store(*incoming())
    for tell in (
        link.accepting,
        lambda: link.instance_stored(stored, "association-1-1"),
        lambda: link.commitment_asked("a" * 64, "association-1-1"),
    ):
        with pytest.raises(NobodyHears):
            tell()
    assert not house.assembler.stored
    assert link.admit(CALLER, "association-1-2") is Rejection.LOCAL_LIMIT_EXCEEDED
    assert link.commitment_reported(REPORT, "PACS") == 0x0110
    link.close()


def test_nobody_to_tell_is_an_error(tmp_path: Path) -> None:
    """A receiving process without a desk does not receive."""
    with pytest.raises(OSError, match=os.strerror(2)):
        ReceiverLink(tmp_path / "nobody", on_gone=lambda: None)
