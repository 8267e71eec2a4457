"""Requests and reports of one association, by a clock of the test's own."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom.filereader import read_dataset

from dicom_node.archives.commitment import report_of
from dicom_node.commitments.commitment_requests import CommitmentRequests
from dicom_node.commitments.commitment_service import CommitmentService
from dicom_node.messages.services import ServiceRefused
from dicom_node.spooling.spool import Spool
from dicom_node.testing import ManualClock
from tests.unit.dicom_node.instances import CT, SOP, encode, incoming
from tests.unit.dicom_node.messages.test_commitment_messages import IMPLICIT, asked, information


class House:
    """A service, and what it tells."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.told: list[tuple[str, ...]] = []
        self.spool = Spool(folder)
        self.spool.store(*incoming())
        self.requests = CommitmentRequests(folder)
        self.service = CommitmentService(
            spool=self.spool, desk=self, peer="CT1", association="a-1", answer_within_s=30.0, clock=self.clock
        )

    def commitment_asked(self, name: str, association: str) -> None:
        """Keep it; by then the request is on the disk."""
        assert self.requests.load(name) is not None
        self.told.append(("asked", name, association))

    def commitment_left(self, name: str) -> None:
        """Keep it."""
        self.told.append(("left", name))

    def ask(self, transaction: str = "1.2.3") -> str:
        """Ask for the one instance that is there; return the request's name."""
        self.service.asked(asked(information((CT, SOP), transaction=transaction)))
        return self.told[-1][1]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """One with an instance."""
    return House(tmp_path)


def test_a_report_waits_a_second_and_ends_with_its_answer(house: House) -> None:
    """Kept and told of before the answer; reported when the peer has not left by then; closed when it was taken."""
    name = house.ask()
    assert house.told == [("asked", name, "a-1")]
    house.clock.advance(0.9)
    assert not house.service.ready
    house.clock.advance(0.2)
    assert house.service.ready
    report = house.service.due()
    assert report is not None
    found = read_dataset(BytesIO(report.dataset), is_implicit_VR=False, is_little_endian=True)
    assert report_of(report.event_type_id, found).committed == {SOP}
    assert not house.service.ready
    assert not house.service.answered(report.message_id + 1, 0)
    assert house.requests.names() == {name}
    assert house.service.answered(report.message_id, 0)
    assert not house.service.answered(report.message_id, 0)
    assert house.requests.names() == frozenset()
    assert len(house.told) == 1


def test_the_same_asked_again_and_again_is_one_report(house: House) -> None:
    """A peer that asks a thousand times a second makes nothing grow."""
    for _ in range(3):
        house.ask()
    house.clock.advance(2)
    report = house.service.due()
    assert report is not None
    assert house.service.answered(report.message_id, 0)
    assert not house.service.ready


def test_one_report_at_a_time_each_with_its_own_message_id(house: House) -> None:
    """No asynchronous operations: the second waits for the answer to the first."""
    house.ask("1.2.3")
    house.ask("1.2.4")
    house.clock.advance(2)
    first = house.service.due()
    assert first is not None
    assert not house.service.ready
    house.service.answered(first.message_id, 0)
    second = house.service.due()
    assert second is not None
    assert second.message_id != first.message_id
    assert len(house.requests.names()) == 1


def test_a_report_that_is_not_taken_is_left_to_others(house: House) -> None:
    """Refused, or never answered."""
    names = [house.ask("1.2.3"), house.ask("1.2.4")]
    house.clock.advance(2)
    report = house.service.due()
    assert report is not None
    assert house.service.answered(report.message_id, 0x0110)
    assert house.service.due() is not None
    house.clock.advance(29)
    assert not house.service.ready
    house.clock.advance(2)
    assert house.service.ready
    assert house.service.due() is None
    assert [told for told in house.told if told[0] == "left"] == [("left", name) for name in names]
    assert house.requests.names() == set(names)


def test_a_report_that_cannot_be_made_is_left_to_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool that cannot be looked through; the association goes on."""
    name = house.ask()
    house.clock.advance(2)

    def fail(_spool: Spool, _request: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("dicom_node.commitments.commitment_service.commit", fail)
    assert house.service.due() is None
    assert house.told[-1] == ("left", name)


def test_what_was_reported_elsewhere_is_not_reported_again(house: House) -> None:
    """The same transaction, asked once more while it was open."""
    name = house.ask()
    house.ask()
    house.requests.remove(name)
    house.clock.advance(2)
    assert (house.service.due(), house.service.due()) == (None, None)


def test_a_wrong_request_leaves_nothing(house: House) -> None:
    """Nothing kept, nothing told."""
    with pytest.raises(ServiceRefused):
        house.service.asked(asked(information((CT, SOP)), action_type_id=7))
    assert (house.told, house.requests.names(), house.service.ready) == ([], frozenset(), False)


def test_a_report_is_encoded_as_its_context_says(house: House) -> None:
    """Implicit where the request came so."""
    content = information((CT, SOP))
    data = memoryview(encode(content, implicit=True))
    house.service.asked(asked(content, encoding=IMPLICIT, context_id=9, dataset=data))
    house.clock.advance(2)
    report = house.service.due()
    assert report is not None
    assert report.context_id == 9
    found = read_dataset(BytesIO(report.dataset), is_implicit_VR=True, is_little_endian=True)
    assert found.TransactionUID == "1.2.3"
