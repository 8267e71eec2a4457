"""The ledger's way in: a study arrives, a revision is closed, its jobs are queued."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicom_node.study import AssembledStudy, StoredInstance
from worker.job import JobState, ModelVersion, Priority, require_job
from worker.ledger_clock import Reading
from worker.ledger_database import Database, utc_now, write_event
from worker.ledger_deadlines import record_deadline
from worker.ledger_turns import stand_in_line
from worker.tables import Job, JobInput, Model, Outbox, Peer, ResultObject, Revision, Series, Study
from worker.turn import rank_s

#: States that a later revision's job replaces at once. What is claimed or read is replaced when the new job is read.
_REPLACED_AT_ONCE = (JobState.QUEUED, JobState.FAILED, JobState.HELD, JobState.SKIPPED, JobState.CANCELLED)

#: Why a job is skipped whose card wants a text SR about later images, not another read; a worker writes it.
ADDENDUM = "later images came; this model's card asks for an addendum instead of another read"
_LATE_REASONS = {"ignore": "later images came; this model's card says to ignore them", "addendum": ADDENDUM}


@dataclass(frozen=True, kw_only=True)
class Planned(ModelVersion):
    """What selection decided for one model.

    Attributes:
        queue: Where it runs.
        runs: Whether there is a job to do.
        series_instance_uid: Of the input; empty where there is none.
        files: Of the input, relative to the spool.
        input_key: Digest of what is read: the same key is the same input, but for corrected headers.
        late_images: The card's policy.
        deadline_s: From queueing to the read; None where the card names none.
        reason: Why this series, or why not.
        held: Why an admin must look before it is read; empty where nothing speaks against it.
        priority: How urgent; an admin's word about the study counts more.
        because: Why so urgent.
    """

    queue: str
    runs: bool
    series_instance_uid: str
    files: tuple[str, ...]
    input_key: str
    late_images: str
    reason: str
    deadline_s: float | None = None
    held: str = ""
    priority: Priority = Priority.ROUTINE
    because: str = "nothing says otherwise"


class IntakeLedger(Database):
    """Studies and revisions."""

    def recorded_files(self, folder: str) -> frozenset[str]:
        """Return the files of a study folder that some revision lists, relative to the spool."""
        query = (
            select(Series.manifest)
            .join(Revision, Revision.id == Series.revision_id)
            .join(Study, Study.id == Revision.study_id)
            .where(Study.folder == folder)
        )
        with self.reading() as session:
            return frozenset(file for manifest in session.scalars(query) for file in manifest)

    def study_receiving(self, instance: StoredInstance) -> None:
        """Note that a study, or a later image of one, is arriving."""
        with self.writing() as session:
            study = _study(session, instance.study_instance_uid)
            if study is None:
                study = Study(
                    study_instance_uid=instance.study_instance_uid,
                    folder=instance.file.split("/", 1)[0],
                    calling_ae_title=instance.calling_ae_title,
                    receiving=True,
                    first_received_at=instance.received_at,
                    last_received_at=instance.received_at,
                )
                session.add(study)
                session.flush()
                write_event(session, "study arriving", study_id=study.id, calling_ae_title=instance.calling_ae_title)
            elif not study.receiving:
                study.receiving = True
                write_event(session, "later image", study_id=study.id)
            _note_peer(session, instance)

    def close_revision(
        self, assembled: AssembledStudy, summaries: Mapping[str, dict[str, Any]], plan: Iterable[Planned]
    ) -> int:
        """Record a revision with its jobs and their tokens; return its number.

        The same set of files as the latest revision changes nothing.

        Args:
            assembled: What has arrived.
            summaries: By Series Instance UID, what selection saw; kept for the admin.
            plan: One entry a model.
        """
        files = sorted(file for series in assembled.series for file in series.files)
        digest = hashlib.sha256("\n".join(files).encode()).hexdigest()
        with self.writing() as session:
            study = _study(session, assembled.study_instance_uid) or _new_study(session, assembled)
            study.receiving = False
            study.last_received_at = assembled.last_received_at
            latest = session.scalar(
                select(Revision).where(Revision.study_id == study.id).order_by(Revision.number.desc()).limit(1)
            )
            if latest is not None and latest.files_digest == digest:
                return latest.number
            revision = Revision(
                study_id=study.id,
                number=1 if latest is None else latest.number + 1,
                completion=assembled.completion.value,
                files_digest=digest,
                last_received_at=assembled.last_received_at,
                closed_at=utc_now(),
            )
            session.add(revision)
            session.flush()
            for series in assembled.series:
                session.add(
                    Series(
                        revision_id=revision.id,
                        series_instance_uid=series.series_instance_uid,
                        manifest=list(series.files),
                        summary=summaries.get(series.series_instance_uid, {}),
                    )
                )
            write_event(
                session,
                "study complete",
                study_id=study.id,
                revision=revision.number,
                completion=assembled.completion.value,
                instances=len(files),
                series=len(assembled.series),
            )
            for planned in plan:
                _plan_job(session, study, revision, planned, self.clock.read(), sender=assembled.calling_ae_title)
            return revision.number

    def made_here(self, sop_instance_uids: Sequence[str]) -> frozenset[str]:
        """Return those of the SOP Instance UIDs that are results of this ledger."""
        query = select(ResultObject.sop_instance_uid).where(ResultObject.sop_instance_uid.in_(sop_instance_uids))
        with self.reading() as session:
            return frozenset(session.scalars(query))


def queue_token(session: Session, job: Job) -> None:
    """Put a token for the job into the outbox, in the transaction of the change that makes it claimable."""
    session.add(Outbox(queue=job.queue, job_id=job.id))


def change_job(session: Session, job: Job, state: JobState, *, study_id: int, reason: str = "", **detail: Any) -> None:
    """Move a job to a state and write the event; raise IllegalTransition where the table does not allow it."""
    require_job(JobState(job.state), state)
    job.state = state
    job.reason = reason
    job.held_from = ""
    if reason:
        detail["reason"] = reason
    write_event(session, f"job {state}", study_id=study_id, job_id=job.id, **detail)


def known_model(session: Session, model: ModelVersion) -> str:
    """Record a version of a model where it is new; return its digest."""
    if session.get(Model, model.model_digest) is None:
        session.add(Model(digest=model.model_digest, model_id=model.model_id, name=model.name, version=model.version))
        session.flush()
    return model.model_digest


def _plan_job(
    session: Session, study: Study, revision: Revision, planned: Planned, now: Reading, *, sender: str
) -> None:
    known_model(session, planned)
    earlier = session.scalars(
        select(Job)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Model, Model.digest == Job.model_digest)
        .where(
            Revision.study_id == study.id,
            Model.model_id == planned.model_id,
            Revision.id != revision.id,
            Job.state != JobState.SUPERSEDED,
        )
        .order_by(Job.id.desc())
    ).all()
    last_read = next((job for job in earlier if job.state in (JobState.READ, JobState.CLAIMED)), None)
    state, reason = _state_in_revision(planned, earlier[0] if earlier else None, last_read)
    if state is None:
        _renew_input(session, study, earlier, planned)
        return
    for job in earlier:
        if job.state in _REPLACED_AT_ONCE:
            change_job(
                session, job, JobState.SUPERSEDED, study_id=study.id, reason="later images: a newer job reads them"
            )
    priority = planned.priority if study.priority is None else Priority(study.priority)
    queued_at = utc_now()
    job = Job(
        revision_id=revision.id,
        model_digest=planned.model_digest,
        queue=planned.queue,
        state=state,
        priority=priority,
        sender=sender,
        rank_s=rank_s(priority, queued_at),
        input_key=planned.input_key,
        reason=reason,
        supersedes_job_id=last_read.id if last_read is not None and state in (JobState.QUEUED, JobState.HELD) else None,
        queued_at=queued_at,
    )
    session.add(job)
    session.flush()
    session.add(JobInput(job_id=job.id, series_instance_uid=planned.series_instance_uid, files=list(planned.files)))
    urgency = {"priority": priority.name.lower()}
    urgency["because"] = planned.because if study.priority is None else "an admin said so"
    write_event(
        session,
        f"job {state}",
        study_id=study.id,
        job_id=job.id,
        model=planned.model_id,
        reason=reason if state is JobState.HELD else planned.reason,
        **({} if state is JobState.SKIPPED else urgency),
    )
    if state is JobState.QUEUED:
        stand_in_line(session, job.queue, job.sender)
        queue_token(session, job)
        if planned.deadline_s is not None:
            record_deadline(session, job, planned.deadline_s, now)


def _state_in_revision(planned: Planned, last: Job | None, last_read: Job | None) -> tuple[JobState | None, str]:
    """Decide what a revision means for a model: a job, a reason why not, or (None) nothing new."""
    unchanged = last is not None and last.input_key == planned.input_key and last.model_digest == planned.model_digest
    if unchanged and not (planned.runs and last is not None and last.state == JobState.SKIPPED):
        return None, ""
    if not planned.runs:
        # What was read stays read: the model would not choose this study now, but nothing that it read has changed.
        return (None, "") if last_read is not None else (JobState.SKIPPED, planned.reason)
    if planned.held:
        return JobState.HELD, planned.held
    if last_read is not None and planned.late_images != "rerun":
        return JobState.SKIPPED, _LATE_REASONS[planned.late_images]
    return JobState.QUEUED, ""


def _renew_input(session: Session, study: Study, jobs: Sequence[Job], planned: Planned) -> None:
    """Let what is not read yet read the newest headers of its images."""
    for job in jobs:
        if job.state in _REPLACED_AT_ONCE and job.input_key == planned.input_key:
            source = session.scalars(select(JobInput).where(JobInput.job_id == job.id)).one()
            if source.files != list(planned.files):
                source.files = list(planned.files)
                write_event(session, "headers corrected", study_id=study.id, job_id=job.id)


def _study(session: Session, study_instance_uid: str) -> Study | None:
    return session.scalar(select(Study).where(Study.study_instance_uid == study_instance_uid))


def _new_study(session: Session, assembled: AssembledStudy) -> Study:
    study = Study(
        study_instance_uid=assembled.study_instance_uid,
        folder=assembled.folder,
        calling_ae_title=assembled.calling_ae_title,
        receiving=False,
        first_received_at=assembled.first_received_at,
        last_received_at=assembled.last_received_at,
    )
    session.add(study)
    session.flush()
    return study


def _note_peer(session: Session, instance: StoredInstance) -> None:
    if not instance.calling_ae_title:
        return
    peer = session.scalar(select(Peer).where(Peer.ae_title == instance.calling_ae_title))
    if peer is None:
        peer = Peer(ae_title=instance.calling_ae_title)
        session.add(peer)
    peer.address, peer.last_seen_at = instance.sender_address, instance.received_at
