"""The line of a timeline that tells what has become of one object on its way, and where its study is found."""

from sqlalchemy.orm import Session

from worker.ledger_database import utc_now, write_event
from worker.tables import Delivery, Job, ResultObject, Revision


def note_delivery(session: Session, delivery: Delivery, kind: str, *, touch: bool = True, **detail: object) -> None:
    """Write the event; `touch` also moves the delivery's own time, up to which door-to-result is counted."""
    if touch:
        delivery.updated_at = utc_now()
    result = session.get_one(ResultObject, delivery.result_object_id)
    job = session.get_one(Job, result.job_id)
    write_event(
        session,
        kind,
        study_id=study_id_of(session, job),
        job_id=job.id,
        object=result.kind,
        destination=delivery.destination,
        **{key: value for key, value in detail.items() if value not in (None, "")},
    )


def study_id_of(session: Session, job: Job) -> int:
    """Return the ledger's id of the study that a job reads."""
    return session.get_one(Revision, job.revision_id).study_id
