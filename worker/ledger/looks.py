"""What a destination has said of a study before, as the timeline and what was delivered there tell it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.job import JobState
from worker.jobs.job_records import OutgoingBatch
from worker.jobs.study_awaited import EarlierLooks
from worker.ledger.database import Database
from worker.ledger.destinations import read_destinations
from worker.ledger.tables import Delivery, Event, Job, ResultObject, Revision

_LOOKED = "object pending"
_JOB_CHANGES = tuple(f"job {state}" for state in JobState)


class LookLedger(Database):
    """Looks for a study before its results leave."""

    def earlier_looks(self, batch: OutgoingBatch) -> EarlierLooks:
        """Return what is known of a batch's study at its destination.

        The absence counts from the job's first such look since it was read, or let go on by an admin; and not from
        before the destination answers again: while it was away nobody could have sent the study there.
        """
        try:
            with self.reading() as session:
                study_id = session.scalars(
                    select(Revision.study_id).join(Job, Job.revision_id == Revision.id).where(Job.id == batch.job_id)
                ).one()
                events = session.execute(
                    select(Event.at, Event.job_id, Event.kind, Event.detail)
                    .where(Event.study_id == study_id, Event.kind.in_((_LOOKED, *_JOB_CHANGES)))
                    .order_by(Event.id)
                ).all()
                absent_since = _absent_since(events, batch)
                back_at = _back_at(session, batch.destination)
                return EarlierLooks(
                    was_there=_was_found(events, batch.destination) or _was_answered(session, study_id, batch),
                    absent_since=max(absent_since, back_at or absent_since) if absent_since else None,
                )
        except LedgerDamaged:
            # Nobody knows whether it was there: an admin looks at once.
            return EarlierLooks(was_there=True)


def _absent_since(events: Sequence[Any], batch: OutgoingBatch) -> datetime | None:
    since: datetime | None = None
    for event in events:
        if event.job_id != batch.job_id:
            continue
        if event.kind != _LOOKED:
            since = None
        elif event.detail.get("destination") == batch.destination and event.detail.get("study") == "absent":
            since = since or event.at
    return since


def _was_found(events: Sequence[Any], destination: str) -> bool:
    return any(
        event.detail.get("destination") == destination and event.detail.get("study") == "found" for event in events
    )


def _was_answered(session: Session, study_id: int, batch: OutgoingBatch) -> bool:
    """Tell whether the destination has answered for a result of any read of the study: then it had the study."""
    query = (
        select(Delivery.id)
        .join(ResultObject, ResultObject.id == Delivery.result_object_id)
        .join(Job, Job.id == ResultObject.job_id)
        .join(Revision, Revision.id == Job.revision_id)
        .where(Revision.study_id == study_id, Delivery.destination == batch.destination, Delivery.status.is_not(None))
    )
    return session.scalar(query.limit(1)) is not None


def _back_at(session: Session, destination: str) -> datetime | None:
    state = read_destinations(session).get(destination)
    return state.since if state is not None and state.answering else None
