"""A peer that stops in the middle keeps no thread of ours: what we open, and what reports come over, is bounded."""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pynetdicom.dul import DULServiceProvider

from dicom_node.archives import commitment
from dicom_node.archives.archive import DicomArchive
from dicom_node.archives.bounded_connection import MOST_QUEUED
from dicom_node.archives.commitment import CommitmentListener
from dicom_node.archives.requestor import Requestor
from dicom_node.archives.sender import OutcomeKind
from dicom_node.contexts import VERIFICATION
from dicom_node.errors import ArchiveUnreachable
from dicom_node.messages.command_set import read_command, response_to
from dicom_node.messages.pdata import p_data
from dicom_node.tls_settings import TlsClientSettings
from tests.certificates import Authority
from tests.faults.wire_bytes import (
    ASSOCIATE_RJ,
    DATA,
    RELEASE_RP,
    RELEASE_RQ,
    RawPeer,
    associate_rq,
    pdu,
    pdv,
    store_rq,
)
from tests.stalling_archive import Then, read_pdu, stalling_archive
from tests.unit.dicom_node.instances import dataset, write_file

TIMEOUT_S = 1
#: Of everything; the timeout applies to a PDU's header and to its body.
SOON_S = 10


def _sends(data: bytes) -> Then:
    def then(connection: socket.socket, over: threading.Event) -> None:
        read_pdu(connection)
        connection.sendall(data)
        over.wait()

    return then


def _drips(connection: socket.socket, over: threading.Event) -> None:
    """Never stop, and never come to an end."""
    read_pdu(connection)
    for byte in pdu(DATA, pdv(bytes(200))):
        connection.sendall(bytes([byte]))
        over.wait(0.2)


def _takes_nothing(connection: socket.socket, over: threading.Event) -> None:
    del connection
    over.wait()


STALLS = {
    "in a header": _sends(pdu(DATA, pdv(bytes(200)))[:3]),
    "in a body": _sends(pdu(DATA, pdv(bytes(200)))[:50]),
    "in a PDU of gibibytes": _sends(struct.pack(">BBI", DATA, 0, 0xFFFFFFF0) + bytes(50)),
    "never, but drips": _drips,
}


def _within(action: Callable[[], object]) -> BaseException | None:
    """Do it in a thread; return what it raised. It must end soon."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            raised.append(error)
        else:
            raised.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SOON_S)
    assert not thread.is_alive(), "it hangs"
    return raised[0]


@pytest.mark.parametrize("then", STALLS.values(), ids=STALLS)
def test_an_archive_that_stalls_inside_a_pdu_is_unreachable(then: Then) -> None:
    """Whoever asked hears it soon after the timeout, and no thread of the association is left."""
    threads = set(threading.enumerate())
    with stalling_archive(then) as peer:
        raised = _within(lambda: DicomArchive(peer, "TEST", dimse_timeout_s=TIMEOUT_S).find_study("1.2"))
        assert isinstance(raised, ArchiveUnreachable)
    deadline = time.monotonic() + SOON_S
    while set(threading.enumerate()) - threads:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_request_that_meets_a_peer_just_left_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, wait_for: Callable[..., None]
) -> None:
    """Of what came it was left; what is sent to it in that moment ended pynetdicom's thread with a traceback."""
    printed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", printed.append)
    with stalling_archive(_takes_nothing) as peer:
        requestor = Requestor(peer=peer, calling_ae_title="TEST", dimse_timeout_s=TIMEOUT_S)
        with requestor.associate([(VERIFICATION, None)]) as association:
            upper_layer = association.dul
            upper_layer.state_machine.current_state = "Sta13"
            upper_layer.event_queue.put("Evt11")  # a release of ours, where none may be
            wait_for(lambda: not upper_layer.is_alive(), what="its end")
    assert printed == []


