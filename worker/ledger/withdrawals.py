"""Objects of a superseded read that are to be deleted where they went: not before the newer read has arrived there."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from worker.jobs.job import DeliveryState, JobState, require_delivery, retry_wait_s
from worker.jobs.job_records import WithdrawnObject
from worker.jobs.overview import DONE_WITH
from worker.jobs.still_there import THERE
from worker.ledger.commitments import forget_commitment
from worker.ledger.damage import require_numbers
from worker.ledger.damaged_deliveries import first_whole
from worker.ledger.database import LOCK, Database, utc_now
from worker.ledger.delivery_events import note_delivery
from worker.ledger.leaving import ENDED_UNREAD
from worker.ledger.tables import Delivery, Job, ResultObject, Revision, Study, Withdrawal
from worker.ledger.waits import is_over
from worker.object_kinds import REJECTION

#: What a destination was to get, and has not got: of an earlier read of the same job, or since another went instead.
_GONE = (DeliveryState.REPLACED, DeliveryState.WITHDRAWN)


def newer_has_arrived() -> ColumnElement[bool]:
    """Return the condition that the newer read of a Withdrawal is, as a whole, where the Delivery went."""
    newer, of_newer, other = aliased(Delivery), aliased(ResultObject), aliased(Withdrawal)
    of_newer_read = (
        select(newer.id)
        .join(of_newer, of_newer.id == newer.result_object_id)
        # What the job had sent before it was read again is being withdrawn itself.
        .outerjoin(other, other.delivery_id == newer.id)
        .where(
            of_newer.job_id == Withdrawal.job_id,
            newer.destination == Delivery.destination,
            other.delivery_id.is_(None),
        )
        .correlate(Withdrawal, Delivery)
    )
    missing = of_newer_read.where(newer.state.not_in(DONE_WITH)).exists()
    # Of a read that an admin has waived as a whole nothing takes the place of the earlier one.
    there = of_newer_read.where(newer.state.in_(THERE)).exists()
    newer_job = aliased(Job)
    of_job = select(newer_job.id).where(newer_job.id == Withdrawal.job_id).correlate(Withdrawal)
    was_read = of_job.where(newer_job.state == JobState.READ).exists()
    # A note that nothing was read takes nothing's place.
    ended_unread = of_job.where(newer_job.state.in_(ENDED_UNREAD)).exists()
    # Where the newer read has found nothing of what the destination gets, nothing more will come.
    nothing_goes_there = ~of_newer_read.where(newer.state.not_in(_GONE)).exists()
    return and_(~missing, ~ended_unread, or_(there, and_(nothing_goes_there, was_read)))


def states_of_latest(session: Session, job_id: int, destination: str) -> set[str]:
    """Return the states at a destination of what the latest read of a job has made, notes of rejection aside."""
    latest = select(func.max(ResultObject.fence)).where(ResultObject.job_id == job_id).scalar_subquery()
    query = (
        select(Delivery.state)
        .join(ResultObject, ResultObject.id == Delivery.result_object_id)
        .where(
            ResultObject.job_id == job_id,
            ResultObject.kind != REJECTION,
            ResultObject.fence == latest,
            Delivery.destination == destination,
            # Of results of a wetread that kept no fence.
            ~select(Withdrawal.delivery_id).where(Withdrawal.delivery_id == Delivery.id).exists(),
        )
    )
    return set(session.scalars(query))


class WithdrawalLedger(Database):
    """Withdrawals."""

    def next_withdrawal(self, destination: str) -> WithdrawnObject | None:
        """Return one object that is to be deleted there now; None where there is none, or the newer read is missing."""
        due = (
            Delivery.destination == destination,
            # It has not arrived yet, or is just arriving.
            Delivery.state != DeliveryState.SENDING,
            # So that a database begins with these, not with all that was ever sent.
            Delivery.id.in_(
                select(Withdrawal.delivery_id).where(is_over(Withdrawal, Withdrawal.not_before_s, self.clock.read()))
            ),
            newer_has_arrived(),
        )
        next_job = (
            select(ResultObject.job_id)
            .join(Delivery, Delivery.result_object_id == ResultObject.id)
            .join(Withdrawal, Withdrawal.delivery_id == Delivery.id)
            .where(*due)
            .order_by(Delivery.id)
            .limit(1)
        )
        if not self.finds(next_job):
            return None
        return first_whole(
            self,
            destination,
            lambda session: session.scalar(next_job),
            lambda session, job_id: _first_of(session, job_id, due),
        )

    def has_arrived(self, job_id: int, destination: str) -> bool:
        """Say whether everything of a job that goes to a destination has been taken there, notes of rejection aside.

        What the job had sent before it was read again is no proof of that. Where it has nothing for the destination,
        nothing more will come.
        """
        with self.reading() as session:
            states = states_of_latest(session, job_id, destination)
        return states <= {*DONE_WITH, DeliveryState.UNCOMMITTED} and (not states or bool(states.intersection(THERE)))

    def withdrawn(self, item: WithdrawnObject) -> None:
        """Record that it is deleted; it is sent again where that was called off meanwhile."""
        with self.writing() as session:
            delivery = session.get_one(Delivery, item.delivery_id, with_for_update=LOCK)
            withdrawal = session.get(Withdrawal, item.delivery_id)
            if withdrawal is None:
                _send_once_more(session, delivery)
                return
            require_delivery(DeliveryState(delivery.state), DeliveryState.WITHDRAWN)
            delivery.state = DeliveryState.WITHDRAWN
            forget_commitment(session, delivery)
            session.delete(withdrawal)
            note_delivery(session, delivery, "object withdrawn", superseded_by=item.job_id)

    def postpone_withdrawal(
        self,
        item: WithdrawnObject,
        *,
        reason: str,
        first_retry_s: float,
        longest_retry_s: float,
        give_up_after_s: float,
    ) -> None:
        """Try again after a growing wait; after the last day the object stays, and the timeline says so."""
        now = self.clock.read()
        with self.writing() as session:
            delivery = session.get_one(Delivery, item.delivery_id, with_for_update=LOCK)
            withdrawal = session.get(Withdrawal, item.delivery_id)
            if withdrawal is None:
                return  # called off while the archive was asked
            if (utc_now() - withdrawal.created_at).total_seconds() > give_up_after_s:
                session.delete(withdrawal)
                note_delivery(session, delivery, "withdrawal given up", touch=False, reason=reason)
                return
            withdrawal.attempts += 1
            wait_s = retry_wait_s(withdrawal.attempts, first_retry_s, longest_retry_s)
            withdrawal.clock, withdrawal.not_before_s = now.mark, now.seconds + wait_s
            note_delivery(session, delivery, "object not withdrawn", touch=False, reason=reason, wait_s=wait_s)


def _first_of(session: Session, job_id: int, due: Sequence[ColumnElement[bool]]) -> WithdrawnObject | None:
    """Return the first object of a superseded job that is due; None where it was a moment ago. Raises LedgerDamaged."""
    found = session.execute(
        # The delivery too: whoever records what became of it needs it whole.
        select(Withdrawal, Delivery, ResultObject, Study.study_instance_uid)
        .join(Delivery, Delivery.id == Withdrawal.delivery_id)
        .join(ResultObject, ResultObject.id == Delivery.result_object_id)
        .join(Job, Job.id == ResultObject.job_id)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Study, Study.id == Revision.study_id)
        .where(ResultObject.job_id == job_id, *due)
        .order_by(Delivery.id)
        .limit(1)
        .execution_options(populate_existing=True)
    ).first()
    if found is None:
        return None
    withdrawal, _, result, study_instance_uid = found
    require_numbers(withdrawal.attempts)
    return WithdrawnObject(
        delivery_id=withdrawal.delivery_id,
        job_id=withdrawal.job_id,
        attempts=withdrawal.attempts,
        study_instance_uid=study_instance_uid,
        series_instance_uid=result.series_instance_uid,
        sop_instance_uid=result.sop_instance_uid,
    )


def _send_once_more(session: Session, delivery: Delivery) -> None:
    """Let what was deleted in the very moment in which the job was read so again get there again."""
    if delivery.state not in THERE:
        return
    require_delivery(DeliveryState(delivery.state), DeliveryState.PENDING)
    delivery.state, delivery.status, delivery.not_before_s, delivery.created_at = (
        DeliveryState.PENDING,
        None,
        0.0,
        utc_now(),
    )
    forget_commitment(session, delivery)
    note_delivery(
        session, delivery, "object pending", reason="it was deleted, and the job's latest read has made it again"
    )
