"""The ledger's side of storage commitment (PS3.4 J): who is to be asked for what, and what was answered."""

import uuid
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.orm import Session, aliased, load_only

from worker.jobs.job import LEAVING, DeliveryState, JobState, require_delivery, retry_wait_s
from worker.jobs.job_records import CommitmentBatch
from worker.ledger.clock import Reading
from worker.ledger.damage import require_numbers
from worker.ledger.damaged_deliveries import first_whole
from worker.ledger.database import LOCK, Database, utc_now
from worker.ledger.delivery_events import note_delivery
from worker.ledger.leaving import leaves
from worker.ledger.tables import Commitment, CommitmentRequest, Delivery, Job, ResultObject, Revision, Study, Withdrawal
from worker.ledger.waits import is_over
from worker.object_kinds import REJECTION

#: What an archive has taken and can commit to.
_TAKEN = (DeliveryState.ACCEPTED, DeliveryState.UNCOMMITTED)
_ON_THE_WAY = (DeliveryState.PENDING, DeliveryState.SENDING)
_DAY_S = 86400.0
#: Whatever else does not leave now may go on, and then sends again what its archive has lost.
_NEVER_LEAVES = (JobState.SUPERSEDED, JobState.CANCELLED)


class CommitmentLedger(Database):
    """Commitments. One request asks for everything of one job that one destination has taken."""

    def claim_commitment(self, destination: str, *, timeout_s: float, give_up_after_s: float) -> CommitmentBatch | None:
        """Record the next request that is due for this destination, and return it to be made; None where none is.

        It is due once nothing else of the job is on its way there. From now on its report is waited for, each time
        twice as long, up to a day; what is not committed to for too long is given up.
        """
        now = self.clock.read()
        due = (
            Delivery.destination == destination,
            Delivery.state.in_(_TAKEN),
            # So that a database begins with the few that are to be asked for, not with all that was ever taken.
            Delivery.id.in_(select(Commitment.delivery_id).where(is_over(Commitment, Commitment.not_before_s, now))),
        )

        def ask(session: Session, job_id: int) -> CommitmentBatch | None:
            return _asked_for(session, job_id, due, now, timeout_s, give_up_after_s)

        return first_whole(self, destination, lambda session: _next_job(session, destination, due), ask)

    def want_commitments(self, destination: str) -> int:
        """Ask for what a destination took before it was to commit to what it takes; return of how many objects.

        Of studies whose images are kept until then. What was asked for once is not asked for again: it was given up.
        """
        never = Delivery.id.not_in(select(CommitmentRequest.delivery_id))
        kept = Delivery.result_object_id.in_(
            select(ResultObject.id)
            .join(Job, Job.id == ResultObject.job_id)
            .join(Revision, Revision.id == Job.revision_id)
            .join(Study, Study.id == Revision.study_id)
            .where(Study.images_removed_at.is_(None), Job.state.in_(LEAVING))
        )
        with self.writing() as session:
            return ask_for_taken(session, [destination], and_(never, kept))

    def require_no_commitment(self, destination: str, *, asked: bool) -> int:
        """Count as accepted what waits for the commitment of a destination that need not commit any more.

        Args:
            destination: Its name.
            asked: Whether it is asked all the same.

        Returns how many objects.
        """
        with self.writing() as session:
            waiting = session.scalars(
                select(Delivery)
                .where(Delivery.destination == destination, Delivery.state == DeliveryState.UNCOMMITTED)
                .order_by(Delivery.id)
                .with_for_update(**LOCK)
                # A time that cannot be read must not keep the destination from being served.
                .options(load_only(Delivery.state, Delivery.destination, Delivery.result_object_id))
            ).all()
            for delivery in waiting:
                require_delivery(DeliveryState.UNCOMMITTED, DeliveryState.ACCEPTED)
                delivery.state = DeliveryState.ACCEPTED
                if not asked:
                    forget_commitment(session, delivery)
                reason = "the settings no longer require its commitment"
                note_delivery(session, delivery, "object accepted", touch=False, reason=reason)
            return len(waiting)

    def ask_again(self) -> int:
        """Let be asked for what must be committed to and nobody would ask for any more; return how many."""
        wished = select(Commitment.delivery_id).where(Commitment.delivery_id == Delivery.id).exists()
        with self.writing() as session:
            forgotten = session.scalars(
                select(Delivery)
                .where(Delivery.state == DeliveryState.UNCOMMITTED, ~wished)
                .order_by(Delivery.id)
                .with_for_update(**LOCK)
            ).all()
            for delivery in forgotten:
                # Counted from now: else it would be given up at once.
                session.add(Commitment(delivery_id=delivery.id, created_at=utc_now()))
            return len(forgotten)

    def postpone_commitment(
        self, batch: CommitmentBatch, *, reason: str, first_retry_s: float, longest_retry_s: float
    ) -> None:
        """Ask again after a growing wait, since the request could not be made or was not taken."""
        now = self.clock.read()
        with self.writing() as session:
            rows = session.execute(
                select(Commitment, Delivery)
                .join(Delivery, Delivery.id == Commitment.delivery_id)
                .join(CommitmentRequest, CommitmentRequest.delivery_id == Delivery.id)
                .where(CommitmentRequest.transaction_uid == batch.transaction_uid, Delivery.state.in_(_TAKEN))
                .order_by(Delivery.id)
                .with_for_update(of=(Delivery, Commitment), **LOCK)
            ).all()
            for wish, delivery in rows:
                wait_s = retry_wait_s(wish.attempts, first_retry_s, longest_retry_s)
                wish.clock, wish.not_before_s = now.mark, now.seconds + wait_s
                delivery.reason = reason
                note_delivery(session, delivery, "commitment not asked", touch=False, reason=reason, wait_s=wait_s)

    def commitment_reported(
        self,
        transaction_uid: str,
        *,
        committed: Collection[str],
        failed: Mapping[str, str],
        destinations: Collection[str],
        first_retry_s: float,
        longest_retry_s: float,
        give_up_after_s: float,
    ) -> bool:
        """Record a report; return whether one of these destinations was asked so.

        What was committed to is *committed*. What was not, also where the report says both, is sent again, after a
        growing wait, and then asked for again; what the report leaves out is asked for again in its time.

        Args:
            transaction_uid: (0008,1195).
            committed: SOP Instance UIDs.
            failed: SOP Instance UID to why, in words.
            destinations: Whom the report may be of.
            first_retry_s: Wait before an object that failed is sent again; it doubles with each attempt.
            longest_retry_s: Longest such wait.
            give_up_after_s: An object that still fails so long after it was made is given up.
        """
        now = self.clock.read()
        with self.writing() as session:
            rows = session.execute(
                select(Delivery, ResultObject)
                .join(CommitmentRequest, CommitmentRequest.delivery_id == Delivery.id)
                .join(ResultObject, ResultObject.id == Delivery.result_object_id)
                .where(CommitmentRequest.transaction_uid == transaction_uid, Delivery.destination.in_(destinations))
                .order_by(Delivery.id)
                .with_for_update(of=Delivery, **LOCK)
            ).all()
            for delivery, result in rows:
                if delivery.state not in _TAKEN:
                    continue  # an earlier report, or a later attempt, has decided about it
                # Who says both does not know: the archive gets it again, where it may be lost otherwise.
                if result.sop_instance_uid in failed:
                    why = failed[result.sop_instance_uid]
                    age_s = (utc_now() - delivery.created_at).total_seconds()
                    superseded = session.get(Withdrawal, delivery.id) is not None
                    # Only now: while the delivery was waited for, a newer read may have taken the job's place.
                    state = session.scalar(select(Job.state).where(Job.id == result.job_id))
                    if age_s > give_up_after_s or state in _NEVER_LEAVES or superseded:
                        _give_up(session, delivery, f"not committed: {why}")
                        continue
                    require_delivery(DeliveryState(delivery.state), DeliveryState.PENDING)
                    wait_s = retry_wait_s(delivery.attempts, first_retry_s, longest_retry_s)
                    delivery.state, delivery.reason = DeliveryState.PENDING, f"not committed: {why}"
                    delivery.clock, delivery.not_before_s = now.mark, now.seconds + wait_s
                    forget_commitment(session, delivery)
                    note_delivery(session, delivery, "commitment failed", reason=why, wait_s=wait_s)
                elif result.sop_instance_uid in committed:
                    _commit(session, delivery)
            return bool(rows)


