"""Somebody hears of a critical read at once, and of one that does not come in time: real processes, real peers."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from sqlalchemy import select

from models.catalog import CARD_FILE
from models.testing import write_threshold_model
from tests.notification_servers import InterfaceEngine, MailServer, WebhookServer
from tests.orthanc_server import OrthancServer
from tests.redis_server import RedisServer
from tests.stack import Stack
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState
from worker.jobs.notification_records import NotificationRow
from worker.ledger.tables import Event
from worker.testing import write_mr_series

#: Of the millilitres that the threshold model finds: the large head is critical, the small ones are not.
RULE = '\n[[critical]]\nwhen = "volume"\nlabel = "Bright"\nat_least = 80\n'
SMALL, LARGE = (3.0, 2.0, 2.0), (6.0, 4.0, 4.0)


@pytest.fixture
def pager() -> Iterator[WebhookServer]:
    """What is told first."""
    with WebhookServer() as server:
        yield server


@pytest.fixture
def engine() -> Iterator[InterfaceEngine]:
    """What is told when nobody acknowledges."""
    with InterfaceEngine() as server:
        yield server


@pytest.fixture
def mail(free_port: Callable[[], int]) -> Iterator[MailServer]:
    """What is told of late reads."""
    with MailServer(free_port()) as server:
        yield server


@pytest.fixture
def house(
    tmp_path: Path,
    free_port: Callable[[], int],
    redis_server: RedisServer,
    orthanc: OrthancServer,
    pager: WebhookServer,
    engine: InterfaceEngine,
    mail: MailServer,
) -> Iterator[Stack]:
    """The stack with three channels and a model that knows what is critical; nothing is started yet."""
    extra = f"""
[notifying]
escalate_after_s = 1.0

[[notifications]]
kind = "webhook"
name = "pager"
url = "{pager.url}"

[[notifications]]
kind = "hl7"
name = "ris"
step = 2
host = "127.0.0.1"
port = {engine.port}

[[notifications]]
kind = "mail"
name = "desk"
about = ["overdue"]
host = "127.0.0.1"
port = {mail.port}
security = "none"
sender = "wetread@example.org"
to = ["desk@example.org"]
"""
    processes = Stack(
        tmp_path / "wetread",
        port=free_port(),
        broker_url=redis_server.url,
        archive_port=orthanc.dicom_port,
        extra=extra,
    )
    card = write_threshold_model(processes.models) / CARD_FILE
    card.write_text(card.read_text() + RULE)
    yield processes
    processes.end()


def jobs(stack: Stack) -> list[JobRow]:
    """Return the jobs of the model of these tests, oldest first."""
    return sorted((job for job in stack.jobs() if job.model_id == "constant-answer"), key=lambda job: job.id)


def notifications(stack: Stack) -> list[NotificationRow]:
    """Return what somebody must hear of, newest first."""
    ledger = stack.ledger()
    try:
        return ledger.notifications()
    finally:
        ledger.close()


def accepted(stack: Stack) -> list[int | None]:
    """Return whose objects the archive accepted, in its order."""
    ledger = stack.ledger()
    with ledger.reading() as session:
        found = list(session.scalars(select(Event.job_id).where(Event.kind == "object accepted").order_by(Event.id)))
    ledger.close()
    return found


def text_report(stack: Stack, job: JobRow) -> tuple[str, list[str]]:
    """Return the series description and the impressions of a job's text SR, as they were sent."""
    (file,) = [item.file for item in job.deliveries if item.kind == "TEXT-SR"]
    report = dcmread(stack.data / "results" / file)
    texts: list[str] = []

    def collect(items: Any) -> None:
        for item in items:
            impression = item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeMeaning == "Impression"
            texts.extend([item.TextValue] if impression else [])
            collect(item.get("ContentSequence", ()))

    collect(report.ContentSequence)
    return report.SeriesDescription, texts


