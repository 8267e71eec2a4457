"""Rows for a ledger, written directly: the views are tested against what the tables say, not against who wrote them."""

import struct
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.jobs.job import DeliveryState, JobState, Priority
from worker.jobs.notification import NoticeState, NotificationState, Topic
from worker.ledger.tables import (
    Delivery,
    Event,
    Job,
    JobInput,
    Model,
    Notice,
    Notification,
    ResultObject,
    Revision,
    Study,
)
from worker.ledger.views import LedgerViews
from worker.recorded_file import picture_beside

PICTURE_STUDY = "1.2.826.0.1.3680043.8.498.10000000000000000000000000000000000001"


def open_views(folder: Path) -> LedgerViews:
    """Return the views over a new ledger in a folder."""
    return LedgerViews.open(f"sqlite:///{folder / 'ledger.sqlite3'}")


def add_study(
    session: Session, uid: str, *, received_at: datetime, receiving: bool = False, revisions: int = 1
) -> tuple[Study, list[Revision]]:
    """Add a study with its revisions."""
    study = Study(
        study_instance_uid=uid,
        folder=f"folder-{zlib.crc32(uid.encode()):08x}",
        calling_ae_title="PACS",
        receiving=receiving,
        first_received_at=received_at - timedelta(seconds=20),
        last_received_at=received_at,
    )
    session.add(study)
    session.flush()
    rows = [
        Revision(
            study_id=study.id,
            number=number,
            completion="quiet time",
            files_digest="d" * 64,
            last_received_at=received_at,
            closed_at=received_at + timedelta(seconds=5),
        )
        for number in range(1, revisions + 1)
    ]
    session.add_all(rows)
    session.flush()
    return study, rows


def add_job(
    session: Session,
    revision: Revision,
    state: JobState,
    *,
    model_id: str = "brain-structures",
    queued_at: datetime,
    finished_at: datetime | None = None,
    reason: str = "",
) -> Job:
    """Add a job, its model and its input."""
    digest = model_id.ljust(64, "0")
    if session.get(Model, digest) is None:
        session.add(Model(digest=digest, model_id=model_id, name=model_id, version="1.0.0"))
        session.flush()
    job = Job(
        revision_id=revision.id,
        model_digest=digest,
        queue="cpu",
        state=state,
        priority=Priority.ROUTINE,
        input_key="k",
        attempts=0 if state is JobState.QUEUED else 1,
        reason=reason,
        runtime="onnxruntime 1.27 CPU" if state is JobState.READ else "",
        queued_at=queued_at,
        claimed_at=None if state is JobState.QUEUED else queued_at + timedelta(seconds=1),
        finished_at=finished_at,
    )
    session.add(job)
    session.flush()
    session.add(JobInput(job_id=job.id, series_instance_uid=f"1.2.3.{job.id}", files=["a/b"]))
    return job


def add_result(
    session: Session,
    job: Job,
    kind: str,
    deliveries: Mapping[str, DeliveryState],
    *,
    at: datetime,
    reason: str = "",
    attempts: int = 1,
) -> None:
    """Add an encoded result and its way to each destination."""
    result = ResultObject(
        job_id=job.id,
        kind=kind,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4",
        sop_instance_uid=f"2.25.{job.id}{zlib.crc32(kind.encode())}",
        series_instance_uid=f"2.25.9{job.id}",
        file=f"folder/{job.id}/{kind.lower()}.dcm",
        sha256="0" * 64,
        created_at=at,
    )
    session.add(result)
    session.flush()
    for destination, state in deliveries.items():
        session.add(
            Delivery(
                result_object_id=result.id,
                destination=destination,
                state=state,
                attempts=attempts,
                reason=reason,
                created_at=at,
                updated_at=at,
            )
        )
    session.flush()


def add_event(
    session: Session, kind: str, *, at: datetime, study: Study, job: Job | None = None, **detail: Any
) -> None:
    """Add a line to the timeline."""
    session.add(Event(at=at, study_id=study.id, job_id=job.id if job else None, kind=kind, detail=detail))
    session.flush()


def write_picture(results_root: Path, ledger: LedgerViews, job_id: int) -> bytes:
    """Put a small grey PNG where the pipeline puts a job's picture, and return its bytes."""
    told = ledger.text_report(job_id)
    assert told is not None
    png = _grey_png(64, 48)
    picture = results_root / picture_beside(told)
    picture.parent.mkdir(parents=True)
    picture.write_bytes(png)
    return png


