"""PDUs come whole, or not at all, over TCP and over TLS."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from dicom_node.errors import Interrupted, Silent, WireError
from dicom_node.messages.pdata import PDU_HEADER
from dicom_node.receiving.wire import PduReader
from dicom_node.tls.tls_profile import client_context, server_context
from dicom_node.tls_settings import NodeTlsSettings, TlsClientSettings
from tests.certificates import Authority, Pair

BODY = bytes(range(256)) * 200


@dataclass(frozen=True, kw_only=True)
class Line:
    """A connection: the reader at one end, the peer at the other."""

    reader: PduReader
    end: socket.socket
    peer: socket.socket


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    """A certificate for both ends."""
    return authority.issue("both")


def _secured(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], ends: tuple[socket.socket, socket.socket]
) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Shake hands between a serving end and a calling one."""
    made: list[ssl.SSLSocket] = []
    serving = threading.Thread(target=lambda: made.append(contexts[0].wrap_socket(ends[0], server_side=True)))
    serving.start()
    calling = contexts[1].wrap_socket(ends[1], server_hostname="localhost")
    serving.join()
    return made[0], calling


@pytest.fixture(params=["TCP", "TLS 1.2", "TLS 1.3"])
def line(request: pytest.FixtureRequest, authority: Authority, own: Pair) -> Iterator[Line]:
    """A line over each kind of transport; the reader is at the serving end."""
    ends: tuple[socket.socket, socket.socket] = socket.socketpair()
    if request.param != "TCP":
        serving = server_context(
            NodeTlsSettings(certificate=own.certificate, key=own.key, ca=authority.file, client_certificates="required")
        )
        calling = client_context(TlsClientSettings(ca=authority.file, certificate=own.certificate, key=own.key))
        calling.maximum_version = ssl.TLSVersion.TLSv1_2 if request.param == "TLS 1.2" else ssl.TLSVersion.TLSv1_3
        ends = _secured((serving, calling), ends)
    end, peer = ends
    end.settimeout(0.3)
    peer.settimeout(30)
    reader = PduReader(end, interrupted=lambda: False)
    yield Line(reader=reader, end=end, peer=peer)
    reader.close()
    end.close()
    peer.close()


def _pdu(body: bytes, kind: int = 4) -> bytes:
    return PDU_HEADER.pack(kind, 0, len(body)) + body


def _read(line: Line, *, within_s: float = 30, longest: int = 1 << 20) -> tuple[int, bytes]:
    kind, body = line.reader.read(longest=longest, within_s=within_s)
    return kind, bytes(body)


def test_pdus_that_came_together_are_read_one_by_one(line: Line) -> None:
    """What TLS holds already is not waited for: the system has nothing left to show."""
    line.peer.sendall(_pdu(b"one") + _pdu(b"two", 5) + _pdu(b"", 6))
    assert line.reader.readable(30)
    assert [_read(line) for _ in range(3) if line.reader.readable(0)] == [(4, b"one"), (5, b"two"), (6, b"")]
    assert not line.reader.readable(0)


def test_a_pdu_of_many_records_in_pieces_is_read_whole(line: Line) -> None:
    """However it is cut on the way."""

    def send() -> None:
        data = _pdu(BODY)
        for start in range(0, len(data), 997):
            line.peer.sendall(data[start : start + 997])

    sending = threading.Thread(target=send)
    sending.start()
    assert _read(line) == (4, BODY)
    sending.join()


def test_nothing_to_read_is_waited_for_until_then(line: Line) -> None:
    """`readable` says no after its time."""
    begun = time.monotonic()
    assert not line.reader.readable(0.2)
    assert time.monotonic() - begun >= 0.19


@pytest.mark.parametrize("count", [1, 5, 6, 20])
def test_a_peer_that_stops_in_the_middle_is_left_at_the_deadline(line: Line, count: int) -> None:
    """After part of a header, after the header, in the body."""
    line.peer.sendall(_pdu(BODY)[:count])
    assert line.reader.readable(30)
    with pytest.raises(Silent):
        _read(line, within_s=0.2)


