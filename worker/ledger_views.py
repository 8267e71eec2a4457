"""The ledger's read side: jobs, studies, timelines and the overview, each in one transaction and few queries."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from dicom_node.study import Completion
from worker.job import DeliveryRow, DeliveryState, EventRow, JobRow, JobState, Priority
from worker.ledger_alerts import AlertViews
from worker.ledger_overview import read_overview
from worker.ledger_peers import PeerViews
from worker.overview import Overview, StudyRow, is_delivered, study_state
from worker.tables import Delivery, Event, Job, JobInput, Model, ResultObject, Revision, Study

#: A Select; its type parameters are not the same in SQLAlchemy 2.0 and 2.1.
_Query = Any


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which jobs are looked for; what is left out does not matter.

    Attributes:
        model_id: The card's id.
        sender: AE title of who sent the study.
        queue: Where it runs.
        priority: How urgent it is.
        queued_before: It waits, or has been there, since before this.
        queued_after: It came after this.
    """

    model_id: str | None = None
    sender: str | None = None
    queue: str | None = None
    priority: Priority | None = None
    queued_before: datetime | None = None
    queued_after: datetime | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield what must hold of jobs and their models."""
        for column, value in (
            (Model.model_id, self.model_id),
            (Job.sender, self.sender),
            (Job.queue, self.queue),
            (Job.priority, self.priority),
        ):
            if value is not None:
                yield column == value
        if self.queued_before is not None:
            yield Job.queued_at < self.queued_before
        if self.queued_after is not None:
            yield Job.queued_at > self.queued_after


class LedgerViews(AlertViews, PeerViews):
    """What people and pages ask. Every method raises LedgerAway when the database does not answer."""

    def ping(self) -> None:
        """Prove that the ledger answers and has its tables."""
        with self.reading() as session:
            session.execute(select(Study.id).limit(1))

    def jobs(
        self, state: str | None = None, limit: int = 100, *, before: int | None = None, among: Wanted | None = None
    ) -> list[JobRow]:
        """Return jobs, newest first, of one state or of all; `before` a job's id goes further back."""
        query = _jobs().order_by(Job.id.desc()).limit(limit)
        if state is not None:
            query = query.where(Job.state == state)
        if before is not None:
            query = query.where(Job.id < before)
        if among is not None:
            query = query.where(*among.conditions())
        with self.reading() as session:
            return _job_rows(session, query)

    def job(self, job_id: int) -> JobRow | None:
        """Return a job with its deliveries, or None."""
        with self.reading() as session:
            return next(iter(_job_rows(session, _jobs().where(Job.id == job_id))), None)

    def text_report(self, job_id: int) -> str | None:
        """Return the file of a job's text SR, below the root of the results; None where nothing was told of it."""
        query = (
            select(ResultObject.file)
            .where(ResultObject.job_id == job_id, ResultObject.kind == "TEXT-SR")
            # The latest read may have made once more what an earlier one had.
            .order_by(ResultObject.fence.desc(), ResultObject.id.desc())
            .limit(1)
        )
        with self.reading() as session:
            return session.scalar(query)

    def studies(self, limit: int = 100) -> list[StudyRow]:
        """Return studies, the one that received last first."""
        with self.reading() as session:
            return _study_rows(session, select(Study).order_by(Study.last_received_at.desc(), Study.id).limit(limit))

    def study(self, study_instance_uid: str) -> StudyRow | None:
        """Return a study with its jobs, or None."""
        with self.reading() as session:
            rows = _study_rows(session, select(Study).where(Study.study_instance_uid == study_instance_uid))
            return next(iter(rows), None)

    def timeline(self, study_instance_uid: str, limit: int = 500) -> list[EventRow]:
        """Return what happened to a study and its jobs, in the order of the ledger; the latest `limit` events."""
        study = select(Study.id).where(Study.study_instance_uid == study_instance_uid).scalar_subquery()
        of_study = select(Job.id).join(Revision, Job.revision_id == Revision.id).where(Revision.study_id == study)
        query = select(Event).where(or_(Event.study_id == study, Event.job_id.in_(of_study)))
        with self.reading() as session:
            events = session.scalars(query.order_by(Event.id.desc()).limit(limit)).all()
        return [EventRow(at=e.at, kind=e.kind, job_id=e.job_id, detail=e.detail) for e in reversed(events)]

    def overview(self) -> Overview:
        """Return the state of the whole house."""
        with self.reading() as session:
            return read_overview(session)