def _grey_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + bytes((x * 4 + y) % 256 for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def fill_a_day(ledger: LedgerViews, *, now: datetime | None = None) -> None:
    """Write a house in the middle of its day: delivered, running, waiting, failed, held, refused, skipped, arriving."""
    now = now or datetime.now(UTC)
    ago = lambda **kw: now - timedelta(**kw)  # noqa: E731  # read as words below
    with ledger.writing() as session:
        study, (first,) = add_study(session, PICTURE_STUDY, received_at=ago(minutes=50))
        add_event(session, "study arriving", at=ago(minutes=51), study=study, calling_ae_title="PACS")
        add_event(session, "study complete", at=ago(minutes=50), study=study, completion="quiet time", images=384)
        job = add_job(session, first, JobState.READ, queued_at=ago(minutes=49), finished_at=ago(minutes=48))
        for kind in ("SEG", "SR", "TEXT-SR"):
            add_result(session, job, kind, {"archive": DeliveryState.ACCEPTED}, at=ago(minutes=48))
        add_event(session, "job queued", at=ago(minutes=49), study=study, job=job, model="brain-structures")
        add_event(session, "job read", at=ago(minutes=48), study=study, job=job, objects=["SEG", "SR", "TEXT-SR"])
        add_job(
            session, first, JobState.SKIPPED, model_id="ecg-rhythm", queued_at=ago(minutes=49),
            finished_at=ago(minutes=49), reason="no series of modality ECG",
        )  # fmt: skip
        _, (second,) = add_study(session, "1.2.840.113619.2.5.2", received_at=ago(minutes=30))
        add_job(
            session, second, JobState.FAILED, queued_at=ago(minutes=29), finished_at=ago(minutes=25),
            reason="the series has a gap of 12.5 mm after slice 41; send the missing images, or exclude the series",
        )  # fmt: skip
        held_study, (third,) = add_study(session, "1.2.840.113619.2.5.3", received_at=ago(minutes=20))
        held = add_job(
            session, third, JobState.HELD, queued_at=ago(minutes=19), finished_at=ago(minutes=15),
            reason="the archive's patient of this study has changed since receipt; compare both, then wetread retry",
        )  # fmt: skip
        add_result(session, held, "SEG", {"archive": DeliveryState.PENDING}, at=ago(minutes=15), attempts=0)
        add_event(session, "job read", at=ago(minutes=15), study=held_study, job=held, objects=["SEG"])
        add_event(session, "job held", at=ago(minutes=15), study=held_study, job=held, reason=held.reason)
        _, (late,) = add_study(session, "1.2.840.113619.2.5.8", received_at=ago(minutes=14))
        stuck = add_job(session, late, JobState.READ, queued_at=ago(minutes=13), finished_at=ago(minutes=12))
        add_result(
            session, stuck, "SEG", {"archive": DeliveryState.PENDING}, at=ago(minutes=12), attempts=3,
            reason="the archive does not answer at 127.0.0.1:4242: connection refused",
        )  # fmt: skip
        add_result(session, stuck, "SR", {"archive": DeliveryState.PENDING}, at=ago(minutes=12), attempts=0)
        _, (fourth,) = add_study(session, "1.2.840.113619.2.5.4", received_at=ago(minutes=10))
        refused = add_job(session, fourth, JobState.READ, queued_at=ago(minutes=9), finished_at=ago(minutes=8))
        add_result(
            session, refused, "SEG", {"archive": DeliveryState.REFUSED, "research": DeliveryState.ACCEPTED},
            at=ago(minutes=7), reason="0xA900 data set does not match SOP class: the archive does not take SEG",
        )  # fmt: skip
        _, (fifth,) = add_study(session, "1.2.840.113619.2.5.5", received_at=ago(minutes=6))
        add_job(session, fifth, JobState.CLAIMED, queued_at=ago(minutes=5))
        _, (sixth,) = add_study(session, "1.2.840.113619.2.5.6", received_at=ago(minutes=5))
        add_job(session, sixth, JobState.QUEUED, queued_at=ago(minutes=4))
        add_study(session, "1.2.840.113619.2.5.7", received_at=ago(seconds=2), receiving=True, revisions=0)


def add_notification(
    session: Session,
    job: Job,
    state: NotificationState,
    notices: Mapping[str, NoticeState],
    *,
    at: datetime,
    topic: Topic = "critical",
    reason: str = "",
) -> None:
    """Add something that somebody must hear of, and what has become of each channel, told a second later."""
    haemorrhage = {"value": "50960005", "scheme": "SCT", "meaning": "Haemorrhage"}
    found = {
        "kind": "volume",
        "name": "Haemorrhage",
        "concept": haemorrhage,
        "value": 42.5,
        "unit": "ml",
        "at_least": 30.0,
    }
    notification = Notification(
        key=f"{job.id:08x}-{topic}",
        job_id=job.id,
        topic=topic,
        state=state,
        detail={"reasons": [found], "research": True} if topic == "critical" else {"deadline_s": 600.0},
        created_at=at,
    )
    session.add(notification)
    session.flush()
    for step, (channel, notice) in enumerate(notices.items(), start=1):
        told_at = at + timedelta(seconds=step)
        session.add(
            Notice(
                notification_id=notification.id,
                channel=channel,
                step=step,
                state=notice,
                attempts=1,
                reason=reason,
                created_at=at,
                updated_at=told_at,
            )
        )
    session.flush()


def fill_alerts(ledger: LedgerViews, *, now: datetime | None = None) -> None:
    """Write critical reads: one that waits for an answer, one that nobody has answered, one without anybody to tell."""
    at = now or datetime.now(UTC)
    cases: list[tuple[NotificationState, dict[str, NoticeState]]] = [
        (NotificationState.OPEN, {"pager": NoticeState.SENT, "chief": NoticeState.WAITING}),
        (NotificationState.UNANSWERED, {"pager": NoticeState.SENT, "chief": NoticeState.LOST}),
        (NotificationState.NOBODY, {}),
        (NotificationState.ACKNOWLEDGED, {"pager": NoticeState.SENT}),
    ]
    with ledger.writing() as session:
        for number, (state, notices) in enumerate(cases):
            _, (revision,) = add_study(session, f"1.2.840.113619.2.7.{number}", received_at=at)
            job = add_job(session, revision, JobState.READ, model_id="head-bleed", queued_at=at, finished_at=at)
            add_notification(session, job, state, notices, at=at, reason="the mail server refused it with status 550")
        add_notification(session, job, NotificationState.OPEN, {"desk": NoticeState.SENT}, at=at, topic="overdue")


def job_id_in(ledger: LedgerViews, state: JobState) -> int:
    """Return the first job of a state."""
    with ledger.reading() as session:
        found = session.scalar(select(Job.id).where(Job.state == state).order_by(Job.id))
    assert found is not None
    return found
