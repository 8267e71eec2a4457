"""The ledger's deadlines: until when a job should be read, and whether that has passed.

Whether a read is late is decided once, before its objects are encoded, and kept: the objects say it, so it must not
depend on when somebody looks.
"""

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import LeaseLost, LedgerDamaged
from worker.jobs.job import JobState
from worker.jobs.job_records import Claim
from worker.jobs.notification import is_late
from worker.ledger.clock import Reading
from worker.ledger.damage import damage_told, put_aside
from worker.ledger.database import LOCK, Database, utc_now, write_event
from worker.ledger.notifications import record_notification
from worker.ledger.tables import Deadline, Job, Revision
from worker.ledger.waits import is_over, seconds_left

_log = structlog.get_logger()

#: States in which a job still owes its read: also one that failed, or was held before it was read.
_OWING = (JobState.QUEUED, JobState.CLAIMED, JobState.FAILED, JobState.HELD)


class DeadlineLedger(Database):
    """Deadlines."""

    def pass_deadlines(self) -> list[int]:
        """Record which deadlines have passed without a read, and that somebody is to hear of it; return the jobs."""
        now = self.clock.read()
        with self.writing() as session:
            # Not the whole rows: a value of them that cannot be read must not keep the deadlines of others.
            found = session.execute(
                select(Job.id, Job.state)
                .join(Deadline, Deadline.job_id == Job.id)
                .where(Deadline.passed.is_(None), is_over(Deadline, Deadline.until_s, now), Job.state.in_(_OWING))
                .order_by(Job.id)
                # Both: one that another reconciler has decided a moment ago drops out.
                .with_for_update(of=[Deadline, Job], skip_locked=True, **LOCK)
            ).all()
            return [it.id for it in found if _decide_apart(session, it.id, JobState(it.state), now)]

    def settle_deadline(self, claim: Claim) -> float | None:
        """Decide, for good, whether this read comes late; return the deadline in seconds where it does, else None.

        Raises LeaseLost when somebody else holds the job by now.
        """
        now = self.clock.read()
        with self.writing() as session:
            job = session.get_one(Job, claim.job_id, with_for_update=LOCK)
            if job.state != JobState.CLAIMED or job.fence != claim.fence:
                raise LeaseLost(f"job {claim.job_id} is {job.state} by now: this worker's lease ran out")
            deadline = _deadline_of(session, job)
            if deadline is None:
                return None
            if deadline.passed is None and not _decide(session, deadline, job, now):
                deadline.passed = False
            return deadline.within_s if deadline.passed else None


def record_deadline(session: Session, job: Job, within_s: float, now: Reading) -> None:
    """Record until when a job should be read, in the transaction that queues it."""
    session.add(Deadline(job_id=job.id, within_s=within_s, clock=now.mark, until_s=now.seconds + within_s))


def reopen_deadline(session: Session, job: Job) -> None:
    """Forget that a read was in time: that attempt came to nothing. What is late stays late.

    Of a job that was read before, that read was in time, whatever becomes of another.
    """
    deadline = session.get(Deadline, job.id)
    if deadline is not None and deadline.passed is False and not job.recipe_digest:
        deadline.passed = None


def _decide_apart(session: Session, job_id: int, state: JobState, now: Reading) -> bool:
    try:
        with session.begin_nested(), damage_told():
            job = session.get_one(Job, job_id)
            deadline = _deadline_of(session, job)
            return deadline is not None and _decide(session, deadline, job, now)
    except LedgerDamaged as damage:
        put_aside(session, job_id, state, damage)
        return False


def _deadline_of(session: Session, job: Job) -> Deadline | None:
    """Return a job's deadline; one of which nobody knows how long it was is forgotten, and the log tells of it."""
    deadline = session.get(Deadline, job.id)
    if deadline is None or isinstance(deadline.within_s, int | float):
        return deadline
    session.delete(deadline)
    _log.error("damaged deadline forgotten", job=job.id, remedy="nobody is told where this read comes late")
    return None


def _decide(session: Session, deadline: Deadline, job: Job, now: Reading) -> bool:
    """Record that a deadline has passed if it has; return whether."""
    late = is_late(
        seconds_left=seconds_left(deadline.clock, deadline.until_s, now),
        waited_s=(utc_now() - job.queued_at).total_seconds(),
        deadline_s=deadline.within_s,
    )
    if late:
        deadline.passed = True
        study_id = session.get_one(Revision, job.revision_id).study_id
        write_event(session, "deadline passed", study_id=study_id, job_id=job.id, deadline_s=deadline.within_s)
        record_notification(session, job, "overdue", deadline_s=deadline.within_s)
    return late
