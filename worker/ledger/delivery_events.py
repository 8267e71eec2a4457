"""The line of a timeline that tells what has become of one object on its way, and where its study is found."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.ledger.database import utc_now, write_event
from worker.ledger.tables import Delivery, Job, ResultObject, Revision


def note_delivery(session: Session, delivery: Delivery, kind: str, *, touch: bool = True, **detail: object) -> None:
    """Write the event; `touch` also moves the delivery's own time, up to which door-to-result is counted."""
    if touch:
        delivery.updated_at = utc_now()
    # Not the whole row of the job: what an archive answered is recorded also where a value of it cannot be read.
    job_id, object_kind, study_id = session.execute(
        select(ResultObject.job_id, ResultObject.kind, Revision.study_id)
        .join(Job, Job.id == ResultObject.job_id)
        .join(Revision, Revision.id == Job.revision_id)
        .where(ResultObject.id == delivery.result_object_id)
    ).one()
    write_event(
        session,
        kind,
        study_id=study_id,
        job_id=job_id,
        object=object_kind,
        destination=delivery.destination,
        **{key: value for key, value in detail.items() if value not in (None, "")},
    )


def study_id_of(session: Session, job: Job) -> int:
    """Return the ledger's id of the study that a job reads."""
    return session.get_one(Revision, job.revision_id).study_id
