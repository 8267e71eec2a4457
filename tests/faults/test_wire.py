"""Rows 1 to 8 of the faults that the wire brings, against a real `wetread node` process."""

import select
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.a_node import ANode
from tests.faults.wire_bytes import (
    ABORT,
    CLOSED,
    COMMAND,
    DATA,
    LAST,
    RawPeer,
    associate_rq,
    pdu,
    pdv,
    store_rq,
)
from tests.faults.wire_node import ACSE_S, LONGEST_PDU, NETWORK_S, SLACK_S, raw, unharmed, wire_node
from tests.unit.dicom_node.instances import dataset, encode
from worker.jobs.job import JobState


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[ANode]:
    """One node for all of these tests: each leaves it as it was."""
    with wire_node(tmp_path_factory.mktemp("wire"), free_port()) as node:
        yield node
        assert "Traceback" not in node.log()


@pytest.fixture
def node(process: ANode, wait_for: Callable[..., None]) -> Iterator[ANode]:
    """The node; after the test it lives, answers, and has the connections that it had."""
    with unharmed(process, wait_for):
        yield process


def instance(uid: str) -> bytes:
    """Return a dataset of some length."""
    return encode(dataset(SOPInstanceUID=uid, StudyInstanceUID="1.2.3.9")) + bytes(40_000)


def half_a_message(uid: str) -> bytes:
    """Return a C-STORE request and the first fragment of its dataset."""
    command = pdv(store_rq(sop_instance=uid), control=COMMAND | LAST)
    return pdu(DATA, command) + pdu(DATA, pdv(instance(uid)[:8000]))


def test_row_01_silence_after_the_connect_is_closed_at_the_acse_timeout(node: ANode) -> None:
    """Thirty silent strangers are closed, and while they are there others are answered at once."""
    began = time.monotonic()
    strangers = [raw(node) for _ in range(30)]
    assert node.answers()
    assert time.monotonic() - began < ACSE_S + SLACK_S
    assert [stranger.end() for stranger in strangers] == [CLOSED] * 30
    assert time.monotonic() - began < ACSE_S + SLACK_S
    for stranger in strangers:
        stranger.socket.close()


