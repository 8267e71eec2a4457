"""The webhook against a real HTTP server."""

import hashlib
import hmac
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ops.notifiers.webhook import Webhook
from tests.notification_servers import WebhookServer, certificate, server_context, trickling
from tests.unit.ops.notifiers.conftest import PATIENT, a_message
from worker.errors import ChannelAway, ChannelRefused
from worker.jobs.notification_records import Message
from worker.notifying.notification_settings import WebhookSettings
from worker.secret_settings import Secret


def webhook(url: str, **changes: Any) -> Webhook:
    """Return the client of an address."""
    values: dict[str, Any] = {"kind": "webhook", "name": "pager", "url": url, "timeout_s": 5}
    return Webhook(WebhookSettings(**(values | changes)))


def test_what_is_posted(message: Message) -> None:
    """Accession number and study UID, sentences in UTF-8, the key in body and header; no patient."""
    with WebhookServer() as server:
        answer = webhook(server.url).tell(message)
    (posted,) = server.posted
    assert posted.path == "/pager?team=ct"
    assert posted.headers["Idempotency-Key"] == posted.json["key"] == message.key
    assert (posted.json["accession_number"], posted.json["study_instance_uid"]) == ("A~1\\2&3", "1.2.3")
    assert posted.json["sentences"][0] == message.sentences[0]
    assert "patient" not in posted.json
    assert (answer.acknowledged_by, answer.text) == ("", "status 200")


def test_patient_data_go_where_the_site_says_so() -> None:
    """A message that carries a patient is posted with it."""
    with WebhookServer() as server:
        webhook(server.url, patient_data=True).tell(a_message(patient=PATIENT))
    assert server.posted[0].json["patient"]["name"] == PATIENT.patient_name


def test_the_receiver_can_check_the_signature(
    message: Message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It covers time and body; key and token come from a file and the environment."""
    (tmp_path / "key").write_text("signing key\n")
    monkeypatch.setenv("PAGER_TOKEN", "s3cret")
    with WebhookServer() as server:
        webhook(server.url, signing_key=Secret(file=tmp_path / "key"), token=Secret(env="PAGER_TOKEN")).tell(message)
    (posted,) = server.posted
    signed = posted.headers["X-Wetread-Timestamp"].encode() + b"." + posted.body
    expected = hmac.new(b"signing key", signed, hashlib.sha256).hexdigest()
    assert posted.headers["X-Wetread-Signature"] == f"sha256={expected}"
    assert posted.headers["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    ("body", "by"),
    [
        (b'{"acknowledged": true, "by": "Dr. Meyer"}', "Dr. Meyer"),
        (b'{"acknowledged": true}', "the service behind pager"),
        (b'{"acknowledged": true, "by": "a\\nb"}', "ab"),
        (b'{"acknowledged": "yes"}', ""),
        (b'{"acknowledged": false}', ""),
        (b"[true]", ""),
        (b"ok", ""),
    ],
)
def test_only_a_plain_yes_acknowledges(message: Message, body: bytes, by: str) -> None:
    """What else is answered means that it was taken, no more."""
    with WebhookServer(answer=body) as server:
        assert webhook(server.url).tell(message).acknowledged_by == by


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, ChannelAway),
        (503, ChannelAway),
        (429, ChannelAway),
        (408, ChannelAway),
        (401, ChannelRefused),
        (404, ChannelRefused),
    ],
)
def test_what_may_pass_is_tried_again(message: Message, status: int, error: type[Exception]) -> None:
    """A service in trouble is away; one that says no to this message refuses it. Its words are kept nowhere."""
    with WebhookServer(status=status, answer=b"A~1 CANARY") as server, pytest.raises(error, match=str(status)) as told:
        webhook(server.url).tell(message)
    assert "CANARY" not in str(told.value)


def test_a_redirect_is_not_followed(message: Message) -> None:
    """The message goes to the address that the site has named, and to no other."""
    with (
        WebhookServer() as elsewhere,
        WebhookServer(status=302, headers={"Location": elsewhere.url}) as server,
        pytest.raises(ChannelRefused, match="302"),
    ):
        webhook(server.url).tell(message)
    assert elsewhere.posted == []


def test_a_service_that_is_down_is_away(message: Message, free_port: Callable[[], int]) -> None:
    """The error names neither the address, which may be a secret, nor the message."""
    with pytest.raises(ChannelAway) as told:
        webhook(f"http://127.0.0.1:{free_port()}/hook/T0KEN").tell(message)
    assert "T0KEN" not in str(told.value)
    assert "refused" in str(told.value)


def test_https_is_checked(message: Message, tmp_path: Path) -> None:
    """A certificate that the site trusts is accepted, any other is not."""
    files = certificate(tmp_path)
    with WebhookServer(tls=server_context(files)) as server:
        webhook(server.url, ca_file=files[0]).tell(message)
        with pytest.raises(ChannelAway):
            webhook(server.url).tell(message)
    assert len(server.posted) == 1


def test_an_address_may_be_a_secret(message: Message, tmp_path: Path) -> None:
    """It is read when it is needed; a wrong or missing one is told without showing it."""
    file = tmp_path / "url"
    client = Webhook(WebhookSettings(kind="webhook", name="pager", url=Secret(file=file), patient_data=True))
    with pytest.raises(ChannelAway, match="cannot be read"):
        client.tell(message)
    file.write_text("ftp://T0KEN")
    with pytest.raises(ChannelRefused) as told:
        client.tell(message)
    assert "T0KEN" not in str(told.value)
    file.write_text("http://pager.example.org/")
    with pytest.raises(ChannelRefused, match="https"):
        client.tell(a_message(patient=PATIENT))
    with WebhookServer() as server:
        file.write_text(server.url)
        client.tell(message)
    assert len(server.posted) == 1


def test_an_answer_that_trickles_keeps_nobody_waiting(message: Message) -> None:
    """Each byte comes in time; all of it has a limit too, for other messages wait for this channel."""
    with trickling(b"", b"HTTP/1.1 ") as port:
        begun = time.monotonic()
        with pytest.raises(ChannelAway, match="does not answer"):
            webhook(f"http://127.0.0.1:{port}/", timeout_s=0.1).tell(message)
        assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("begin", "endless"), [(b"X: ", b"y"), (b"Content-Length: 60000\r\n\r\n", b" ")], ids=["head", "body"]
)
def test_the_rest_of_an_answer_that_trickles_is_left(message: Message, begin: bytes, endless: bytes) -> None:
    """Its status has come: the message is taken."""
    with trickling(b"HTTP/1.1 200 OK\r\n" + begin, endless) as port:
        begun = time.monotonic()
        with suppress(ChannelAway):  # or not, where the connection has ended in the middle of a line
            assert webhook(f"http://127.0.0.1:{port}/", timeout_s=0.1).tell(message).text == "status 200"
        assert time.monotonic() - begun < 10


def test_an_answer_that_is_nested_without_end_is_taken(message: Message) -> None:
    """Deeper than a parser goes: it acknowledges nothing, and the message is not sent again for that."""
    with WebhookServer(answer=b"[" * 60_000) as server:
        assert webhook(server.url).tell(message).acknowledged_by == ""
