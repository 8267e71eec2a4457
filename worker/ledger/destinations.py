"""What the ledger knows of a destination as a whole: whether it answers, and what of all that waits for it is due."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from worker.jobs.job import AWAITED, DeliveryState, require_delivery
from worker.jobs.overview import Answering
from worker.ledger.database import LOCK, Database, lock_name, utc_now
from worker.ledger.delivery_events import note_delivery
from worker.ledger.job_rows import NO_TIME
from worker.ledger.leaving import leaves
from worker.ledger.tables import Delivery, DestinationState, Job, ResultObject
from worker.ledger.values import if_readable

_UNNAMED = (
    "the settings of `wetread deliver` name no such destination; name it again, or let be what need not get there: "
    "`wetread waive JOB --destination NAME`"
)


class DestinationLedger(Database):
    """Destinations."""

    def destinations(self) -> Mapping[str, Answering]:
        """Return what is known of each destination that has ever failed."""
        with self.reading() as session:
            return read_destinations(session)

    def note_destination(self, name: str, *, answering: bool, reason: str = "") -> None:
        """Record that a destination answers from now on, or does not any more and why."""
        with self.writing() as session:
            lock_name(session, f"destination {name}")
            # Whatever stands there: what of it cannot be read does not matter any more.
            session.execute(delete(DestinationState).where(DestinationState.name == name))
            session.add(DestinationState(name=name, answering=answering, reason=reason, since=utc_now()))

    def keep_destinations(self, names: Collection[str]) -> Mapping[str, int]:
        """Forget of destinations that are no longer there whether they answer; return what waits for them, by name.

        Of these it is told that they do not, and why: nobody else would say that what waits there waits in vain.
        """
        with self.writing() as session:
            session.execute(delete(DestinationState).where(DestinationState.name.not_in(names)))
            found = session.execute(
                select(Delivery.destination, func.count())
                .join(ResultObject, ResultObject.id == Delivery.result_object_id)
                .join(Job, Job.id == ResultObject.job_id)
                .where(Delivery.destination.not_in(names), Delivery.state.in_(AWAITED), leaves())
                .group_by(Delivery.destination)
            ).all()
            waiting = {name: number for name, number in found if isinstance(name, str)}
            for name in waiting:
                session.add(DestinationState(name=name, answering=False, reason=_UNNAMED, since=utc_now()))
            return waiting

    def release_waiting(self, destination: str) -> int:
        """Let all that waits for its next attempt be due now, since the destination answers again; return how many."""
        now = self.clock.read()
        with self.writing() as session:
            released = session.scalars(
                update(Delivery)
                .where(
                    Delivery.destination == destination,
                    Delivery.state == DeliveryState.PENDING,
                    Delivery.clock == now.mark,
                    Delivery.not_before_s > now.seconds,
                )
                .values(not_before_s=now.seconds)
                .returning(Delivery.id)
            ).all()
            return len(released)

    def abandon_overdue(self, destination: str, *, give_up_after_s: float, reason: str) -> int:
        """Give up what has waited too long for a destination that is not tried any more; return how many."""
        before = utc_now() - timedelta(seconds=give_up_after_s)
        with self.writing() as session:
            overdue = session.scalars(
                select(Delivery)
                .join(ResultObject, ResultObject.id == Delivery.result_object_id)
                .join(Job, Job.id == ResultObject.job_id)
                .where(
                    Delivery.destination == destination,
                    Delivery.state == DeliveryState.PENDING,
                    Delivery.created_at < before,
                    # What is held waits for an admin, or for another read, not for the archive.
                    leaves(),
                )
                .order_by(Delivery.id)
                .with_for_update(of=Delivery, skip_locked=True, **LOCK)
            ).all()
            for delivery in overdue:
                require_delivery(DeliveryState.PENDING, DeliveryState.ABANDONED)
                delivery.state, delivery.reason = DeliveryState.ABANDONED, reason
                note_delivery(session, delivery, "object abandoned", reason=reason)
            return len(overdue)


def read_destinations(session: Session) -> Mapping[str, Answering]:
    """Return what is known of each destination that has ever failed, as one transaction sees it."""
    since = if_readable(session, DestinationState.since)
    query = select(DestinationState.name, DestinationState.answering, DestinationState.reason, since)
    return {
        name: Answering(answering=bool(answering), reason=reason, since=at or NO_TIME)
        for name, answering, reason, at in session.execute(query)
    }
