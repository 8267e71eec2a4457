"""Results that are to leave again, or need not any more, by an admin's word."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from worker.errors import IllegalTransition
from worker.jobs.job import AWAITED, DeliveryState, require_delivery
from worker.jobs.overview import LOST
from worker.ledger.admin_actions import AN_ADMIN, record_admin_action
from worker.ledger.commitments import ask_for_taken
from worker.ledger.database import LOCK, Database, utc_now
from worker.ledger.delivery_events import note_delivery, study_id_of
from worker.ledger.superseded import counts_no_more
from worker.ledger.tables import Delivery, DestinationState, Job, ResultObject
from worker.ledger.withdrawals import states_of_latest
from worker.object_kinds import REJECTION


class ResendingLedger(Database):
    """What an archive refused, what was given up, and what waits for a destination that is no more."""

    def send_again(self, job_id: int, *, by: str = AN_ADMIN, committing: Collection[str] = ()) -> int:
        """Let what an archive refused, or what was given up or waived, be sent once more; return how many.

        What a destination of `committing` has taken, and is no longer asked to commit to, it is asked for again.
        """
        with self.writing() as session:
            found = _locked(session, job_id, *LOST, DeliveryState.WAIVED)
            # A newer read may have taken its place since somebody looked: of that one nothing leaves any more.
            lost = [it for it in found if not counts_no_more(session, it)]
            for delivery in lost:
                require_delivery(DeliveryState(delivery.state), DeliveryState.PENDING)
                # It starts anew: a delivery that was given up would otherwise be given up again at once.
                delivery.state, delivery.not_before_s, delivery.created_at = DeliveryState.PENDING, 0.0, utc_now()
                note_delivery(session, delivery, "object pending", reason=f"asked for by {by}")
            unasked = ask_for_taken(session, committing, of_job(job_id))
            _record(session, "retry", job_id, by=by, objects=len(lost) + unasked)
            return len(lost) + unasked

    def waive(self, job_id: int, *, by: str = AN_ADMIN, gone: str = "") -> int:
        """Note that what an archive refused, or what was given up, need not get there; return how many.

        Nor need what waits for the destination `gone`, which is no more.

        Raises IllegalTransition where there is nothing of the kind.
        """
        with self.writing() as session:
            found = _locked(session, job_id, *LOST, DeliveryState.PENDING, DeliveryState.UNCOMMITTED)
            lost = [it for it in found if it.state in LOST or it.destination == gone]
            if not lost:
                raise IllegalTransition(
                    f"job {job_id} has no result that was refused or given up"
                    + (f", and none that waits for {gone}" if gone else "")
                    + f": wetread job {job_id}"
                )
            if gone and all(it.destination != gone for it in lost):
                # A name that is mistyped must not let be what another destination has refused.
                raise IllegalTransition(f"nothing of job {job_id} waits for {gone}: wetread job {job_id}")
            for delivery in lost:
                _waive(session, delivery, by)
            for delivery in _pointless(session, job_id, found):
                _waive(session, delivery, by)
            _record(session, "waive", job_id, by=by, objects=len(lost))
            if gone:
                session.flush()
                waiting = select(Delivery.id).where(Delivery.destination == gone, Delivery.state.in_(AWAITED))
                # Where nothing waits for it any more, nobody need know that it does not answer.
                session.execute(delete(DestinationState).where(DestinationState.name == gone, ~waiting.exists()))
            return len(lost)


def _waive(session: Session, delivery: Delivery, by: str) -> None:
    require_delivery(DeliveryState(delivery.state), DeliveryState.WAIVED)
    delivery.state = DeliveryState.WAIVED
    # The archive's own reason stays with it.
    note_delivery(session, delivery, f"object {delivery.state}", reason=f"asked for by {by}")


def _pointless(session: Session, job_id: int, found: Iterable[Delivery]) -> list[Delivery]:
    """Return notes that reject an earlier read for one of which nothing is to arrive: they would wait for ever."""
    session.flush()
    waiting = [it for it in found if it.state == DeliveryState.PENDING]
    return [
        it
        for it in waiting
        if session.get_one(ResultObject, it.result_object_id).kind == REJECTION
        # What was replaced is not there either: its stand-in was waived.
        and states_of_latest(session, job_id, it.destination) - {DeliveryState.REPLACED} == {DeliveryState.WAIVED}
    ]


def of_job(job_id: int) -> ColumnElement[bool]:
    """Return the condition that a delivery is of a job's results."""
    return Delivery.result_object_id.in_(select(ResultObject.id).where(ResultObject.job_id == job_id))


def _locked(session: Session, job_id: int, *states: DeliveryState) -> Sequence[Delivery]:
    """Return a job's deliveries in these states, locked."""
    query = select(Delivery).where(of_job(job_id), Delivery.state.in_(states)).order_by(Delivery.id)
    return session.scalars(query.with_for_update(**LOCK)).all()


def begin_anew(session: Session, waiting: ColumnElement[bool]) -> None:
    """Count from now how long is tried to send what was held: else it would be given up at its first failure."""
    session.execute(
        update(Delivery).where(Delivery.state == DeliveryState.PENDING, waiting).values(created_at=utc_now())
    )


def _record(session: Session, action: str, job_id: int, *, by: str, objects: int) -> None:
    """Write an admin's action into the timeline, where it changed anything."""
    if objects:
        study_id = study_id_of(session, session.get_one(Job, job_id))
        record_admin_action(session, action, by=by, study_id=study_id, job_id=job_id, objects=objects)
