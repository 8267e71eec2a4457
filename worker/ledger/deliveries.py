"""The ledger's way out: results are claimed for a destination, and what the archive answered is recorded."""

from collections.abc import Collection
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import LeaseLost, LedgerDamaged
from worker.jobs.job import DeliveryState, JobState, require_delivery, retry_wait_s
from worker.jobs.job_records import OutgoingBatch, OutgoingObject
from worker.jobs.study_awaited import Look
from worker.ledger.clock import Reading
from worker.ledger.commitments import want_commitment
from worker.ledger.damage import require_numbers, require_texts
from worker.ledger.damaged_deliveries import first_whole, mend_deliveries, tell_mended
from worker.ledger.database import LOCK, Database, lock_name, utc_now
from worker.ledger.delivery_events import note_delivery, study_id_of
from worker.ledger.job_states import change_job
from worker.ledger.leaving import ENDED_UNREAD
from worker.ledger.outgoing_batches import claimed_batch, next_job_of
from worker.ledger.results import add_deliveries
from worker.ledger.superseded import counts_no_more, keep_back
from worker.ledger.tables import Delivery, Job, ResultObject
from worker.ledger.turns import held
from worker.ledger.values import is_none_of
from worker.ledger.versions import is_ahead
from worker.ledger.waits import is_over
from worker.object_kinds import INSTEAD

#: Whether a destination is asked to take responsibility (PS3.4 J) for what it has accepted.
CommitmentWish = Literal["", "wanted", "required"]
#: Why what was not answered is not sent again.
_NO_MORE = "a newer read has taken its place"
#: Why what is in a state that is none is refused.
_LOOK = (
    "the ledger held a state that is none (somebody else has written to it, or its disk was in trouble): look whether "
    "{0.destination} has it; `wetread retry {0.job_id}` sends it, `wetread waive {0.job_id}` leaves it"
)


