"""What an admin does is told in the timeline, with who did it: one function, whatever is done."""

from typing import Any

from sqlalchemy.orm import Session

from worker.ledger.database import write_event

#: The kind of the event; its detail has `action` and `by`.
ADMIN_ACTION = "admin action"

#: Who acts where nobody says so.
AN_ADMIN = "an admin"


def record_admin_action(
    session: Session, action: str, *, by: str, study_id: int | None = None, job_id: int | None = None, **detail: Any
) -> None:
    """Record that somebody did something, in the transaction of the change itself.

    Args:
        session: Of that transaction.
        action: The command's name: prioritise, hold, resume, retry, cancel, release-hold, waive.
        by: The user of the operating system who did it.
        study_id: Of the ledger, where it was done to a study or to one of its jobs.
        job_id: Of the ledger, where it was done to a job.
        detail: What else is to be told.
    """
    write_event(session, ADMIN_ACTION, study_id=study_id, job_id=job_id, action=action, by=by, **detail)