def test_a_critical_read_among_a_backlog_is_told_and_goes_out_first(
    house: Stack,
    orthanc: OrthancServer,
    pager: WebhookServer,
    engine: InterfaceEngine,
    mail: MailServer,
    tmp_path: Path,
    wait_for: Callable[..., None],
) -> None:
    """The pager hears of it once, nobody acknowledges, so the RIS does; its objects are the first in the archive."""
    house.start("node", "worker")
    wait_for(house.listening, what="the node listens", deadline_s=60)
    studies = {seed: write_mr_series(tmp_path / f"{seed}", seed=seed, spacing_mm=SMALL) for seed in (1, 2, 3, 5)}
    studies[4] = write_mr_series(tmp_path / "4", seed=4, spacing_mm=LARGE)
    for seed in sorted(studies):
        orthanc.take(studies[seed])
        house.send(studies[seed])
    wait_for(lambda: [job.state for job in jobs(house)] == [JobState.READ] * 5, what="all are read", deadline_s=120)
    critical = next(job for job in jobs(house) if job.study_instance_uid == dcmread(studies[4][0]).StudyInstanceUID)
    house.start("deliver")
    wait_for(lambda: bool(engine.received), what="the RIS is told", deadline_s=30)
    wait_for(lambda: all(job.delivered for job in jobs(house)), what="everything is delivered", deadline_s=60)

    order = accepted(house)
    objects = order.count(critical.id)
    assert order[:objects] == [critical.id] * objects, house.diagnosis()
    (posted,) = pager.posted
    assert (posted.json["accession_number"], posted.json["study_instance_uid"]) == ("ACC4", critical.study_instance_uid)
    assert posted.json["title"].startswith("CRITICAL: Bright: ")
    (oru,) = engine.received
    assert str(oru.segment("MSH")[10]) == posted.json["key"]
    assert (str(oru.segment("OBR")[18]), str(oru.segment("OBR")[25])) == ("ACC4", "P")
    assert mail.mails == []
    told = next(job for job in jobs(house) if job.id == critical.id)
    description, sentences = text_report(house, told)
    assert description.startswith("RESEARCH CRITICAL AI ")
    assert sentences[0] == posted.json["title"]
    (other,) = {text_report(house, job)[0] for job in jobs(house) if job.id != critical.id}
    assert "CRITICAL" not in other

    command = [sys.executable, "-P", "-m", "ops.cli", "acknowledge", "1", "--by", "Dr. Meyer"]
    subprocess.run([*command, "--settings", str(house.settings_file)], check=True, capture_output=True)
    assert [(row.state.value, row.acknowledged_by) for row in notifications(house)] == [("acknowledged", "Dr. Meyer")]


def test_a_read_that_does_not_come_in_time_is_told_and_says_that_it_is_late(
    house: Stack, orthanc: OrthancServer, mail: MailServer, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Without a worker the deadline passes and the desk hears of it; the read that comes at last says LATE."""
    card = house.models / "constant-answer" / CARD_FILE
    card.write_text(card.read_text().replace('late_images = "rerun"', 'late_images = "rerun"\ndeadline_s = 1.0'))
    house.start("node", "deliver")
    wait_for(house.listening, what="the node listens", deadline_s=60)
    study = write_mr_series(tmp_path / "study", seed=7, spacing_mm=SMALL)
    orthanc.take(study)
    house.send(study)
    wait_for(lambda: bool(mail.mails), what="the desk hears of it", deadline_s=60)
    assert "NOT READ IN TIME" in str(mail.mails[0]["Subject"])
    assert "ACC7" in mail.mails[0].get_content()
    house.start("worker")
    wait_for(lambda: any(job.delivered for job in jobs(house)), what="the results are delivered", deadline_s=90)
    (job,) = jobs(house)
    assert text_report(house, job)[1][0] == "LATE: this read was expected within 1 s."
    assert [row.topic for row in notifications(house)] == ["overdue"]
    assert len(mail.mails) == 1
