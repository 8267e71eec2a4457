"""People are told whose study it is; logs, ledger, pages and error texts are not."""

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.catalog import CARD_FILE
from models.testing import write_threshold_model
from tests.faults.test_no_patient_data import CANARY, PATIENT
from tests.notification_servers import InterfaceEngine, MailServer, WebhookServer
from tests.orthanc_server import OrthancServer
from tests.redis_server import RedisServer
from tests.stack import Stack
from worker.jobs.notification import NoticeState
from worker.jobs.notification_records import NotificationRow
from worker.testing import write_mr_series

#: What is put where only its name may be told.
SECRET = "S3CRET-CANARY"  # noqa: S105  # a canary


@pytest.fixture
def peers(free_port: Callable[[], int]) -> Iterator[tuple[WebhookServer, WebhookServer, MailServer, InterfaceEngine]]:
    """One webhook that takes it, and a webhook, a mail server and an engine that refuse it and quote it."""
    quoting = f"{CANARY}^NAME {CANARY}-ACC".encode()
    with (
        WebhookServer() as good,
        WebhookServer(status=400, answer=quoting) as bad,
        MailServer(free_port()) as mail,
        InterfaceEngine(code="AE") as engine,
    ):
        mail.reply = f"554 {CANARY}^NAME"
        yield good, bad, mail, engine


def settings_of(peers: tuple[WebhookServer, WebhookServer, MailServer, InterfaceEngine], secret: Path) -> str:
    """Return channels that all may know the patient."""
    good, bad, mail, engine = peers
    hook = '[[notifications]]\nkind = "webhook"\npatient_data = true\n'
    return f"""
{hook}name = "good"
url = "{good.url}"
token = {{ file = "{secret}" }}
signing_key = {{ file = "{secret}" }}
{hook}name = "bad"
url = "{bad.url}"
[[notifications]]
kind = "mail"
name = "mail"
host = "127.0.0.1"
port = {mail.port}
security = "none"
sender = "wetread@example.org"
to = ["desk@example.org"]
patient_data = true
[[notifications]]
kind = "hl7"
name = "ris"
host = "127.0.0.1"
port = {engine.port}
patient_data = true
"""


def test_a_canary_reaches_people_only(
    peers: tuple[WebhookServer, WebhookServer, MailServer, InterfaceEngine],
    tmp_path: Path,
    free_port: Callable[[], int],
    redis_server: RedisServer,
    orthanc: OrthancServer,
    monkeypatch: pytest.MonkeyPatch,
    wait_for: Callable[..., None],
) -> None:
    """A critical read of a canary is told with its patient; whoever refuses it and quotes it is not quoted by us."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    stack = Stack(
        tmp_path / "wetread",
        port=free_port(),
        broker_url=redis_server.url,
        archive_port=orthanc.dicom_port,
        extra=settings_of(peers, secret),
    )
    card = write_threshold_model(stack.models) / CARD_FILE
    card.write_text(card.read_text() + '\n[[critical]]\nwhen = "present"\nlabel = "Bright"\n')
    web_port = free_port()
    monkeypatch.setenv("WETREAD_WEB__PORT", str(web_port))
    try:
        stack.start("node", "deliver", "worker", "web")
        wait_for(stack.listening, what="the node listens", deadline_s=60)
        study = write_mr_series(tmp_path / "study", seed=1, attributes=PATIENT)
        orthanc.take(study)
        stack.send(study)

        def ended() -> bool:
            ends = {NoticeState.SENT, NoticeState.LOST}
            return [{notice.state for notice in row.notices} for row in rows(stack)] == [ends] and not under_way(stack)

        wait_for(ended, what="one channel has it and three have refused it", deadline_s=120)
        told = peers[0].posted[0]
        assert told.json["patient"]["name"] == PATIENT["PatientName"]
        assert told.headers["Authorization"] == f"Bearer {SECRET}"
        seen = everything_said(stack, web_port)
    finally:
        stack.end()
    assert "notice lost" in seen
    assert CANARY not in seen
    assert PATIENT["PatientBirthDate"] not in seen


def rows(stack: Stack) -> list[NotificationRow]:
    """Return what somebody must hear of; nothing before the ledger exists."""
    if not stack.jobs():
        return []
    ledger = stack.ledger()
    try:
        return ledger.notifications()
    finally:
        ledger.close()


def under_way(stack: Stack) -> bool:
    """Say whether some channel still has to be told."""
    return any(
        notice.state in (NoticeState.PENDING, NoticeState.SENDING) for row in rows(stack) for notice in row.notices
    )


def everything_said(stack: Stack, web_port: int) -> str:
    """Return logs, pages, the ledger's bytes and the names of all files."""
    seen = stack.diagnosis() + "".join(stack.log(part) for part in ("node", "deliver", "worker", "web"))
    (job,) = {row.job_id for row in rows(stack)}
    for page in ("/", f"/jobs/{job}", "/metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{web_port}{page}", timeout=10) as answer:  # our own page
            seen += answer.read().decode()
    for suffix in ("", "-wal"):
        file = stack.data / f"ledger.sqlite3{suffix}"
        seen += file.read_bytes().decode("latin-1") if file.exists() else ""
    return seen + "\n".join(str(file) for file in stack.data.rglob("*"))