def test_the_deadline_is_of_the_whole_pdu(line: Line) -> None:
    """Single bytes that keep coming do not move it."""
    stop = threading.Event()

    def trickle() -> None:
        for byte in _pdu(BODY):
            if stop.wait(0.02):
                return
            line.peer.sendall(bytes([byte]))

    trickling = threading.Thread(target=trickle)
    trickling.start()
    try:
        with pytest.raises(Silent):
            _read(line, within_s=0.3)
    finally:
        stop.set()
        trickling.join()


def test_a_pdu_that_is_too_long_is_not_read(line: Line) -> None:
    """Its header is enough to refuse it."""
    line.peer.sendall(PDU_HEADER.pack(4, 0, 0xFFFFFFFF))
    with pytest.raises(WireError, match="4294967295"):
        _read(line)


@pytest.mark.parametrize("before", [b"", _pdu(BODY)[:3], _pdu(BODY)[:100]])
def test_an_end_is_told(line: Line, before: bytes) -> None:
    """Before a PDU, in its header and in its body; with TLS whether it was said (close_notify) or not."""
    line.peer.sendall(before)
    line.peer.shutdown(socket.SHUT_RDWR)
    assert line.reader.readable(30)
    with pytest.raises(EOFError):
        _read(line)


def test_an_association_that_ends_interrupts_a_wait(line: Line) -> None:
    """The wait for the rest of a PDU asks whether it still makes sense."""
    reader = PduReader(line.end, interrupted=lambda: True)
    line.peer.sendall(_pdu(BODY)[:10])
    with pytest.raises(Interrupted):
        reader.read(longest=1 << 20, within_s=30)
    reader.close()


def test_an_association_that_ends_is_not_held_by_a_peer_that_never_pauses(line: Line) -> None:
    """Where more of a message is there already, nobody has to wait for it, and yet it is asked."""
    reader = PduReader(line.end, interrupted=lambda: True)
    line.peer.sendall(_pdu(BODY)[:10])
    assert reader.readable(30)
    with pytest.raises(Interrupted):
        reader.wait(30)
    reader.close()


def test_an_answer_is_sent_whole_between_reads(line: Line) -> None:
    """Sending works after reading has held the connection in the mode that never waits."""
    line.peer.sendall(_pdu(b"question"))
    assert _read(line) == (4, b"question")
    sending = threading.Thread(target=line.reader.send, args=(_pdu(BODY) * 20,))
    sending.start()
    wanted, got = len(_pdu(BODY)) * 20, 0
    while got < wanted:
        got += len(line.peer.recv(65536))
    sending.join()
    assert got == wanted


def test_a_peer_that_takes_no_answer_is_left(line: Line) -> None:
    """After the connection's timeout."""
    with pytest.raises(Silent):
        line.reader.send(bytes(16 << 20))


def test_what_tls_says_for_itself_is_no_pdu(authority: Authority, own: Pair, wait_for: Callable[..., None]) -> None:
    """Tickets that come after a handshake of TLS 1.3 make a connection readable for the system, and not for us."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(own.certificate, own.key)
    assert serving.num_tickets > 0
    calling = client_context(TlsClientSettings(ca=authority.file))
    peer, end = _secured((serving, calling), socket.socketpair())
    end.settimeout(5)
    reader = PduReader(end, interrupted=lambda: False)
    with end, peer:
        assert end.recv_into(bytearray(0)) == 0
        assert not reader.readable(0.2)
        peer.sendall(_pdu(b"now"))
        assert reader.readable(30)
        assert reader.read(longest=100, within_s=30)[1] == b"now"


def test_what_is_there_can_be_forgotten(line: Line) -> None:
    """Bytes that are no PDU are read and gone, whatever they are; when the peer has closed there is nothing more."""
    line.peer.sendall(bytes(3000))
    line.peer.close()
    deadline = time.monotonic() + 10
    forgotten = 0
    while time.monotonic() < deadline and not line.reader._ended:
        if not line.reader._something(1.0):
            continue
        if not line.reader.discard():
            break
        forgotten += 1
    assert forgotten > 0
    assert not line.reader.discard()
