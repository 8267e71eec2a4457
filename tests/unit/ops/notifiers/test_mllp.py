"""HL7 against a real MLLP listener."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.notifiers.mllp import Mllp
from tests.notification_servers import InterfaceEngine, certificate, server_context
from tests.unit.ops.notifiers.conftest import PATIENT, a_message
from worker.errors import ChannelAway, ChannelRefused
from worker.jobs.notification_records import Message
from worker.notifying.notification_settings import Hl7Settings


def mllp(port: int, **changes: Any) -> Mllp:
    """Return the client of an interface engine on this machine."""
    return Mllp(Hl7Settings(kind="hl7", name="ris", port=port, **({"host": "127.0.0.1", "timeout_s": 5} | changes)))


def test_an_accepted_message_is_received_not_read(message: Message) -> None:
    """AA says that the engine has it; no person has acknowledged by that."""
    with InterfaceEngine() as engine:
        answer = mllp(engine.port).tell(message)
    assert answer.acknowledged_by == ""
    assert "AA" in answer.text
    (received,) = engine.received
    assert received.unescape(str(received.segments("OBX")[1][5])) == message.sentences[0]


def test_names_arrive_in_their_own_characters() -> None:
    """UTF-8 on the wire."""
    with InterfaceEngine() as engine:
        mllp(engine.port).tell(a_message(patient=PATIENT))
    assert "山田^太郎" in str(engine.received[0].segment("PID")[5])


@pytest.mark.parametrize(
    ("code", "error"),
    [("AE", ChannelRefused), ("CE", ChannelRefused), ("AR", ChannelAway), ("CR", ChannelAway), ("XX", ChannelAway)],
)
def test_an_error_is_refused_and_a_reject_tried_again(message: Message, code: str, error: type[Exception]) -> None:
    """An error is about the content, a reject may be about the moment (HL7 v2.5.1 2.9.2.2)."""
    with InterfaceEngine(code=code) as engine, pytest.raises(error, match=code):
        mllp(engine.port).tell(message)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x0bhello\x1c\x0d", b"x" * 70000])
def test_what_is_no_ack_means_away(message: Message, answer: bytes) -> None:
    """A closed connection, another protocol, no block, no end: the message is sent again."""
    with InterfaceEngine(raw_answer=answer) as engine, pytest.raises(ChannelAway):
        mllp(engine.port).tell(message)


def test_an_ack_of_another_message_is_none(message: Message) -> None:
    """MSA-2 must be our control id."""
    with InterfaceEngine(other_control_id="42") as engine, pytest.raises(ChannelAway, match="another message"):
        mllp(engine.port).tell(message)


def test_an_engine_that_is_down_is_away(message: Message, free_port: Callable[[], int]) -> None:
    """The error says what to look at."""
    with pytest.raises(ChannelAway, match="refused"):
        mllp(free_port()).tell(message)


@pytest.mark.parametrize("host", ["nosuch.invalid", "x" * 70])
def test_an_engine_whose_name_is_not_known_is_away(message: Message, host: str) -> None:
    """Nobody knows it, or it can be no host name: the message is tried again."""
    with pytest.raises(ChannelAway, match="can this machine reach it"):
        mllp(2575, host=host).tell(message)


def test_mllp_inside_tls(message: Message, tmp_path: Path) -> None:
    """A certificate that the site trusts is accepted, any other is not."""
    files = certificate(tmp_path)
    with InterfaceEngine(tls=server_context(files)) as engine:
        mllp(engine.port, tls=True, ca_file=files[0]).tell(message)
        assert len(engine.received) == 1
