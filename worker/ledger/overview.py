"""The queries behind the overview. How many there are does not depend on how much the ledger holds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from worker.errors import LedgerDamaged
from worker.jobs.job import DeliveryState, JobState, Priority
from worker.jobs.overview import DONE_WITH, LOST, Failure, Overview, Waiting, door_to_result
from worker.ledger.alerts import read_alerts
from worker.ledger.database import utc_now
from worker.ledger.destinations import read_destinations
from worker.ledger.job_rows import NO_TIME
from worker.ledger.leaving import leaves
from worker.ledger.tables import Delivery, Job, Model, ResultObject, Revision, Study
from worker.ledger.turns import read_holds
from worker.ledger.values import if_readable

#: A failure older than this is told in the list, but no longer cried out.
LATELY = timedelta(hours=24)
_LATEST_FAILURES = 10
_LATEST_DELIVERED = 200
#: Among so many latest read jobs the delivered ones are looked for: a bound, however long the ledger gets.
_LATEST_READ = 1000
_UNDER_WAY = (DeliveryState.PENDING, DeliveryState.SENDING)
_UNREAD = (JobState.QUEUED, JobState.CLAIMED)


def read_overview(session: Session) -> Overview:
    """Return the state of the whole house as one transaction sees it."""
    at = utc_now()
    counted = dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).all())
    by_delivery = session.execute(
        select(Delivery.destination, Delivery.state, func.count()).group_by(Delivery.state, Delivery.destination)
    ).all()
    failed = select(func.count()).select_from(Job).where(Job.state == JobState.FAILED, Job.finished_at >= at - LATELY)
    lost = (
        select(func.count()).select_from(Delivery).where(Delivery.state.in_(LOST), Delivery.updated_at >= at - LATELY)
    )
    waiting = (
        select(func.count(func.distinct(Revision.study_id)))
        .select_from(Job)
        .join(Revision, Job.revision_id == Revision.id)
        .where(Job.state.in_(_UNREAD))
    )
    receiving = select(func.count()).select_from(Study).where(Study.receiving)
    return Overview(
        at=at,
        jobs={state: counted.get(state, 0) for state in JobState},
        studies_receiving=session.scalar(receiving) or 0,
        studies_waiting=session.scalar(waiting) or 0,
        oldest_queued_s=_oldest_queued_s(session, at),
        # What is in a state that is none is refused soon (`free_expired_deliveries`).
        deliveries={
            (destination, DeliveryState(state)): count
            for destination, state, count in by_delivery
            if state in set(DeliveryState)
        },
        waiting=_waiting(session, at),
        failed_lately=session.scalar(failed) or 0,
        lost_lately=session.scalar(lost) or 0,
        failures=_failures(session),
        door_to_result=door_to_result(_door_to_result_s(session)),
        alerts=read_alerts(session, _LATEST_FAILURES),
        queued=_queued(session),
        held=tuple(read_holds(session)),
        destinations=read_destinations(session),
    )


def _oldest_queued_s(session: Session, at: datetime) -> float | None:
    queued = Job.state == JobState.QUEUED
    try:
        oldest = session.scalar(select(func.min(Job.queued_at)).where(queued))
    except LedgerDamaged:
        # Only now: an index knows the least of what stands there, whatever it is.
        oldest = session.scalar(select(func.min(if_readable(session, Job.queued_at))).where(queued))
    return None if oldest is None else _age_s(oldest, at)


def _queued(session: Session) -> Mapping[tuple[str, Priority], int]:
    query = select(Job.queue, Job.priority, func.count()).where(Job.state == JobState.QUEUED)
    counted = Counter[tuple[str, Priority]]()
    for queue, priority, count in session.execute(query.group_by(Job.queue, Job.priority)):
        # As a list of jobs shows it, until a claim puts it aside.
        counted[queue, Priority(priority) if priority in set(Priority) else Priority.ROUTINE] += count
    return counted


def _age_s(then: datetime, now: datetime) -> float:
    # The wall clock may have been set back since.
    return max(0.0, (now - then).total_seconds())


def _waiting(session: Session, at: datetime) -> tuple[Waiting, ...]:
    query = (
        select(
            Delivery.destination,
            func.count(Delivery.id),
            func.min(if_readable(session, Delivery.created_at)),
            func.count(Delivery.id).filter(Delivery.attempts > 0, Delivery.state == DeliveryState.PENDING),
        )
        .join(ResultObject, Delivery.result_object_id == ResultObject.id)
        .join(Job, ResultObject.job_id == Job.id)
        # Also the notes of what was not read. The results of a held job wait for a person, not for the destination.
        .where(Delivery.state.in_(_UNDER_WAY), leaves())
        .group_by(Delivery.destination)
        .order_by(Delivery.destination)
    )
    return tuple(
        Waiting(destination=destination, count=count, oldest_s=_age_s(oldest or at, at), tried=tried)
        for destination, count, oldest, tried in session.execute(query)
    )


def _failures(session: Session) -> tuple[Failure, ...]:
    """Return the latest failures of jobs and deliveries, newest first."""
    ended_at = func.coalesce(
        *(if_readable(session, column) for column in (Job.finished_at, Job.claimed_at, Job.queued_at))
    )
    updated_at = func.max(if_readable(session, Delivery.updated_at))
    jobs = (
        select(ended_at, Job.state, Job.id, Study.study_instance_uid, Model.model_id, Job.reason)
        .join(Revision, Job.revision_id == Revision.id)
        .join(Study, Revision.study_id == Study.id)
        .join(Model, Job.model_digest == Model.digest)
        .where(Job.state.in_((JobState.FAILED, JobState.HELD)))
        .order_by(ended_at.desc())
        .limit(_LATEST_FAILURES)
    )
    # One line for a job and destination: an archive that refuses refuses every object of the job.
    deliveries = (
        select(
            updated_at,
            Delivery.state,
            Job.id,
            Study.study_instance_uid,
            Model.model_id,
            Delivery.destination,
            func.max(Delivery.reason),
        )
        .join(ResultObject, Delivery.result_object_id == ResultObject.id)
        .join(Job, ResultObject.job_id == Job.id)
        .join(Revision, Job.revision_id == Revision.id)
        .join(Study, Revision.study_id == Study.id)
        .join(Model, Job.model_digest == Model.digest)
        .where(Delivery.state.in_(LOST))
        .group_by(Job.id, Delivery.destination, Delivery.state, Study.study_instance_uid, Model.model_id)
        .order_by(updated_at.desc())
        .limit(_LATEST_FAILURES)
    )
    found = [
        Failure(
            at=at or NO_TIME,
            what=state,
            job_id=job_id,
            study_instance_uid=uid,
            model_id=model_id,
            destination="",
            reason=reason,
        )
        for at, state, job_id, uid, model_id, reason in session.execute(jobs)
    ]
    found += [
        Failure(
            at=at or NO_TIME,
            what=state,
            job_id=job_id,
            study_instance_uid=uid,
            model_id=model_id,
            destination=destination,
            reason=reason,
        )
        for at, state, job_id, uid, model_id, destination, reason in session.execute(deliveries)
    ]
    return tuple(sorted(found, key=lambda failure: failure.at, reverse=True)[:_LATEST_FAILURES])


def _door_to_result_s(session: Session) -> Sequence[float]:
    """Return the times of the latest delivered jobs."""
    missing = aliased(Delivery)
    of_missing = aliased(ResultObject)
    not_arrived = (
        select(missing.id)
        .join(of_missing, missing.result_object_id == of_missing.id)
        .where(of_missing.job_id == Job.id, missing.state.not_in(DONE_WITH))
        .exists()
    )
    arrived_at = (
        select(func.max(if_readable(session, Delivery.updated_at)))
        .join(ResultObject, Delivery.result_object_id == ResultObject.id)
        .where(ResultObject.job_id == Job.id)
        .scalar_subquery()
    )
    latest = select(Job.id).where(Job.state == JobState.READ).order_by(Job.id.desc()).limit(_LATEST_READ).subquery()
    query = (
        select(if_readable(session, Revision.last_received_at), arrived_at)
        .select_from(Job)
        .join(Revision, Job.revision_id == Revision.id)
        .join(latest, Job.id == latest.c.id)
        .where(~not_arrived, arrived_at.is_not(None))
        .order_by(Job.id.desc())
        .limit(_LATEST_DELIVERED)
    )
    return [_age_s(received, arrived) for received, arrived in session.execute(query) if received and arrived]
