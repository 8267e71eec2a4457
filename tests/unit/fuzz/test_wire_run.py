"""Whoever runs cases sees what a node must never do."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.faults.wire_bytes import ABORT, DATA, pdu, pdv
from tests.fuzz import wire_run
from tests.fuzz.wire_case import Case, right_case
from tests.fuzz.wire_run import Told, run_cases

Answering = Callable[[socket.socket], None]


@pytest.fixture
def answered() -> Iterator[Callable[[Answering], Told]]:
    """Return a function that runs a right case against somebody who answers as told."""
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def run(answering: Answering) -> Told:
        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                answering(connection)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        found: list[Told] = []

        def told(_case: Case, what: Told) -> None:
            found.append(what)

        run_cases([right_case(1, 1)], listening.getsockname()[1], told)
        return found[0]

    yield run
    for thread in threads:
        thread.join()
    listening.close()


def test_an_abort_is_no_trouble(answered: Callable[[Answering], Told]) -> None:
    """It is what a node says to a case that is wrong."""
    told = answered(lambda connection: connection.sendall(pdu(ABORT, bytes(4))))
    assert (told.kinds, told.trouble) == ([ABORT], "")


@pytest.mark.parametrize(
    ("sent", "trouble"),
    [
        (pdu(0x09, b"abcd"), "answered with a PDU of type 9"),
        (pdu(ABORT, bytes(4), length=9), "broke off inside a PDU"),
        (pdu(ABORT, bytes(4), length=1 << 30), "and length 1073741824"),
    ],
)
def test_what_is_no_answer_is_a_trouble(answered: Callable[[Answering], Told], sent: bytes, trouble: str) -> None:
    """Unknown PDUs, and parts of one."""
    assert trouble in answered(lambda connection: connection.sendall(sent)).trouble


def test_no_end_is_a_trouble(answered: Callable[[Answering], Told], monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is neither ended nor aborted is not waited for any longer than the deadline."""
    monkeypatch.setattr(wire_run, "_END_S", 0.3)

    def keep(connection: socket.socket) -> None:
        while connection.recv(1 << 16):
            pass

    assert "neither ended nor aborted" in answered(keep).trouble


def test_what_was_answered_with_success_is_noted(answered: Callable[[Answering], Told]) -> None:
    """The SOP Instance UID of a C-STORE-RSP; whether it is kept is looked up later."""
    uid = b"1.2.3.4\0"
    body = b"\0\0\0\1\2\0\0\0\1\x80" + b"\0\0\0\x09\2\0\0\0\0\0" + b"\0\0\0\x10\x08\0\0\0" + uid
    response = b"\0\0\0\0\4\0\0\0" + len(body).to_bytes(4, "little") + body
    told = answered(lambda connection: connection.sendall(pdu(DATA, pdv(response, control=3)) + pdu(ABORT, bytes(4))))
    assert (told.statuses, told.kept) == ([0], {"1.2.3.4"})
