"""Rows 6, 9 and 10 of the faults that the wire brings: what is no PDU, no message, or none that is served."""

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from dicom_node.contexts import VERIFICATION
from tests.faults.a_node import ANode
from tests.faults.wire_bytes import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RQ,
    CLOSED,
    COMMAND,
    DATA,
    EXPLICIT,
    LAST,
    RELEASE_RP,
    RELEASE_RQ,
    associate_rq,
    echo_rq,
    pdu,
    pdv,
    store_rq,
)
from tests.faults.wire_node import AT_ONCE_S, PATIENT_S, raw, unharmed, wire_node
from tests.fuzz.wire_grammar import FIXED, items_of
from tests.unit.dicom_node.instances import CT, dataset, encode

MR = "1.2.840.10008.5.1.4.1.1.4"
OTHER = "1.2.3.1.1.99"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[ANode]:
    """One node for all of these tests: each leaves it as it was."""
    folder = tmp_path_factory.mktemp("wire")
    with wire_node(folder, free_port(), acse_s=PATIENT_S, network_s=PATIENT_S) as node:
        yield node
        assert "Traceback" not in node.log()


@pytest.fixture
def node(process: ANode, wait_for: Callable[..., None]) -> Iterator[ANode]:
    """The node; after the test it lives, answers, and has the connections that it had."""
    with unharmed(process, wait_for):
        yield process


@pytest.mark.parametrize("when", ["before any association", "in an association"])
@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x40000000])
def test_row_06_a_pdu_that_claims_gibibytes_is_refused_before_it_is_read(node: ANode, when: str, length: int) -> None:
    """The abort comes at once, and no memory was taken for what was promised."""
    memory_kib = node.resident_kib()
    with raw(node) as peer:
        if when == "in an association":
            peer.associate()
        began = time.monotonic()
        peer.send(pdu(DATA if when == "in an association" else ASSOCIATE_RQ, bytes(100), length=length))
        assert peer.end() == ABORT
        assert time.monotonic() - began < AT_ONCE_S
    assert node.resident_kib() - memory_kib < 20_000


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: wetread\r\n\r\n", id="HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), id="TLS"),
        pytest.param(pdu(0x99, b"abcd"), id="an unknown type"),
        pytest.param(pdu(0x00), id="type 0"),
        pytest.param(pdu(DATA, pdv(b"abcd")), id="data before an association"),
        pytest.param(pdu(ASSOCIATE_AC, bytes(100)), id="an answer to no question"),
        pytest.param(pdu(RELEASE_RP, bytes(4)), id="a release of nothing"),
        pytest.param(pdu(ASSOCIATE_RQ, bytes(68)), id="a request of zeros"),
        pytest.param(pdu(ASSOCIATE_RQ), id="an empty request"),
        pytest.param(associate_rq() + pdu(ABORT, b"\0\0\x55\0"), id="a request, and an abort by nobody"),
    ],
)
def test_row_09_what_is_illegal_before_an_association_ends_the_connection(node: ANode, sent: bytes) -> None:
    """Unknown PDUs and known ones out of their state; it is over, with an A-ABORT or without, and the process lives."""
    with raw(node) as peer:
        began = time.monotonic()
        peer.send(sent)
        assert peer.end() in (ABORT, CLOSED)
        assert time.monotonic() - began < AT_ONCE_S


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(pdu(0x99, b"abcd"), id="an unknown type"),
        pytest.param(associate_rq(), id="a second request"),
        pytest.param(pdu(ASSOCIATE_AC, bytes(100)), id="an answer to no question"),
        pytest.param(pdu(RELEASE_RP, bytes(4)), id="a release that nobody asked for"),
        pytest.param(pdu(DATA), id="data without data"),
        pytest.param(pdu(DATA, b"abc"), id="three bytes"),
        pytest.param(pdu(DATA, pdv(bytes(10), length=500)), id="a value beyond its PDU"),
        pytest.param(pdu(ABORT, b"\0\0\x02\x09"), id="an abort for a reason that there is none"),
        pytest.param(pdu(ABORT, b"\0\0\x55\0"), id="an abort by nobody"),
    ],
)
def test_row_09_what_is_illegal_in_an_association_is_aborted(node: ANode, sent: bytes) -> None:
    """The same in the state of data transfer."""
    with raw(node).associate() as peer:
        began = time.monotonic()
        peer.send(sent)
        assert peer.end() == ABORT
        assert time.monotonic() - began < AT_ONCE_S


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(pdv(store_rq(without=[0x0100]), control=COMMAND | LAST), id="no CommandField"),
        pytest.param(pdv(store_rq(without=[0x0800]), control=COMMAND | LAST), id="no CommandDataSetType"),
        pytest.param(pdv(store_rq(group_length=10), control=COMMAND | LAST), id="a group length too short"),
        pytest.param(pdv(store_rq(group_length=1 << 30), control=COMMAND | LAST), id="a group length too long"),
        pytest.param(pdv(store_rq()[12:], control=COMMAND | LAST), id="no group length"),
        pytest.param(pdv(store_rq()[:-1], control=COMMAND | LAST), id="an element that breaks off"),
        pytest.param(pdv(bytes(64), control=COMMAND | LAST), id="zeros"),
        pytest.param(pdv(b"", control=COMMAND | LAST), id="an empty command set"),
        pytest.param(pdv(echo_rq(without=[0x0002]), context=7, control=COMMAND | LAST), id="C-ECHO of nothing"),
        pytest.param(pdv(echo_rq(field=0x0002), context=7, control=COMMAND | LAST), id="an unknown command"),
        pytest.param(pdv(echo_rq(field=0x8030), context=7, control=COMMAND | LAST), id="an answer to no question"),
        pytest.param(pdv(store_rq(), context=7, control=COMMAND | LAST), id="C-STORE on a context for C-ECHO"),
        pytest.param(pdv(store_rq(), context=99, control=COMMAND | LAST), id="an unknown context"),
        pytest.param(pdv(store_rq(), context=3, control=COMMAND | LAST), id="a context that was not accepted"),
        pytest.param(
            pdv(store_rq(), control=COMMAND | LAST) + pdv(bytes(9), context=5, control=LAST), id="two contexts"
        ),
    ],
)
def test_row_10_a_command_set_that_is_none_is_aborted(node: ANode, sent: bytes, wait_for: Callable[..., None]) -> None:
    """Nothing of it is kept, and the process lives."""
    before = node.files()
    # Context 3 is proposed for what is no storage class, so it is not accepted.
    contexts = [(1, CT, EXPLICIT), (3, "1.2.840.10008.1.20.1", EXPLICIT), (5, CT, "1.2.840.10008.1.2")]
    contexts.append((7, VERIFICATION, "1.2.840.10008.1.2"))
    with raw(node).associate(contexts) as peer:
        began = time.monotonic()
        peer.send(pdu(DATA, sent))
        assert peer.end() == ABORT
        assert time.monotonic() - began < AT_ONCE_S
    wait_for(lambda: node.files() == before, what="nothing is kept")


