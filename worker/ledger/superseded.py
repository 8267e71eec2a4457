"""The ledger's memory of what stands of earlier reads, and its word that it no longer counts."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from worker.errors import StandingChanged
from worker.instances.instance_reference import InstanceReference
from worker.jobs.job import DeliveryState, JobState, require_delivery
from worker.jobs.job_records import Claim
from worker.jobs.still_there import Way, may_be_there, standing
from worker.jobs.superseded_read import Standing, StandingObject
from worker.ledger.database import LOCK, Database, utc_now
from worker.ledger.delivery_events import note_delivery
from worker.ledger.inputs import files_of_job
from worker.ledger.tables import Delivery, Job, Model, ResultObject, Revision, Study, Withdrawal
from worker.object_kinds import REJECTION

#: What of an earlier end of a job is kept back once it was read.
_NOT_ARRIVED = frozenset(
    {
        DeliveryState.PENDING,
        DeliveryState.SENDING,
        DeliveryState.REFUSED,
        DeliveryState.ABANDONED,
        DeliveryState.WAIVED,
    }
)
_MADE_AGAIN = "the job's latest read has made it again"


class SupersededLedger(Database):
    """Superseded reads."""

    def standing_before(self, claim: Claim) -> Standing:
        """Return what stands of the study's earlier reads by this model, or may, at the destinations it went to."""
        with self.reading() as session:
            job = session.get_one(Job, claim.job_id)
            found = _ways(session, job)
            standing_now = _standing(found, job, claim.study_instance_uid)
            return replace(standing_now, files=_read_before(session, found, standing_now))

    def let_superseded_go(self) -> int:
        """Keep back what waits of superseded jobs, and have withdrawals wait for the read that stands; return how many.

        A wetread before this one left both behind, for ever.
        """
        with self.writing() as session:
            waiting = session.scalars(
                select(Delivery)
                .join(ResultObject, ResultObject.id == Delivery.result_object_id)
                .join(Job, Job.id == ResultObject.job_id)
                .where(Job.state == JobState.SUPERSEDED, Delivery.state == DeliveryState.PENDING)
                .order_by(Delivery.id)
                .with_for_update(of=Delivery, **LOCK)
            ).all()
            for delivery in waiting:
                keep_back(session, delivery, "a newer read has taken its place")
            session.flush()
            return len(waiting) + _wait_for_what_stands(session)


def take_place(
    session: Session,
    job: Job,
    study: Study,
    *,
    kept: Collection[str],
    withdraw_from: Collection[str],
    known: Standing | None,
) -> None:
    """Let a read take the place of all that its study and model have brought before: nothing of that leaves any more.

    What stands at a destination of `withdraw_from`, or may stand there, is to be deleted. Of this job, what it had
    sent before it was queued again counts as earlier, but for the SOP Instance UIDs that are `kept`.

    Raises StandingChanged where more stands by now than was `known` when the read was told what it supersedes.
    """
    found = _ways(session, job, lock=True)
    if known is not None and not known.covers(_standing(found, job, study.study_instance_uid)):
        raise StandingChanged(f"more of earlier reads of the study went out while job {job.id} was written")
    reason = f"job {job.id} was read"
    for row in found:
        delivery, own = row.Delivery, row.Job.id == job.id
        if own and row.ResultObject.sop_instance_uid in kept:
            if delivery.state == DeliveryState.PENDING:
                # It could not be sent while the job was held and read anew: else its first failure would end it.
                delivery.created_at = utc_now()
            continue
        wanted = session.get(Withdrawal, delivery.id)
        if wanted is not None and delivery.destination not in withdraw_from:
            # This read does not go there, or nothing is deleted there any more.
            session.delete(wanted)
            note_delivery(session, delivery, "withdrawal called off", touch=False, reason=reason)
            wanted = None
        if wanted is not None:
            # It waited for a read that will not arrive any more.
            wanted.job_id, wanted.created_at = job.id, utc_now()
        elif delivery.destination in withdraw_from and row.ResultObject.kind != REJECTION and _may_be_there(_way(row)):
            wanted = Withdrawal(delivery_id=delivery.id, job_id=job.id, created_at=utc_now())
            session.add(wanted)
            session.flush()
        state = DeliveryState(delivery.state)
        # What is being sent at this moment may arrive: its answer says whether there is anything to delete.
        on_the_way = state is DeliveryState.SENDING and (wanted is not None or not own)
        if state is DeliveryState.PENDING or (own and state in _NOT_ARRIVED and not on_the_way):
            keep_back(session, delivery, reason)


