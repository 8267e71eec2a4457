"""The ledger's memory of the read that a job supersedes."""

from sqlalchemy import select

from worker.instance_reference import InstanceReference
from worker.job import Claim, DeliveryState, JobState
from worker.ledger_database import Database
from worker.superseded_read import SupersededRead
from worker.tables import Delivery, Job, ResultObject

#: What an archive has, or may have.
_GONE_OUT = (
    DeliveryState.SENDING,
    DeliveryState.ACCEPTED,
    DeliveryState.UNCOMMITTED,
    DeliveryState.COMMITTED,
)


class SupersededLedger(Database):
    """Superseded reads."""

    def superseded_read(self, claim: Claim) -> SupersededRead | None:
        """Return the read that this job supersedes; None where there is none, or nothing of it has left."""
        with self.reading() as session:
            job = session.get_one(Job, claim.job_id)
            earlier = session.get(Job, job.supersedes_job_id) if job.supersedes_job_id is not None else None
            if earlier is None or earlier.state not in (JobState.READ, JobState.SUPERSEDED):
                return None
            rows = session.execute(
                select(ResultObject, Delivery.destination)
                .join(Delivery, Delivery.result_object_id == ResultObject.id)
                .where(ResultObject.job_id == earlier.id, Delivery.state.in_(_GONE_OUT))
                .order_by(ResultObject.id)
            ).all()
        if not rows:
            return None
        objects = {
            result.sop_instance_uid: (
                result.kind,
                InstanceReference(
                    study_instance_uid=claim.study_instance_uid,
                    series_instance_uid=result.series_instance_uid,
                    sop_class_uid=result.sop_class_uid,
                    sop_instance_uid=result.sop_instance_uid,
                ),
            )
            for result, _ in rows
        }
        return SupersededRead(
            read_at=earlier.queued_at,
            objects=tuple(objects.values()),
            destinations=frozenset(destination for _, destination in rows),
        )