def _asked_for(
    session: Session,
    job_id: int,
    due: Sequence[ColumnElement[bool]],
    now: Reading,
    timeout_s: float,
    give_up_after_s: float,
) -> CommitmentBatch | None:
    """Ask for all that is due of a job; None where another deliverer has asked a moment ago. Raises LedgerDamaged."""
    rows = session.execute(
        select(Commitment, Delivery, ResultObject)
        .join(Delivery, Delivery.id == Commitment.delivery_id)
        .join(ResultObject, ResultObject.id == Delivery.result_object_id)
        # Of the locked row itself: what `due` looks up beside it PostgreSQL reads as it was before the lock.
        .where(ResultObject.job_id == job_id, *due, is_over(Commitment, Commitment.not_before_s, now))
        .order_by(Delivery.id)
        .with_for_update(of=(Delivery, Commitment), **LOCK)
        .execution_options(populate_existing=True)
    ).all()
    if not rows:
        return None
    transaction_uid = f"2.25.{uuid.uuid4().int}"
    asked = []
    for wish, delivery, result in rows:
        require_numbers(wish.attempts)
        if (utc_now() - wish.created_at).total_seconds() > give_up_after_s:
            _give_up(session, delivery, "the archive has taken it and did not commit to it in all this time")
            continue
        _note_asked(session, wish, delivery, transaction_uid)
        wait_s = retry_wait_s(wish.attempts, timeout_s, max(timeout_s, _DAY_S))
        wish.clock, wish.not_before_s = now.mark, now.seconds + wait_s
        asked.append((result.sop_class_uid, result.sop_instance_uid))
    return CommitmentBatch(job_id=job_id, transaction_uid=transaction_uid, instances=tuple(asked))