@pytest.mark.parametrize("sent", ["two bytes", "half", "a byte at a time"])
def test_row_03_a_stall_in_the_middle_of_an_a_associate_rq_is_closed_at_a_deadline(node: ANode, sent: str) -> None:
    """The deadline is for the whole request: bytes that trickle do not move it."""
    whole = associate_rq()
    began = time.monotonic()
    with raw(node) as peer:
        if sent == "a byte at a time":
            assert trickle(peer, whole) < len(whole)
        else:
            peer.send(whole[:2] if sent == "two bytes" else whole[: len(whole) // 2])
        assert peer.end() in (ABORT, CLOSED)
    assert time.monotonic() - began < ACSE_S + SLACK_S


@pytest.mark.parametrize("sent", ["a header", "half", "a byte at a time", "nothing of the next"])
def test_row_04_a_stall_in_the_middle_of_a_p_data_tf_is_closed_at_a_deadline(
    node: ANode, sent: str, wait_for: Callable[..., None]
) -> None:
    """In a PDU, or between two of one dataset: the sender is told, and no partial instance stays."""
    before = node.files()
    began = time.monotonic()
    rest = pdu(DATA, pdv(bytes(6000)))
    with raw(node).associate() as peer:
        peer.send(half_a_message("1.2.4.1"))
        wait_for(lambda: node.files() != before, what="the dataset is being written")
        if sent == "a byte at a time":
            assert trickle(peer, rest) < len(rest)
        elif sent != "nothing of the next":
            peer.send(rest[:6] if sent == "a header" else rest[:3000])
        assert peer.end() == ABORT
    assert time.monotonic() - began < NETWORK_S + SLACK_S
    wait_for(lambda: node.files() == before, what="the partial instance is gone")


@pytest.mark.parametrize("how", ["A-ABORT", "RST", "FIN"])
def test_row_05_an_end_in_the_middle_of_a_dataset_leaves_what_was_answered(
    node: ANode, how: str, wait_for: Callable[..., None]
) -> None:
    """The partial instance is removed and makes no job; the one before it stays, and its study completes with it."""
    study, before = f"1.2.5.{sum(how.encode())}", node.files()
    first = encode(dataset(SOPInstanceUID=f"{study}.1", StudyInstanceUID=study))
    peer = raw(node).associate()
    peer.store(first, sop_instance=f"{study}.1")
    assert peer.status() == 0
    peer.send(half_a_message(f"{study}.2"))
    wait_for(lambda: any(file.suffix == ".part" for file in node.files()), what="the dataset is being written")
    if how == "A-ABORT":
        peer.send(pdu(ABORT, bytes(4)))
    if how == "RST":
        peer.reset()
    peer.socket.close()
    wait_for(lambda: len(node.files()) == len(before) + 1, what="only what was answered stays")
    wait_for(lambda: node.completions(study) == [1], what="the study is complete, with one instance")
    assert {job.state for job in node.jobs()} == {JobState.SKIPPED}


def test_row_07_p_data_longer_than_the_advertised_maximum_is_aborted(
    node: ANode, wait_for: Callable[..., None]
) -> None:
    """One byte more than we take (PS3.8 D.1) ends the association; as many as we take do not."""
    before, content = node.files(), encode(dataset(SOPInstanceUID="1.2.7.1"))
    fitting = pdv(bytes(LONGEST_PDU - 6))
    with raw(node).associate() as peer:
        peer.send(pdu(DATA, pdv(store_rq(sop_instance="1.2.7.1"), control=COMMAND | LAST)) + pdu(DATA, pdv(content)))
        peer.send(pdu(DATA, fitting))
        peer.send(pdu(DATA, pdv(bytes(LONGEST_PDU - 5))))
        assert peer.end() == ABORT
    wait_for(lambda: node.files() == before, what="the partial instance is gone")


@pytest.mark.parametrize("length", [0, 1])
@pytest.mark.parametrize("where", ["first", "in a dataset"])
def test_row_08_a_pdv_of_length_0_or_1_is_aborted(
    node: ANode, length: int, where: str, wait_for: Callable[..., None]
) -> None:
    """A presentation data value has at least its context id and its control header."""
    before = node.files()
    with raw(node).associate() as peer:
        if where == "in a dataset":
            peer.send(half_a_message("1.2.8.1"))
        peer.send(pdu(DATA, pdv(b"", length=length)))
        assert peer.end() == ABORT
    wait_for(lambda: node.files() == before, what="the partial instance is gone")


def test_row_08_several_pdvs_in_one_pdu_and_interleaved_fragments_are_legal(node: ANode) -> None:
    """A whole message in one PDU; a command in three fragments with the dataset's between them; two in one PDU."""
    data = {uid: encode(dataset(SOPInstanceUID=uid, StudyInstanceUID="1.2.8.9")) for uid in ("1.2.8.2", "1.2.8.3")}
    commands = {uid: store_rq(sop_instance=uid) for uid in data}
    with raw(node).associate() as peer:
        one = [pdv(commands["1.2.8.2"], control=COMMAND | LAST), pdv(data["1.2.8.2"], control=LAST)]
        peer.send(pdu(DATA, b"".join(one)))
        assert peer.status() == 0
        command, content = commands["1.2.8.3"], data["1.2.8.3"]
        peer.send(pdu(DATA, pdv(command[:10], control=COMMAND) + pdv(content[:20])))
        peer.send(pdu(DATA, pdv(command[10:40], control=COMMAND)))
        peer.send(pdu(DATA, pdv(content[20:50]) + pdv(command[40:], control=COMMAND | LAST)))
        peer.send(pdu(DATA, pdv(content[50:], control=LAST)))
        assert peer.status() == 0
        # An odd number of bytes: fragments of a dataset need not be even.
        peer.send(pdu(DATA, pdv(command, control=COMMAND | LAST) + pdv(content[:33]) + pdv(content[33:], control=LAST)))
        assert peer.status() == 0
    kept = [file.read_bytes() for file in node.files()]
    assert all(sum(one.endswith(content) for one in kept) == 1 for content in data.values())


def trickle(peer: RawPeer, data: bytes) -> int:
    """Send a byte every now and then until the other side has enough; return how many it took."""
    for number in range(len(data)):
        readable, _, _ = select.select([peer.socket], [], [], 0.1)
        if readable:
            return number
        peer.send(data[number : number + 1])
    return len(data)