class DeliveryLedger(Database):
    """Deliveries. One batch is everything of one job that waits for one destination."""

    def claim_deliveries(self, destination: str, *, lease_s: float) -> OutgoingBatch | None:
        """Claim what waits for this destination, the oldest job first; None where nothing is due.

        Results of jobs that are *read* leave, and notes about those that ended without a read; what is held or
        superseded stays, and what was read and held before such an end.
        """
        now = self.clock.read()
        due = (
            Delivery.destination == destination,
            Delivery.state == DeliveryState.PENDING,
            is_over(Delivery, Delivery.not_before_s, now),
        )

        def next_job(session: Session) -> int | None:
            return None if destination in held(session, "destination") else next_job_of(session, due)

        def claim(session: Session, job_id: int) -> OutgoingBatch | None:
            return claimed_batch(session, job_id, destination, due, now, lease_s)

        return first_whole(self, destination, next_job, claim)

    def renew_deliveries(self, batch: OutgoingBatch, *, lease_s: float) -> None:
        """Renew the lease of what is still being sent of a batch; what another deliverer has by now stays its own."""
        now = self.clock.read()
        fences = {outgoing.delivery_id: outgoing.fence for outgoing in batch.objects}
        with self.writing() as session:
            for delivery in session.scalars(
                select(Delivery)
                .where(Delivery.id.in_(fences), Delivery.state == DeliveryState.SENDING)
                .order_by(Delivery.id)
                .with_for_update(**LOCK)
            ):
                if delivery.fence == fences[delivery.id]:
                    delivery.clock, delivery.lease_until_s = now.mark, now.seconds + lease_s

    def delivered(
        self,
        outgoing: OutgoingObject,
        state: DeliveryState,
        *,
        status: int | None = None,
        reason: str = "",
        commitment: CommitmentWish = "",
    ) -> None:
        """Record what an archive answered for one object: accepted, or refused with the reason.

        Where something can go instead of what was refused, that waits from then on, and the refused is *replaced*.
        For what is accepted a `commitment` is asked where that is wanted; *uncommitted* until then where it counts.
        Raises LeaseLost when the lease ran out meanwhile and another deliverer has the object.
        """
        with self.writing() as session:
            delivery = _sending(session, outgoing)
            if state is DeliveryState.REFUSED:
                delivery.in_vain = delivery.attempts  # what is refused is not there
            if state is DeliveryState.REFUSED and counts_no_more(session, delivery):
                keep_back(session, delivery, f"{reason}; {_NO_MORE}", status=status)
                return
            if state is DeliveryState.REFUSED and _send_instead(session, delivery):
                state = DeliveryState.REPLACED
            if state is DeliveryState.ACCEPTED and commitment:
                want_commitment(session, delivery)
                state = DeliveryState.UNCOMMITTED if commitment == "required" else state
            require_delivery(DeliveryState.SENDING, state)
            delivery.state, delivery.status, delivery.reason = state, status, reason
            note_delivery(session, delivery, f"object {state}", status=status, reason=reason)

    def postpone(
        self,
        batch: OutgoingBatch,
        *,
        reason: str,
        first_retry_s: float,
        longest_retry_s: float,
        give_up_after_s: float,
        in_vain: Collection[OutgoingObject] = (),
        look: Look = "",
    ) -> None:
        """Put what was not answered back to *pending*, with a growing wait; *abandoned* after the last day.

        Args:
            batch: What was claimed.
            reason: Why it must be sent again.
            first_retry_s: Wait after the first attempt; it doubles with each.
            longest_retry_s: Longest such wait.
            give_up_after_s: What was made longer ago is given up.
            in_vain: What of it this attempt has certainly not left there; all else may be.
            look: What the archive has said of the study before anything was sent; the timeline keeps it.
        """
        now = self.clock.read()
        with self.writing() as session:
            for outgoing in batch.objects:
                delivery = session.get_one(Delivery, outgoing.delivery_id, with_for_update=LOCK)
                if delivery.state != DeliveryState.SENDING or delivery.fence != outgoing.fence:
                    continue  # answered already, or another deliverer's by now
                if outgoing in in_vain:
                    delivery.in_vain += 1
                if counts_no_more(session, delivery):
                    keep_back(session, delivery, f"{reason}; {_NO_MORE}")
                    continue
                age_s = (utc_now() - delivery.created_at).total_seconds()
                delivery.state = DeliveryState.ABANDONED if age_s > give_up_after_s else DeliveryState.PENDING
                wait_s = retry_wait_s(delivery.attempts, first_retry_s, longest_retry_s)
                delivery.clock, delivery.not_before_s = now.mark, now.seconds + wait_s
                if look == "absent" and (delivery.state, delivery.reason) == (DeliveryState.PENDING, reason):
                    delivery.updated_at = utc_now()
                    continue  # told already: looks for a study that does not come for weeks must not fill the ledger
                delivery.reason = reason
                note_delivery(session, delivery, f"object {delivery.state}", reason=reason, wait_s=wait_s, study=look)

    def free_expired_deliveries(self) -> int:
        """Put back what a deliverer that died was sending: the archive gets the same bytes again. Return how many.

        What is in a state that is none counts as refused: an admin says whether it is sent.
        """
        now = self.clock.read()
        mended: dict[int, LedgerDamaged] = {}
        with self.writing() as session:
            expired = session.execute(
                select(Delivery.id, Delivery.destination, ResultObject.job_id)
                .join(ResultObject, ResultObject.id == Delivery.result_object_id)
                .where(
                    Delivery.state == DeliveryState.SENDING,
                    is_over(Delivery, Delivery.lease_until_s, now),
                )
                .order_by(Delivery.id)
                .with_for_update(of=Delivery, skip_locked=True, **LOCK)
            ).all()
            for found in expired:
                try:
                    with session.begin_nested():
                        _free(session, found.id, now)
                except LedgerDamaged as damage:
                    # All others would wait behind it.
                    mend_deliveries(session, found.job_id, found.destination, damage)
                    mended[found.job_id] = damage
                    _free(session, found.id, now)
            stateless = _refuse_stateless(session)
        for job_id, replaced in (mended | stateless).items():
            tell_mended(job_id, replaced)
        return len(expired) + len(stateless)

    def hold(self, batch: OutgoingBatch, *, reason: str) -> None:
        """Hold a job before anything of it leaves; the reason names attributes, never their values.

        There is nothing to hold of a job that was not read: its note is refused.
        """
        with self.writing() as session:
            job = session.get_one(Job, batch.job_id, with_for_update=LOCK)
            for outgoing in batch.objects:
                delivery = session.get_one(Delivery, outgoing.delivery_id, with_for_update=LOCK)
                if delivery.fence != outgoing.fence or delivery.state != DeliveryState.SENDING:
                    continue
                if job.state in ENDED_UNREAD:
                    delivery.attempts -= 1  # nothing was sent
                    delivery.state, delivery.reason = DeliveryState.REFUSED, reason
                    note_delivery(session, delivery, "object refused", reason=reason)
                    continue
                # Also where another destination, or an admin, has held the job a moment ago.
                delivery.attempts -= 1
                if counts_no_more(session, delivery):
                    keep_back(session, delivery, _NO_MORE)
                    continue
                delivery.state, delivery.updated_at = DeliveryState.PENDING, utc_now()
            if job.state == JobState.READ:
                change_job(session, job, JobState.HELD, study_id=study_id_of(session, job), reason=reason)