def _next_job(session: Session, destination: str, due: Sequence[ColumnElement[bool]]) -> int | None:
    """Return the oldest job of which something is due, and nothing is on its way to the destination."""
    other, of_other = aliased(Delivery), aliased(ResultObject)
    on_the_way = (
        select(other.id)
        .join(of_other, of_other.id == other.result_object_id)
        .where(
            of_other.job_id == Job.id,
            # It may wait for long: until all else has been taken.
            of_other.kind != REJECTION,
            other.destination == destination,
            other.state.in_(_ON_THE_WAY),
            # What is left of a held or superseded job waits for ever.
            leaves(of_other),
        )
        .exists()
    )
    return session.scalar(
        select(Job.id)
        .join(ResultObject, ResultObject.job_id == Job.id)
        .join(Delivery, Delivery.result_object_id == ResultObject.id)
        .join(Commitment, Commitment.delivery_id == Delivery.id)
        .where(*due, ~on_the_way)
        .order_by(Job.id)
        .limit(1)
    )


def _note_asked(session: Session, wish: Commitment, delivery: Delivery, transaction_uid: str) -> None:
    wish.attempts += 1
    session.add(CommitmentRequest(transaction_uid=transaction_uid, delivery_id=delivery.id, asked_at=utc_now()))
    note_delivery(session, delivery, "commitment asked", touch=False, attempt=wish.attempts)


def want_commitment(session: Session, delivery: Delivery) -> None:
    """Note that what an archive has just taken is to be committed to."""
    forget_commitment(session, delivery)
    session.add(Commitment(delivery_id=delivery.id, created_at=delivery.created_at))


def ask_for_taken(session: Session, destinations: Collection[str], which: ColumnElement[bool]) -> int:
    """Ask for what these destinations have taken and are not asked to commit to; return of how many objects."""
    asked = select(Commitment.delivery_id)
    taken = session.scalars(
        select(Delivery.id)
        .where(Delivery.destination.in_(destinations), Delivery.state == DeliveryState.ACCEPTED, which)
        .where(Delivery.id.not_in(asked))
        .order_by(Delivery.id)
        .with_for_update(**LOCK)
    ).all()
    # From now on: what was taken long ago would be given up before it is asked for.
    session.add_all(Commitment(delivery_id=delivery_id, created_at=utc_now()) for delivery_id in taken)
    return len(taken)


def forget_commitment(session: Session, delivery: Delivery) -> None:
    """Ask for nothing more; a report on an earlier request still counts."""
    session.execute(delete(Commitment).where(Commitment.delivery_id == delivery.id))


def _commit(session: Session, delivery: Delivery) -> None:
    before = DeliveryState(delivery.state)
    require_delivery(before, DeliveryState.COMMITTED)
    delivery.state = DeliveryState.COMMITTED
    forget_commitment(session, delivery)
    # Where acceptance was enough the result had arrived then.
    note_delivery(session, delivery, "object committed", touch=before is DeliveryState.UNCOMMITTED)


def _give_up(session: Session, delivery: Delivery, reason: str) -> None:
    forget_commitment(session, delivery)
    delivery.reason = reason
    if delivery.state == DeliveryState.UNCOMMITTED:
        require_delivery(DeliveryState.UNCOMMITTED, DeliveryState.ABANDONED)
        delivery.state = DeliveryState.ABANDONED
    note_delivery(
        session, delivery, "commitment given up", touch=delivery.state == DeliveryState.ABANDONED, reason=reason
    )