def test_row_10_an_instance_on_the_context_of_another_class_is_refused(node: ANode) -> None:
    """Dataset does not match SOP class (PS3.4 B.2.3); nothing is kept, and the association goes on."""
    before = node.files()
    with raw(node).associate([(1, MR, EXPLICIT), (3, CT, EXPLICIT)]) as peer:
        peer.store(encode(dataset(SOPInstanceUID=OTHER)), context=1, sop_instance=OTHER)
        assert peer.status() == 0xA900
        assert node.files() == before
        peer.store(encode(dataset(SOPInstanceUID=OTHER)), context=3, sop_instance=OTHER)
        assert peer.status() == 0


@pytest.mark.parametrize("field", [0x0010, 0x0020, 0x0021, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150])
def test_row_10_an_operation_that_is_not_served_is_answered(node: ANode, field: int) -> None:
    """Unrecognised operation (PS3.7 C.5.23), and the association goes on."""
    with raw(node).associate([(7, VERIFICATION, "1.2.840.10008.1.2")]) as peer:
        for command, status in ((echo_rq(field=field), 0x0211), (echo_rq(), 0)):
            peer.send(pdu(DATA, pdv(command, context=7, control=COMMAND | LAST)))
            assert peer.status() == status


@pytest.mark.parametrize(
    "lacks",
    [
        pytest.param((0x30,), id="the abstract syntax"),
        pytest.param((0x40,), id="the transfer syntax"),
        pytest.param((0x30, 0x40), id="both"),
    ],
)
def test_row_09_a_request_that_lacks_something_ends_in_an_abort(node: ANode, lacks: tuple[int, ...]) -> None:
    """No context can be negotiated without its abstract syntax, or without a transfer syntax."""
    body = associate_rq()[6:]
    items = items_of(body[FIXED:])
    kept = [item for item in items if item.kind not in lacks]
    for item in kept:
        item.inner = [inner for inner in item.inner if inner.kind not in lacks]
    with raw(node) as peer:
        began = time.monotonic()
        peer.send(pdu(ASSOCIATE_RQ, body[:FIXED] + b"".join(item.encode() for item in kept)))
        assert peer.end() == ABORT
        assert time.monotonic() - began < AT_ONCE_S


def test_row_09_what_still_comes_after_an_abort_is_not_looked_at(node: ANode) -> None:
    """Megabytes behind the PDU that was wrong: one abort, one line in the log, and the connection ends."""
    before = len(node.log())
    with raw(node).associate() as peer:
        peer.send(pdu(0x99, b"abcd"))
        with contextlib.suppress(ConnectionError):
            peer.send(bytes(1 << 20))
        assert peer.end() in (ABORT, CLOSED)
    assert node.log()[before:].count("association aborted") <= 1


def test_row_10_messages_that_do_not_wait_are_all_answered_before_the_release(node: ANode) -> None:
    """C-ECHO, C-STORE, C-ECHO and the release in one piece: three answers in order, then the release's."""
    content = encode(dataset(SOPInstanceUID="1.2.10.1", StudyInstanceUID="1.2.10"))
    echo = pdu(DATA, pdv(echo_rq(), context=3, control=COMMAND | LAST))
    store = pdv(store_rq(sop_instance="1.2.10.1"), control=COMMAND | LAST) + pdv(content, control=LAST)
    with raw(node).associate([(1, CT, EXPLICIT), (3, VERIFICATION, "1.2.840.10008.1.2")]) as peer:
        peer.send(echo + pdu(DATA, store) + echo + pdu(RELEASE_RQ, bytes(4)))
        assert [peer.status() for _ in range(3)] == [0, 0, 0]
        assert peer.read()[0] == RELEASE_RP