def _refuse_stateless(session: Session) -> dict[int, LedgerDamaged]:
    """Have an admin look at what is in a state that is none: nobody knows what became of it; return the jobs.

    A later wetread that works on the same ledger may know states that this one does not.
    """
    stateless = is_none_of(Delivery.state, list(DeliveryState))
    if session.scalar(select(Delivery.id).where(stateless).limit(1)) is None or is_ahead(session):
        return {}
    found = session.execute(
        select(Delivery.id, Delivery.destination, ResultObject.job_id)
        .join(ResultObject, ResultObject.id == Delivery.result_object_id)
        .where(stateless)
        .order_by(Delivery.id)
        .with_for_update(of=Delivery, skip_locked=True, **LOCK)
    ).all()
    damage = LedgerDamaged("the ledger holds a state of a delivery that is none")
    for it in found:
        mend_deliveries(session, it.job_id, it.destination, damage)
        delivery = session.get_one(Delivery, it.id, populate_existing=True)
        delivery.state, delivery.fence, delivery.reason = DeliveryState.REFUSED, delivery.fence + 1, _LOOK.format(it)
        note_delivery(session, delivery, f"object {delivery.state}", reason=delivery.reason)
        if counts_no_more(session, delivery):
            keep_back(session, delivery, _NO_MORE)
    return dict.fromkeys((it.job_id for it in found), damage)


def _free(session: Session, delivery_id: int, now: Reading) -> None:
    delivery = session.get_one(Delivery, delivery_id, populate_existing=True)
    require_numbers(delivery.attempts, delivery.fence, delivery.in_vain)
    require_texts(delivery.destination)
    if counts_no_more(session, delivery):
        keep_back(session, delivery, f"the lease of its deliverer ran out; {_NO_MORE}")
        return
    delivery.state, delivery.fence = DeliveryState.PENDING, delivery.fence + 1
    delivery.clock, delivery.not_before_s = now.mark, now.seconds
    note_delivery(session, delivery, "object pending", reason="the lease of its deliverer ran out")


def _send_instead(session: Session, refused: Delivery) -> bool:
    """Let what can stand in for a refused object wait for the same destination; return whether there is any."""
    result = session.get_one(ResultObject, refused.result_object_id)
    stand_in = session.scalar(
        select(ResultObject)
        .where(
            ResultObject.job_id == result.job_id,
            ResultObject.kind == INSTEAD.get(result.kind, ""),
            # Not what an earlier read of the job had made.
            ResultObject.fence == result.fence,
        )
        .order_by(ResultObject.id.desc())
        .limit(1)
    )
    if stand_in is None:
        return False
    lock_name(session, f"stand-in {stand_in.id}")  # two of a kind may be refused at the same moment
    add_deliveries(session, stand_in, [refused.destination])
    return True


def _sending(session: Session, outgoing: OutgoingObject) -> Delivery:
    delivery = session.get_one(Delivery, outgoing.delivery_id, with_for_update=LOCK)
    if delivery.state != DeliveryState.SENDING or delivery.fence != outgoing.fence:
        raise LeaseLost(
            f"delivery {delivery.id} is {delivery.state} by now: sending took longer than its lease, and another "
            "deliverer has it; the archive keeps one copy, since the bytes are the same"
        )
    return delivery