def _jobs() -> _Query:
    return (
        select(Job, Revision, Study, Model)
        .join(Revision, Job.revision_id == Revision.id)
        .join(Study, Revision.study_id == Study.id)
        .join(Model, Job.model_digest == Model.digest)
    )


def _job_rows(session: Session, query: _Query) -> list[JobRow]:
    """Run a query for jobs and fetch what hangs on them: three queries, however many jobs."""
    found: Sequence[Any] = session.execute(query).all()
    ids = [job.id for job, _, _, _ in found]
    series = _first_series(session, ids)
    deliveries = _deliveries(session, ids)
    return [
        _job_row(job, revision, study, model, series.get(job.id, ""), deliveries.get(job.id, ()))
        for job, revision, study, model in found
    ]


def _job_row(
    job: Job, revision: Revision, study: Study, model: Model, series: str, deliveries: Sequence[DeliveryRow]
) -> JobRow:
    state = JobState(job.state)
    delivered = is_delivered(state, [row.state for row in deliveries])
    return JobRow(
        id=job.id,
        study_instance_uid=study.study_instance_uid,
        series_instance_uid=series,
        revision=revision.number,
        model_id=model.model_id,
        model_version=model.version,
        queue=job.queue,
        state=state,
        priority=Priority(job.priority),
        attempts=job.attempts,
        reason=job.reason,
        runtime=job.runtime,
        queued_at=job.queued_at,
        claimed_at=job.claimed_at,
        finished_at=job.finished_at,
        delivered=delivered,
        door_to_result_s=_door_to_result_s(revision.last_received_at, deliveries) if delivered else None,
        deliveries=tuple(deliveries),
        sender=job.sender,
    )


def _door_to_result_s(received_at: datetime, deliveries: Sequence[DeliveryRow]) -> float:
    return max(0.0, (max(row.updated_at for row in deliveries) - received_at).total_seconds())


def _first_series(session: Session, job_ids: Sequence[int]) -> Mapping[int, str]:
    query = select(JobInput.job_id, JobInput.series_instance_uid).where(JobInput.job_id.in_(job_ids))
    # Backwards, so that the first input of each job is the one that stays.
    return dict(session.execute(query.order_by(JobInput.id.desc())).all())


def _deliveries(session: Session, job_ids: Sequence[int]) -> Mapping[int, list[DeliveryRow]]:
    query = (
        select(Delivery, ResultObject)
        .join(ResultObject, Delivery.result_object_id == ResultObject.id)
        .where(ResultObject.job_id.in_(job_ids))
        .order_by(Delivery.id)
    )
    rows: dict[int, list[DeliveryRow]] = defaultdict(list)
    for delivery, result in session.execute(query):
        row = DeliveryRow(
            id=delivery.id,
            kind=result.kind,
            sop_instance_uid=result.sop_instance_uid,
            file=result.file,
            destination=delivery.destination,
            state=DeliveryState(delivery.state),
            attempts=delivery.attempts,
            reason=delivery.reason,
            updated_at=delivery.updated_at,
        )
        rows[result.job_id].append(row)
    return rows


def _study_rows(session: Session, query: _Query) -> list[StudyRow]:
    studies = session.scalars(query).all()
    ids = [study.id for study in studies]
    whole = and_(Revision.study_id.in_(ids), Revision.completion != Completion.SERIES.value)
    counting = select(Revision.study_id, func.count()).where(whole).group_by(Revision.study_id)
    revisions = dict(session.execute(counting).all())
    jobs: dict[str, list[JobRow]] = defaultdict(list)
    for job in _job_rows(session, _jobs().where(Study.id.in_(ids)).order_by(Job.id.desc())):
        jobs[job.study_instance_uid].append(job)
    return [
        StudyRow(
            study_instance_uid=study.study_instance_uid,
            folder=study.folder,
            calling_ae_title=study.calling_ae_title,
            receiving=study.receiving,
            first_received_at=study.first_received_at,
            last_received_at=study.last_received_at,
            revisions=revisions.get(study.id, 0),
            state=study_state(receiving=study.receiving, jobs=jobs[study.study_instance_uid]),
            jobs=tuple(jobs[study.study_instance_uid]),
        )
        for study in studies
    ]