def _wait_for_what_stands(session: Session) -> int:
    of_waited_for = (
        select(Withdrawal, Job, Revision.study_id, Model.model_id)
        .join(Job, Job.id == Withdrawal.job_id)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Model, Model.digest == Job.model_digest)
        .where(Job.state == JobState.SUPERSEDED)
        .order_by(Withdrawal.delivery_id)
    )
    moved = 0
    for wanted, waited_for, study_id, model_id in session.execute(of_waited_for).all():
        stands = session.scalar(
            select(Job.id)
            .join(Revision, Revision.id == Job.revision_id)
            .join(Model, Model.digest == Job.model_digest)
            .where(Revision.study_id == study_id, Model.model_id == model_id)
            .where(Job.state == JobState.READ, Job.id > waited_for.id)
            .order_by(Job.id.desc())
            .limit(1)
        )
        if stands is not None:
            delivery = session.get_one(Delivery, wanted.delivery_id)
            wanted.job_id, wanted.created_at = stands, utc_now()
            note_delivery(session, delivery, "withdrawal put off", touch=False, superseded_by=stands)
            moved += 1
    return moved


def keep_back_waiting(session: Session, job: Job, *, reason: str) -> None:
    """Let nothing of a superseded job wait for ever; what is being sent is kept back when it is not answered."""
    waiting = session.scalars(
        select(Delivery)
        .join(ResultObject, ResultObject.id == Delivery.result_object_id)
        .where(ResultObject.job_id == job.id, Delivery.state == DeliveryState.PENDING)
        .order_by(Delivery.id)
        .with_for_update(of=Delivery, **LOCK)
    )
    for delivery in waiting.all():
        keep_back(session, delivery, reason)


def counts_no_more(session: Session, delivery: Delivery) -> bool:
    """Tell whether a later read has taken an object's place: then it is not sent again."""
    if session.get(Withdrawal, delivery.id) is not None:
        return True
    job_id = select(ResultObject.job_id).where(ResultObject.id == delivery.result_object_id).scalar_subquery()
    return session.scalar(select(Job.state).where(Job.id == job_id)) == JobState.SUPERSEDED


def keep_back(session: Session, delivery: Delivery, reason: str, *, status: int | None = None) -> None:
    """Send an object no more, not even by an admin's wish; what surely is not there need not be deleted.

    Args:
        session: Of the transaction.
        delivery: Of the object.
        reason: Why.
        status: What the archive has just answered; None where it did not.
    """
    before = DeliveryState(delivery.state)
    require_delivery(before, DeliveryState.REPLACED)
    if before in (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.ABANDONED):
        delivery.status = status  # not that of an attempt before
    delivery.state, delivery.fence, delivery.reason = DeliveryState.REPLACED, delivery.fence + 1, reason
    if may_be_there(DeliveryState.REPLACED, delivery.sendings):
        delivery.reason = f"{reason}; {delivery.destination} may have it all the same"
    elif wanted := session.get(Withdrawal, delivery.id):
        session.delete(wanted)
    note_delivery(session, delivery, "object replaced", reason=delivery.reason)


