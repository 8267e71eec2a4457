"""E-mail against a real SMTP server."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.notifiers.mail import Mail
from tests.notification_servers import MailServer, certificate, server_context, trickling
from tests.unit.ops.notifiers.conftest import PATIENT, a_message
from worker.errors import ChannelAway, ChannelRefused
from worker.jobs.notification_records import Message
from worker.notifying.notification_settings import MailSettings
from worker.secret_settings import Secret


def mail(port: int, **changes: Any) -> Mail:
    """Return the client of a mail server on this machine."""
    values: dict[str, Any] = {
        "kind": "mail",
        "name": "on-call",
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "wetread@example.org",
        "to": ("a@example.org", "b@example.org"),
        "timeout_s": 5,
    }
    return Mail(MailSettings(**(values | changes)))


def test_what_is_sent(message: Message, free_port: Callable[[], int]) -> None:
    """Urgent, to all, with accession number, study UID and how to acknowledge; no patient; the same id every time."""
    with MailServer(free_port()) as server:
        mail(server.port).tell(message)
        answer = mail(server.port).tell(message)
    first, second = server.mails
    assert first["To"] == "a@example.org, b@example.org"
    assert (first["Subject"], first["Importance"]) == (message.title, "high")
    assert first["Message-ID"] == second["Message-ID"]
    body = first.get_content()
    for words in (*message.sentences, "A~1\\2&3", "1.2.3", "wetread acknowledge 7"):
        assert words in body
    assert PATIENT.patient_id not in body
    assert answer.acknowledged_by == ""


def test_patient_data_are_in_the_body_only(free_port: Callable[[], int]) -> None:
    """Where the site lets them go, they are never in the subject, which many can see."""
    with MailServer(free_port()) as server:
        mail(server.port).tell(a_message(patient=PATIENT))
    (sent,) = server.mails
    assert "山田^太郎" in sent.get_content()
    assert "Müller" not in str(sent["Subject"])


def test_starttls_and_log_in(message: Message, tmp_path: Path, free_port: Callable[[], int]) -> None:
    """The connection is private before the password is sent; a certificate that nobody trusts is not accepted."""
    files = certificate(tmp_path)
    (tmp_path / "password").write_text("s3cret\n")
    secured: dict[str, Any] = {
        "security": "starttls",
        "user": "wetread",
        "password": Secret(file=tmp_path / "password"),
    }
    with MailServer(free_port(), tls=server_context(files), password="s3cret") as server:  # noqa: S106  # a test's
        mail(server.port, ca_file=files[0], **secured).tell(message)
        with pytest.raises(ChannelAway):
            mail(server.port, **secured).tell(message)
        (tmp_path / "password").write_text("wr0ng")
        with pytest.raises(ChannelRefused) as told:
            mail(server.port, ca_file=files[0], **secured).tell(message)
    assert len(server.mails) == 1
    assert "wr0ng" not in str(told.value)


@pytest.mark.parametrize(("reply", "error"), [("451 later", ChannelAway), ("554 no CANARY", ChannelRefused)])
def test_what_may_pass_is_tried_again(
    message: Message, reply: str, error: type[Exception], free_port: Callable[[], int]
) -> None:
    """A 4yz reply is for the moment, a 5yz reply for good (RFC 5321 4.2.1); the server's words are kept nowhere."""
    with MailServer(free_port()) as server:
        server.reply = reply
        with pytest.raises(error, match=reply[:3]) as told:
            mail(server.port).tell(message)
    assert "CANARY" not in str(told.value)


def test_a_server_that_is_down_is_away(message: Message, free_port: Callable[[], int]) -> None:
    """The error says what to look at."""
    with pytest.raises(ChannelAway, match="refused"):
        mail(free_port()).tell(message)


@pytest.mark.parametrize("host", ["nosuch.invalid", "x" * 70])
def test_a_server_whose_name_is_not_known_is_away(message: Message, host: str) -> None:
    """Nobody knows it, or it can be no host name: the e-mail is tried again."""
    with pytest.raises(ChannelAway, match="can this machine reach it"):
        mail(25, host=host).tell(message)


def test_a_server_without_starttls_is_refused(message: Message, free_port: Callable[[], int]) -> None:
    """Nothing is sent in the clear where the site asked for STARTTLS."""
    with MailServer(free_port()) as server, pytest.raises(ChannelRefused, match="STARTTLS"):
        mail(server.port, security="starttls").tell(message)
    assert server.mails == []


