"""The ledger's memory of patients: which earlier read of the same model was of the same patient."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from worker.jobs.job import JobState
from worker.jobs.job_records import Claim
from worker.jobs.patient_key import PatientKey
from worker.jobs.study_moment import is_before
from worker.ledger.database import LOCK, Database, lock_name
from worker.ledger.tables import Job, JobPatient, Model, ResultObject, Revision, Study

#: Who was meant by a read in one of these states has been put in question, or put right since.
_WITHDRAWN = (JobState.HELD, JobState.SUPERSEDED, JobState.CANCELLED)


@dataclass(frozen=True, kw_only=True)
class EarlierJob:
    """A job that read an earlier study of the same patient.

    Attributes:
        job_id: Of the ledger.
        study_instance_uid: Of the earlier study.
        files: Its reports, relative to the results folder, with their sha256 (hex).
    """

    job_id: int
    study_instance_uid: str
    files: tuple[tuple[str, str], ...]


class PriorLedger(Database):
    """Whose studies were read, in keyed digests."""

    def note_patient(self, claim: Claim, patient: PatientKey, studied_at: str) -> bool:
        """Keep whose study a job reads; return whether that is certain.

        It is not where the id stands for somebody else too, in this study or in any other whose read has not been
        withdrawn.
        """
        with self.writing() as session:
            # Of two reads that contradict each other, one must see the other: nothing stands here yet to be locked.
            lock_name(session, f"patient {patient.id_key}")
            session.get_one(Job, claim.job_id, with_for_update=LOCK)
            row = session.get(JobPatient, claim.job_id) or JobPatient(job_id=claim.job_id)
            row.id_key, row.issuer_key, row.person_key = patient.id_key, patient.issuer_key, patient.person_key
            row.studied_at = studied_at
            session.add(row)
            session.flush()
            known = session.execute(
                select(JobPatient.issuer_key, JobPatient.person_key)
                .join(Job, Job.id == JobPatient.job_id)
                .where(JobPatient.id_key == patient.id_key, Job.state.not_in(_WITHDRAWN))
                .distinct()
            ).all()
            return not any(
                patient.contradicts(PatientKey(id_key=patient.id_key, issuer_key=issuer, person_key=person))
                for issuer, person in known
            )

    def earlier_jobs(
        self, claim: Claim, patient: PatientKey, studied_at: str, kinds: Collection[str]
    ) -> list[EarlierJob]:
        """Return reads of this patient's earlier studies by this model, in any version, the latest study first.

        A study that was read more than once is here with its latest read only; so is a job.
        """
        # Of what a job has made when it was read the last time some may be older: the same again is kept once.
        made = aliased(ResultObject)
        latest = select(func.max(made.fence)).where(made.job_id == Job.id).correlate(Job).scalar_subquery()
        query = (
            select(JobPatient.studied_at, Job.id, Study.study_instance_uid, ResultObject.file, ResultObject.sha256)
            .join(Job, Job.id == JobPatient.job_id)
            .join(Revision, Revision.id == Job.revision_id)
            .join(Study, Study.id == Revision.study_id)
            .join(Model, Model.digest == Job.model_digest)
            .join(ResultObject, ResultObject.job_id == Job.id)
            .where(
                JobPatient.id_key == patient.id_key,
                JobPatient.issuer_key == patient.issuer_key,
                JobPatient.person_key == patient.person_key,
                Job.state == JobState.READ,
                Model.model_id == claim.model_id,
                Study.study_instance_uid != claim.study_instance_uid,
                ResultObject.kind.in_(kinds),
                ResultObject.fence == latest,
            )
            .order_by(JobPatient.studied_at.desc(), Job.finished_at.desc(), Job.id.desc(), ResultObject.id)
        )
        with self.reading() as session:
            rows = session.execute(query).all()
        jobs: dict[str, tuple[int, list[tuple[str, str]]]] = {}
        for row in rows:
            if is_before(row.studied_at, studied_at):
                job_id, files = jobs.setdefault(row.study_instance_uid, (row.id, []))
                if job_id == row.id:
                    files.append((row.file, row.sha256))
        return [
            EarlierJob(job_id=job_id, study_instance_uid=study, files=tuple(files))
            for study, (job_id, files) in jobs.items()
        ]