def test_a_rejection_that_the_standard_does_not_know_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an unknown source: it ended pynetdicom's thread, and was waited for."""
    printed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", printed.append)
    began = time.monotonic()
    with stalling_archive(_takes_nothing, answer=pdu(ASSOCIATE_RJ, bytes((0, 1, 7, 9)))) as peer:
        assert isinstance(_within(DicomArchive(peer, "TEST", acse_timeout_s=5.0).probe), ArchiveUnreachable)
    assert time.monotonic() - began < 4.0
    assert printed == []


def test_it_is_so_over_tls(authority: Authority) -> None:
    """Whose socket waits in its own way."""
    pair = authority.issue("stalls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    client = TlsClientSettings(ca=authority.file)
    with stalling_archive(STALLS["in a body"], tls=context, client=client) as peer:
        archive = DicomArchive(peer, "TEST", dimse_timeout_s=TIMEOUT_S)
        assert isinstance(_within(lambda: archive.find_study("1.2")), ArchiveUnreachable)


def test_an_archive_that_takes_nothing_is_left(tmp_path: Path) -> None:
    """In the middle of an object: it is unanswered."""
    file = write_file(tmp_path / "a.dcm", dataset(BitsAllocated=8, PixelData=bytes(20 << 20)))
    with stalling_archive(_takes_nothing) as peer:
        archive = DicomArchive(peer, "TEST", dimse_timeout_s=TIMEOUT_S)
        outcomes: list[object] = []
        assert _within(lambda: outcomes.extend(archive.store([file]))) is None
        assert outcomes == []


def test_a_caller_that_stalls_on_the_port_of_reports_is_closed(
    monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    """Before it has asked for an association, as after."""
    monkeypatch.setattr(commitment, "_TIMEOUT_S", TIMEOUT_S)
    listener = CommitmentListener("WETREAD", "127.0.0.1", free_port(), lambda _report, _address: 0)
    try:
        push = "1.2.840.10008.1.20.1"
        request = associate_rq([(1, push, "1.2.840.10008.1.2")])
        with RawPeer(listener.port) as early, RawPeer(listener.port) as late:
            early.socket.settimeout(SOON_S)
            late.socket.settimeout(SOON_S)
            early.send(request[:40])
            late.associate([(1, push, "1.2.840.10008.1.2")])
            late.send(pdu(DATA, pdv(bytes(200)))[:50])
            early.end()
            late.end()
    finally:
        listener.close()


def test_an_archive_that_takes_an_object_slowly_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For longer than its answer is; and of the object no more is in memory than some PDUs."""
    size, takes_s = 24 << 20, 3.0
    file = write_file(tmp_path / "a.dcm", dataset(BitsAllocated=8, PixelData=bytes(size)))
    queued: list[int] = []
    original = DULServiceProvider.send_pdu

    def send_pdu(self: Any, primitive: Any) -> None:
        original(self, primitive)
        queued.append(self.to_provider_queue.qsize())

    monkeypatch.setattr(DULServiceProvider, "send_pdu", send_pdu)

    def takes_slowly(connection: socket.socket, over: threading.Event) -> None:
        began, taken = time.monotonic(), 0
        while taken < size:
            taken += len(connection.recv(64 << 10))
            over.wait(max(0.0, began + takes_s * taken / size - time.monotonic()))
        # What is behind the pixels, and there is nothing else to come.
        connection.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while connection.recv(64 << 10):
                pass
        command = response_to(read_command(store_rq()), status=0)
        connection.settimeout(SOON_S)
        connection.sendall(p_data(1, command, longest_pdu=16384))
        connection.sendall(pdu(RELEASE_RP, bytes(4)) if read_pdu(connection)[:1] == bytes([RELEASE_RQ]) else b"")

    with stalling_archive(takes_slowly, buffer_bytes=64 << 10) as peer:
        began = time.monotonic()
        (outcome,) = DicomArchive(peer, "TEST", dimse_timeout_s=TIMEOUT_S).store([file])
        assert outcome.kind is OutcomeKind.ACCEPTED
        assert time.monotonic() - began > takes_s
    assert MOST_QUEUED <= max(queued) <= MOST_QUEUED + 1
