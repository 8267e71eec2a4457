"""A job goes from one state to another: each change with its event, and what lets it be claimed again."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from worker.jobs.job import JobState, require_job
from worker.ledger.clock import Reading
from worker.ledger.database import write_event
from worker.ledger.deadlines import reopen_deadline
from worker.ledger.tables import Event, Job, Outbox, Revision, Study
from worker.ledger.turns import stand_in_line


def change_job(session: Session, job: Job, state: JobState, *, study_id: int, reason: str = "", **detail: Any) -> None:
    """Move a job to a state and write the event; raise IllegalTransition where the table does not allow it."""
    require_job(JobState(job.state), state)
    if job.state == JobState.CLAIMED and state in (JobState.FAILED, JobState.HELD):
        reopen_deadline(session, job)
    job.state = state
    job.reason = reason
    job.held_from = ""
    if reason:
        detail["reason"] = reason
    write_event(session, f"job {state}", study_id=study_id, job_id=job.id, **detail)


def queue_again(session: Session, job: Job, now: Reading, *, reason: str, wait_s: float) -> None:
    """Queue a job that was queued before; whoever held it cannot write any more."""
    job.fence += 1
    reopen_deadline(session, job)
    job.lease_owner = ""
    job.released = False  # what an admin said was about the read before
    job.clock, job.not_before_s = now.mark, now.seconds + wait_s
    change_job(session, job, JobState.QUEUED, study_id=study_of(session, job).id, reason=reason)
    stand_in_line(session, job.queue, job.sender)
    # Its last token was used up; without one the reconciler makes another as soon as the wait is over.
    session.execute(delete(Outbox).where(Outbox.job_id == job.id))
    if wait_s == 0.0:
        queue_token(session, job)


def queue_token(session: Session, job: Job) -> None:
    """Put a token for the job into the outbox, in the transaction of the change that makes it claimable."""
    session.add(Outbox(queue=job.queue, job_id=job.id))


def held_when_read(session: Session, job_id: int) -> bool:
    """Tell whether a job is held and was read right before, so that what is kept back is its read.

    Older results of it may be there all the same: of a read before it was retried, or a note that it was not read.
    """
    states = [f"job {state}" for state in JobState]
    query = select(Event.kind).where(Event.job_id == job_id, Event.kind.in_(states)).order_by(Event.id.desc()).limit(2)
    return keeps_a_read_back(session.scalars(query).all()[::-1])


def keeps_a_read_back(told: Sequence[str]) -> bool:
    """Tell by the latest states that a job's events tell of, in their order, whether it is held since it was read."""
    return list(told[-2:]) == [f"job {JobState.READ}", f"job {JobState.HELD}"]


def study_of(session: Session, job: Job) -> Study:
    """Return the study that a job reads."""
    return session.scalars(
        select(Study).join(Revision, Revision.study_id == Study.id).where(Revision.id == job.revision_id)
    ).one()
