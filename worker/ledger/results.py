"""What a read has made, as rows: each object once, and its way to each destination."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.jobs.job import DeliveryState
from worker.jobs.job_records import ResultFile
from worker.ledger.database import utc_now
from worker.ledger.superseded import made_again
from worker.ledger.tables import Delivery, Job, ResultObject

_RESULT_KEYS = ("kind", "sop_class_uid", "sop_instance_uid", "series_instance_uid", "file", "sha256")


def add_results(session: Session, job: Job, made: Sequence[tuple[ResultFile, Sequence[str]]]) -> None:
    """Record what a job has made, and the deliveries of each to its destinations; what is recorded stays as it is.

    But for what was kept back when the job was read otherwise in between.
    """
    recorded = _recorded(session, job)
    # Before any of them counts as made by this read: whether another came between is told by those that it shares.
    for result, destinations in made:
        if (known := recorded.get(result.sop_instance_uid)) is not None:
            made_again(session, known, job, destinations)
    for result, destinations in made:
        stored = recorded.get(result.sop_instance_uid)
        if stored is None:
            stored = ResultObject(
                job_id=job.id, created_at=utc_now(), **{key: getattr(result, key) for key in _RESULT_KEYS}
            )
            session.add(stored)
        stored.fence = job.fence
        session.flush()
        add_deliveries(session, stored, destinations)


def _recorded(session: Session, job: Job) -> dict[str, ResultObject]:
    """Return what a job has made before, by SOP Instance UID."""
    results = session.scalars(select(ResultObject).where(ResultObject.job_id == job.id))
    return {result.sop_instance_uid: result for result in results}


def add_deliveries(session: Session, stored: ResultObject, destinations: Sequence[str]) -> None:
    """Let a result wait for destinations; what waits, or went there, stays as it is."""
    now = utc_now()
    known = set(session.scalars(select(Delivery.destination).where(Delivery.result_object_id == stored.id)))
    for destination in destinations:
        if destination not in known:
            session.add(
                Delivery(
                    result_object_id=stored.id,
                    destination=destination,
                    state=DeliveryState.PENDING,
                    created_at=now,
                    updated_at=now,
                )
            )
