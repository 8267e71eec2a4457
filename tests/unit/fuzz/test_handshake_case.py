"""Handshakes that begin wrong come from a seed, and what answers them is judged."""

import socket
import threading
from collections.abc import Callable

import pytest

from tests.fuzz.handshake_case import CHANGES, HELLOS, HandshakeCase, handshake_case
from tests.fuzz.handshake_run import run_handshakes


def test_the_recorded_hellos_are_whole() -> None:
    """One record each, as long as it says."""
    assert [len(hello) for hello in HELLOS] == [int.from_bytes(hello[3:5]) + 5 for hello in HELLOS]


def test_a_seed_gives_the_same_cases_and_every_way_of_being_wrong() -> None:
    """On every machine; some are right."""
    cases = [handshake_case(7, number) for number in range(1000)]
    assert cases == [handshake_case(7, number) for number in range(1000)]
    assert {name for case in cases for name in case.mutations} == set(CHANGES)
    assert any(not case.mutations and case.data in HELLOS for case in cases)
    assert any(not case.half_closed for case in cases)


@pytest.mark.parametrize(
    ("answer", "wrong", "trouble"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x28", True, ""),
        (b"", True, ""),
        (b"", False, "it got no hello"),
        (b"\x16\x03\x03", False, ""),
        (b"\x07\0\0\0\0\x04", True, "something else than TLS"),
    ],
)
def test_what_comes_back_is_judged(answer: bytes, *, wrong: bool, trouble: str) -> None:
    """An alert or the end for what is wrong, a hello for what is right."""
    case = HandshakeCase(number=1, data=HELLOS[0], half_closed=True, mutations=("x",) if wrong else ())
    assert trouble in _asked(case, lambda connection: connection.sendall(answer))
    if not trouble:
        assert _asked(case, lambda connection: connection.sendall(answer)) == ""


def _asked(case: HandshakeCase, answering: Callable[[socket.socket], None]) -> str:
    """Run a case against somebody who answers so; return the trouble."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                answering(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        found: list[str] = []
        run_handshakes([case], listening.getsockname()[1], lambda _case, trouble: found.append(trouble))
        thread.join()
    return found[0]
