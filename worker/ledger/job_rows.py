"""Jobs as the admin sees them; one whose rows are damaged is named, and the others are shown."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.admin_rows import DeliveryRow, JobRow
from worker.jobs.job import DeliveryState, JobState, Priority
from worker.jobs.overview import is_delivered
from worker.ledger.tables import Delivery, Job, JobInput, Model, ResultObject, Revision, Study
from worker.ledger.values import readable_values

#: Shown where no time can be read.
NO_TIME = datetime.fromtimestamp(0, UTC)

#: A Select; its type parameters are not the same in SQLAlchemy 2.0 and 2.1.
Query = Any


def all_jobs() -> Query:
    """Return the query for every job, with what it hangs on; a list adds what it is looked for by, and its order."""
    return (
        select(Job, Revision, Study, Model)
        .join(Revision, Job.revision_id == Revision.id)
        .join(Study, Revision.study_id == Study.id)
        .join(Model, Job.model_digest == Model.digest)
    )


def job_rows(session: Session, query: Query) -> list[JobRow]:
    """Run a query for jobs and fetch what hangs on them: three queries, however many jobs.

    Where something of one of them is damaged each is asked for by itself, and of that one what can be read is shown.
    """
    try:
        return _whole_rows(session, query)
    except LedgerDamaged:
        ids = session.scalars(query.with_only_columns(Job.id)).all()
        return [_row_of(session, job_id) for job_id in ids]


def _whole_rows(session: Session, query: Query) -> list[JobRow]:
    found: Sequence[Any] = session.execute(query).all()
    ids = [job.id for job, _, _, _ in found]
    series = _first_series(session, ids)
    deliveries = _deliveries(session, ids)
    return [
        _job_row(job, revision, study, model, series.get(job.id, ""), deliveries.get(job.id, ()))
        for job, revision, study, model in found
    ]


def _row_of(session: Session, job_id: int) -> JobRow:
    try:
        return _whole_rows(session, all_jobs().where(Job.id == job_id))[0]
    except LedgerDamaged as damage:
        return _damaged_row(session, job_id, damage)


def _damaged_row(session: Session, job_id: int, damage: LedgerDamaged) -> JobRow:
    """Return what can be read of a job, and that the rest cannot; its results are left out."""
    job = readable_values(session, Job, Job.id == job_id)
    revision = readable_values(session, Revision, Revision.id == job["revision_id"])
    study = readable_values(session, Study, Study.id == revision.get("study_id"))
    model = readable_values(session, Model, Model.digest == job["model_digest"])
    return JobRow(
        id=job_id,
        study_instance_uid=study.get("study_instance_uid") or "",
        series_instance_uid="",
        revision=revision.get("number") or 0,
        model_id=model.get("model_id") or "",
        model_version=model.get("version") or "",
        queue=job["queue"] or "",
        # In a state that is none it can go nowhere but by an admin.
        state=JobState(job["state"]) if job["state"] in set(JobState) else JobState.HELD,
        priority=Priority(job["priority"]) if job["priority"] in set(Priority) else Priority.ROUTINE,
        attempts=job["attempts"] or 0,
        reason="; ".join(filter(None, (str(damage), job["reason"]))),
        runtime=job["runtime"] or "",
        queued_at=job["queued_at"] or revision.get("closed_at") or study.get("last_received_at") or NO_TIME,
        claimed_at=job["claimed_at"],
        finished_at=job["finished_at"],
        delivered=False,
        door_to_result_s=None,
        sender=job["sender"] or "",
    )


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
