"""Open requests for storage commitment: on the disk before the answer, gone after the report."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_node.commitments import commitment_requests
from dicom_node.commitments.commitment_requests import CommitmentRequests
from dicom_node.messages.commitment_messages import CommitmentRequest, Reference
from dicom_node.messages.services import ServiceRefused
from tests.unit.dicom_node.instances import CT

REQUEST = CommitmentRequest(
    peer="CT1",
    transaction_uid="1.2.3",
    references=(Reference(CT, "1.2.9"), Reference(CT, "1.2.8")),
    asked_at=datetime(2026, 1, 2, tzinfo=UTC),
)


def test_a_request_is_kept_until_it_is_removed(tmp_path: Path) -> None:
    """As it was, for any other process; the same again is the same."""
    requests = CommitmentRequests(tmp_path)
    assert requests.names() == frozenset()
    name = requests.keep(REQUEST)
    assert requests.keep(replace(REQUEST, asked_at=datetime(2026, 1, 3, tzinfo=UTC))) == name
    other = CommitmentRequests(tmp_path)
    assert other.names() == {name}
    assert other.load(name) == REQUEST
    other.remove(name)
    other.remove(name)
    assert (requests.names(), requests.load(name)) == (frozenset(), None)


def test_an_open_transaction_is_not_another_ones(tmp_path: Path) -> None:
    """Other references under its UID are a duplicate; another peer's transactions are its own."""
    requests = CommitmentRequests(tmp_path)
    requests.keep(REQUEST)
    second = requests.load(requests.keep(replace(REQUEST, references=REQUEST.references[:1])))
    foreign = requests.load(requests.keep(replace(REQUEST, peer="CT2")))
    assert (second and second.duplicate, foreign and foreign.duplicate) == (True, False)


def test_open_requests_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who never takes a report does not fill the disk; what is open already may be asked for again."""
    monkeypatch.setattr(commitment_requests, "_MOST_OPEN", 2)
    requests = CommitmentRequests(tmp_path)
    names = [requests.keep(replace(REQUEST, transaction_uid=f"1.2.{number}")) for number in range(2)]
    with pytest.raises(ServiceRefused, match="too many"):
        requests.keep(replace(REQUEST, transaction_uid="1.2.9"))
    assert requests.names() == set(names)
    assert requests.keep(replace(REQUEST, transaction_uid="1.2.1")) == names[1]


def test_a_peer_takes_no_open_requests_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes no reports is refused alone; a modality beside it that asks is not told to keep its images."""
    monkeypatch.setattr(commitment_requests, "_MOST_OPEN", 2)
    requests = CommitmentRequests(tmp_path)
    for number in range(2):
        requests.keep(replace(REQUEST, transaction_uid=f"1.2.{number}"))
    name = requests.keep(replace(REQUEST, peer="CT2"))
    assert requests.load(name) == replace(REQUEST, peer="CT2")


def test_what_is_no_request_is_none(tmp_path: Path) -> None:
    """A file that a disk has damaged."""
    requests = CommitmentRequests(tmp_path)
    name = requests.keep(REQUEST)
    (tmp_path / "commitment" / "requests" / f"{name}.json").write_bytes(b"{}")
    assert requests.load(name) is None
