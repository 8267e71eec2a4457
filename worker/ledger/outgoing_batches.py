"""What of one job may go to one destination now: found, claimed, and as a deliverer gets it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.job import DeliveryState, require_delivery
from worker.jobs.job_records import OutgoingBatch, OutgoingObject
from worker.ledger.clock import Reading
from worker.ledger.damage import require_numbers
from worker.ledger.database import LOCK, utc_now
from worker.ledger.leaving import leaves
from worker.ledger.tables import Delivery, Job, JobInput, ResultObject, Revision, Series, Study


def next_job_of(session: Session, due: Sequence[ColumnElement[bool]]) -> int | None:
    """Return the oldest job of which something is due."""
    return session.scalar(
        # Not the whole row: a value of it that cannot be read must not keep what is behind it.
        select(Job.id)
        .join(ResultObject, ResultObject.job_id == Job.id)
        .join(Delivery, Delivery.result_object_id == ResultObject.id)
        .where(leaves(), *due)
        .order_by(Job.priority, Job.finished_at, Job.id)
        .limit(1)
        # Whoever has the job locked takes all of it that waits, or is changing it.
        .with_for_update(of=Job, skip_locked=True, **LOCK)
    )


def claimed_batch(
    session: Session,
    job_id: int,
    destination: str,
    due: Sequence[ColumnElement[bool]],
    now: Reading,
    lease_s: float,
) -> OutgoingBatch | None:
    """Claim what is due of a job; None where another deliverer has taken it. Raises LedgerDamaged."""
    rows = session.execute(
        select(Delivery, ResultObject)
        .join(ResultObject, ResultObject.id == Delivery.result_object_id)
        .join(Job, Job.id == ResultObject.job_id)
        .where(ResultObject.job_id == job_id, leaves(), *due)
        .order_by(Delivery.id)
        .with_for_update(of=Delivery, **LOCK)
        .execution_options(populate_existing=True)
    ).all()
    if not rows:
        return None  # another deliverer took them a moment ago
    for delivery, _ in rows:
        require_numbers(delivery.attempts, delivery.fence, delivery.in_vain)
        require_delivery(DeliveryState(delivery.state), DeliveryState.SENDING)
        delivery.state = DeliveryState.SENDING
        delivery.attempts += 1
        delivery.fence += 1
        delivery.clock, delivery.lease_until_s = now.mark, now.seconds + lease_s
        delivery.updated_at = utc_now()
    return _batch(session, job_id, destination, [(delivery, result) for delivery, result in rows])


def _batch(
    session: Session, job_id: int, destination: str, rows: Sequence[tuple[Delivery, ResultObject]]
) -> OutgoingBatch:
    job = session.execute(
        select(Job.revision_id, Job.released, Study.study_instance_uid)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Study, Study.id == Revision.study_id)
        .where(Job.id == job_id)
    ).one()
    sources = (
        select(JobInput.files).where(JobInput.job_id == job_id),
        select(Series.manifest).where(Series.revision_id == job.revision_id).order_by(Series.id),
    )
    files = next(filter(None, (_files(session, query) for query in sources)), ())
    return OutgoingBatch(
        job_id=job_id,
        destination=destination,
        study_instance_uid=job.study_instance_uid,
        source_file=files[0] if files else "",
        released=job.released,
        objects=tuple(
            OutgoingObject(
                delivery_id=delivery.id,
                fence=delivery.fence,
                attempts=delivery.attempts,
                kind=result.kind,
                sop_instance_uid=result.sop_instance_uid,
                file=result.file,
                sha256=result.sha256,
            )
            for delivery, result in rows
        ),
    )


def _files(session: Session, query: Any) -> Sequence[str]:
    """Return the first list; where it is missing or damaged nobody knows whose study it was, and the results wait."""
    try:
        files: Sequence[str] | None = session.scalars(query.limit(1)).first()
    except LedgerDamaged:
        return ()
    return files or ()