@pytest.mark.parametrize("later", ["a@example.org", "b@example.org"])
def test_an_address_that_may_take_it_later_is_tried_again(
    message: Message, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    """Though the other one is refused for good."""

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's
        self: MailServer, server: object, session: object, envelope: object, address: str, options: list[str]
    ) -> str:
        del self, server, session, envelope, options
        return "451 greylisted" if address == later else "550 no such user"

    monkeypatch.setattr(MailServer, "handle_RCPT", handle_RCPT, raising=False)
    with MailServer(free_port()) as server, pytest.raises(ChannelAway, match="451"):
        mail(server.port).tell(message)


@pytest.mark.parametrize("other", ["250 OK", "550 no such user"])
def test_an_address_that_is_put_off_gets_it_later_and_the_others_once(
    message: Message, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """A mail server that greylists one of two addresses: who has the e-mail does not get it at each attempt."""
    answers = {"a@example.org": "250 OK", "b@example.org": "451 greylisted", "c@example.org": other}

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's
        self: MailServer, server: object, session: object, envelope: Any, address: str, options: list[str]
    ) -> str:
        del self, server, session, options
        if answers[address].startswith("250"):
            envelope.rcpt_tos.append(address)
        return answers[address]

    got: list[list[str]] = []
    take = MailServer.handle_DATA

    async def handle_DATA(self: MailServer, server: object, session: Any, envelope: Any) -> str:  # noqa: N802
        got.append(list(envelope.rcpt_tos))
        return await take(self, server, session, envelope)

    monkeypatch.setattr(MailServer, "handle_RCPT", handle_RCPT, raising=False)
    monkeypatch.setattr(MailServer, "handle_DATA", handle_DATA)
    with MailServer(free_port()) as server:
        channel = mail(server.port, to=tuple(answers))
        for _ in range(2):
            with pytest.raises(ChannelAway, match="1 of 3 addresses off with status 451"):
                channel.tell(message)
        answers["b@example.org"] = "250 OK"
        answer = channel.tell(message)
    first = ["a@example.org"] + ["c@example.org"] * other.startswith("250")
    assert got == [first, ["b@example.org"]]
    assert ("1 of 3 addresses were refused" in answer.text) == other.startswith("550")


@pytest.mark.parametrize("closing", ["a@example.org", "b@example.org", "c@example.org"])
def test_a_server_that_closes_amid_the_addresses_has_taken_nothing(
    message: Message, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch, closing: str
) -> None:
    """A 421 to one address ends it before the e-mail is sent (RFC 5321 3.8): all get it later, each once."""
    shutting_down = True

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's
        self: MailServer, server: object, session: object, envelope: Any, address: str, options: list[str]
    ) -> str:
        del self, server, session, options
        if address == closing and shutting_down:
            return "421 shutting down"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    got: list[list[str]] = []
    take = MailServer.handle_DATA

    async def handle_DATA(self: MailServer, server: object, session: Any, envelope: Any) -> str:  # noqa: N802
        got.append(list(envelope.rcpt_tos))
        return await take(self, server, session, envelope)

    monkeypatch.setattr(MailServer, "handle_RCPT", handle_RCPT, raising=False)
    monkeypatch.setattr(MailServer, "handle_DATA", handle_DATA)
    to = ("a@example.org", "b@example.org", "c@example.org")
    with MailServer(free_port()) as server:
        channel = mail(server.port, to=to)
        with pytest.raises(ChannelAway, match="421"):
            channel.tell(message)
        shutting_down = False
        assert channel.tell(message).text == "taken by the mail server"
    assert got == [list(to)]


def test_what_was_taken_is_taken_whatever_follows(
    message: Message, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is in trouble when we say goodbye has the e-mail all the same."""

    async def handle_QUIT(self: MailServer, server: object, session: object, envelope: object) -> str:  # noqa: N802
        del self, server, session, envelope
        return "451 not now"

    monkeypatch.setattr(MailServer, "handle_QUIT", handle_QUIT, raising=False)
    with MailServer(free_port()) as server:
        assert mail(server.port).tell(message).text == "taken by the mail server"
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("begin", "endless"),
    [(b"", b"220-slowly\r\n"), (b"220 here\r\n", b"250-slowly\r\n"), (b"220 here\r\n", b"2")],
    ids=["greeting", "lines", "line"],
)
def test_a_server_that_trickles_keeps_nobody_waiting(message: Message, begin: bytes, endless: bytes) -> None:
    """Each byte comes in time; all of it has a limit too, for other messages wait for this channel."""
    with trickling(begin, endless) as port:
        begun = time.monotonic()
        with pytest.raises(ChannelAway):
            mail(port, timeout_s=0.1).tell(message)
        assert time.monotonic() - begun < 10