def made_again(session: Session, stored: ResultObject, job: Job, destinations: Collection[str]) -> None:
    """Let an object of an earlier read leave or stay after all: the job was read otherwise in between, now so again."""
    between = select(ResultObject.id).where(
        ResultObject.job_id == job.id, ResultObject.fence > stored.fence, ResultObject.fence < job.fence
    )
    if session.scalar(between.limit(1)) is None:
        return  # replaced for another reason: a stand-in has gone in its place
    known = session.scalars(
        select(Delivery)
        .where(Delivery.result_object_id == stored.id, Delivery.destination.in_(destinations))
        .order_by(Delivery.id)
        .with_for_update(**LOCK)
    )
    for delivery in known.all():
        wanted = session.get(Withdrawal, delivery.id)
        if wanted is not None:
            session.delete(wanted)
        if delivery.state in (DeliveryState.REPLACED, DeliveryState.WITHDRAWN):
            require_delivery(DeliveryState(delivery.state), DeliveryState.PENDING)
            if delivery.state == DeliveryState.WITHDRAWN:
                delivery.in_vain = delivery.attempts  # what was deleted is not there
            delivery.state, delivery.status, delivery.reason = DeliveryState.PENDING, None, ""
            delivery.not_before_s, delivery.created_at = 0.0, utc_now()
            note_delivery(session, delivery, "object pending", reason=_MADE_AGAIN)
        elif wanted is not None:
            # It is there, and stays: what was to take its place will never arrive.
            note_delivery(session, delivery, "withdrawal called off", touch=False, reason=_MADE_AGAIN)


_Found = Row[Delivery, ResultObject, Job]


def _standing(found: Sequence[_Found], job: Job, study_instance_uid: str) -> Standing:
    others = {way.delivery_id for way in standing(_way(row) for row in found if row.Job.id != job.id)}
    there = {way.delivery_id for way in map(_way, found) if way.kind != REJECTION and _may_be_there(way)}
    of_others = [row for row in found if row.Delivery.id in others]
    own = [row for row in found if row.Job.id == job.id and row.Delivery.id in there]
    latest = max((row.Job for row in of_others), key=lambda earlier: earlier.id, default=job)
    return Standing(
        read_at=latest.queued_at,
        of_others=_objects(of_others, study_instance_uid),
        own=_objects(own, study_instance_uid),
    )


def _read_before(session: Session, found: Sequence[_Found], before: Standing) -> tuple[str, ...]:
    """Return the files that the latest read was made on of which something stands; a note was made on none."""
    there = {it.reference.sop_instance_uid for it in before.of_others}
    reads = [row.Job.id for row in found if row.ResultObject.sop_instance_uid in there and row.Job.recipe_digest]
    return files_of_job(session, max(reads)) if reads else ()


def _ways(session: Session, job: Job, *, lock: bool = False) -> Sequence[_Found]:
    """Return all that the study and model of a job have brought to destinations so far, the oldest object first."""
    study_id = select(Revision.study_id).where(Revision.id == job.revision_id).scalar_subquery()
    model_id = select(Model.model_id).where(Model.digest == job.model_digest).scalar_subquery()
    query = (
        select(Delivery, ResultObject, Job)
        .join(ResultObject, ResultObject.id == Delivery.result_object_id)
        .join(Job, Job.id == ResultObject.job_id)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Model, Model.digest == Job.model_digest)
        .where(Revision.study_id == study_id, Model.model_id == model_id, Job.id <= job.id)
        # As everybody locks them, lest two wait for each other.
        .order_by(Delivery.id)
    )
    found = session.execute(query.with_for_update(of=Delivery, **LOCK) if lock else query).all()
    return sorted(found, key=lambda row: (row.ResultObject.id, row.Delivery.id))


def _way(row: _Found) -> Way:
    return Way(
        delivery_id=row.Delivery.id,
        job_id=row.Job.id,
        was_read=bool(row.Job.recipe_digest),
        kind=row.ResultObject.kind,
        destination=row.Delivery.destination,
        state=DeliveryState(row.Delivery.state),
        sendings=row.Delivery.sendings,
    )


def _may_be_there(way: Way) -> bool:
    return may_be_there(way.state, way.sendings)


def _objects(rows: Sequence[_Found], study_instance_uid: str) -> tuple[StandingObject, ...]:
    destinations: dict[str, set[str]] = {}
    results: dict[str, ResultObject] = {}
    for row in rows:
        uid = row.ResultObject.sop_instance_uid
        results.setdefault(uid, row.ResultObject)
        destinations.setdefault(uid, set()).add(row.Delivery.destination)
    return tuple(
        StandingObject(
            kind=result.kind,
            reference=InstanceReference(
                study_instance_uid=study_instance_uid,
                series_instance_uid=result.series_instance_uid,
                sop_class_uid=result.sop_class_uid,
                sop_instance_uid=uid,
            ),
            destinations=frozenset(destinations[uid]),
        )
        for uid, result in results.items()
    )
