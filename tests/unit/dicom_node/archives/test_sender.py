"""Calling a peer: what keeps an association from being opened is told as such, wherever it comes from."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.dul import DULServiceProvider

from dicom_node.archives.requestor import Requestor
from dicom_node.contexts import VERIFICATION
from dicom_node.errors import ArchiveUnreachable
from dicom_node.settings import Peer
from tests.faults.wire_bytes import RELEASE_RP, accepting, pdu, user_item


def requestor(host: str) -> Requestor:
    """Return who calls there."""
    return Requestor(peer=Peer(ae_title="PACS", host=host, port=104), calling_ae_title="WETREAD", connect_timeout_s=2)


@pytest.mark.parametrize("host", ["nosuch.invalid", "x" * 70, "pacs..example.org", "[nosuch.invalid]"])
def test_a_name_that_nobody_knows_is_an_archive_that_is_away(host: str) -> None:
    """Pynetdicom resolves it and lets the resolver's own error go; the words say what to look at."""
    with (
        pytest.raises(ArchiveUnreachable, match=r"PACS@.*:104 was not called: its name is not known .*DNS") as raised,
        requestor(host).associate([(VERIFICATION, None)]),
    ):
        pass
    assert raised.value.kept_nothing


def test_a_machine_that_opens_no_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one with too many open files: not a traceback, and not the archive's doing."""

    def none_left(*_: Any, **__: Any) -> None:
        raise OSError(24, os.strerror(24))

    monkeypatch.setattr(AE, "associate", none_left)
    with (
        pytest.raises(ArchiveUnreachable, match=r"this machine opens no connection .Too many open files"),
        requestor("127.0.0.1").associate([(VERIFICATION, None)]),
    ):
        pass


def test_an_ipv6_address_may_stand_in_brackets() -> None:
    """As it must before a port, and as errors write it."""
    assert str(requestor("[::1]")) == str(requestor("::1")) == "PACS@[::1]:104"
    assert requestor("[::1]").peer.host == "::1"
    assert socket.inet_pton(socket.AF_INET6, requestor("[2001:db8::7]").peer.host)


def test_who_is_interrupted_aborts(free_port: Callable[[], int], wait_for: Callable[..., None]) -> None:
    """A release waits for an answer, and whoever is in the middle of a retrieval gives none."""
    ends: list[str] = []
    entity, port = AE("PACS"), free_port()
    entity.add_supported_context(VERIFICATION)
    handlers = [
        (evt.EVT_ABORTED, lambda _: ends.append("aborted")),
        (evt.EVT_RELEASED, lambda _: ends.append("released")),
    ]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    peer = Peer(ae_title="PACS", host="127.0.0.1", port=port)
    try:
        with (
            pytest.raises(KeyboardInterrupt),
            Requestor(peer=peer, calling_ae_title="WETREAD").associate([(VERIFICATION, None)]),
        ):
            raise KeyboardInterrupt
        wait_for(lambda: bool(ends), what="the end is seen")
    finally:
        server.shutdown()
    assert ends == ["aborted"]


def test_who_is_interrupted_does_not_wait_for_a_silent_peer(wait_for: Callable[..., None]) -> None:
    """It has taken the connection and answers nothing; no thread that waits for it keeps the process."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def waiting() -> list[threading.Thread]:
        return [
            thread for thread in threading.enumerate() if not thread.daemon and isinstance(thread, DULServiceProvider)
        ]

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            peer = Peer(ae_title="PACS", host="127.0.0.1", port=silent.getsockname()[1])
            signal.setitimer(signal.ITIMER_REAL, 1.0)
            caller = Requestor(peer=peer, calling_ae_title="WETREAD")
            with pytest.raises(KeyboardInterrupt), caller.associate([(VERIFICATION, None)]):
                pass
            wait_for(lambda: not waiting(), what="nobody waits for the peer", deadline_s=10)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_archive_with_an_odd_name_of_its_version_is_called() -> None:
    """One that pads it with zeros, and adds user information that nobody knows (PS3.8 D.2), had "not answered"."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as connection:
                connection.recv(1 << 16)
                connection.sendall(accepting(user_item(0x55, b"PACS\0\0\0\0"), user_item(0x60, b"new")))
                connection.recv(1 << 16)
                connection.sendall(pdu(RELEASE_RP, bytes(4)))

        archive = threading.Thread(target=answer)
        archive.start()
        peer = Peer(ae_title="PACS", host="127.0.0.1", port=listening.getsockname()[1])
        with Requestor(peer=peer, calling_ae_title="WETREAD").associate([(VERIFICATION, None)]) as association:
            assert association.is_established
            assert [context.context_id for context in association.accepted_contexts] == [1]
        archive.join(5)
