"""The ledger's way in: a study arrives, a revision is closed, its jobs are queued."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from dicom_node.study import AssembledStudy, Completion, StoredInstance
from worker.errors import LedgerDamaged
from worker.job import JobState, ModelVersion, Priority, require_job
from worker.ledger_clock import Reading
from worker.ledger_damage import damage_told
from worker.ledger_database import LOCK, Database, lock_name, utc_now, write_event
from worker.ledger_deadlines import record_deadline
from worker.ledger_revisions import add_revision, digest_of, latest_revision
from worker.ledger_superseded import keep_back_waiting
from worker.ledger_turns import stand_in_line
from worker.other_series import OtherSeries
from worker.planned_read import Planned, state_in_revision
from worker.tables import Job, JobInput, Model, Outbox, Peer, ResultObject, Revision, Series, Study
from worker.turn import rank_s

_log = structlog.get_logger()

#: States that a later revision's job replaces at once. What is claimed or read is replaced when the new job is read.
_REPLACED_AT_ONCE = (JobState.QUEUED, JobState.FAILED, JobState.HELD, JobState.SKIPPED, JobState.CANCELLED)

_READ_BY_ANOTHER = "later images: a newer job reads them"

#: SQLite takes 32,766 parameters in a statement, and a list of instances may have more.
_UIDS_A_QUERY = 5000


class IntakeLedger(Database):
    """Studies and revisions."""

    def recorded_files(self, folder: str) -> frozenset[str]:
        """Return the files of a study folder that some revision lists, relative to the spool."""
        query = (
            select(Series.manifest)
            .join(Revision, Revision.id == Series.revision_id)
            .join(Study, Study.id == Revision.study_id)
            # What was read early is to be in a revision of the whole study yet.
            .where(Study.folder == folder, Revision.completion != Completion.SERIES.value)
        )
        with self.reading() as session:
            return frozenset(file for manifest in session.scalars(query) for file in manifest)

    def study_receiving(self, instance: StoredInstance) -> None:
        """Note that a study, or a later image of one, is arriving."""
        with self.writing() as session:
            study = _locked_study(session, instance.study_instance_uid)
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

    def nothing_left(self, study_instance_uid: str) -> None:
        """Note that a study does not arrive, though an instance of it had come; of one that does not, nothing."""
        with self.writing() as session:
            study = _locked_study(session, study_instance_uid)
            if study is not None and study.receiving:
                study.receiving = False
                write_event(session, "nothing left of it", study_id=study.id)

    def close_revision(
        self, assembled: AssembledStudy, summaries: Mapping[str, dict[str, Any]], plan: Iterable[Planned]
    ) -> int:
        """Record a revision with its jobs and their tokens; return its number.

        The same set of files as the latest revision changes nothing, but where a job is to read anew what is mended.

        Args:
            assembled: What has arrived.
            summaries: By Series Instance UID, what selection saw; kept for the admin.
            plan: One entry a model.
        """
        digest, sender = digest_of(assembled), assembled.calling_ae_title
        with self.writing() as session:
            study = _locked_study(session, assembled.study_instance_uid) or _new_study(session, assembled)
            study.receiving = False
            study.last_received_at = assembled.last_received_at
            study.images_removed_at = None  # there are images again, for retention to look at
            latest = latest_revision(session, study)
            same = latest is not None and latest.files_digest == digest
            if latest is not None and same and not assembled.mended:
                return latest.number
            decided = [(planned, _decide(session, study, planned)) for planned in plan]
            if latest is not None and same and all(decision.state is None for _, decision in decided):
                return latest.number
            revision = add_revision(session, study, latest, assembled, summaries, event="study complete")
            for planned, decision in decided:
                _plan_job(session, study, revision, planned, decision, self.clock.read(), sender=sender)
            return revision.number

    def series_complete(
        self, assembled: AssembledStudy, summaries: Mapping[str, dict[str, Any]], plan: Iterable[Planned]
    ) -> int | None:
        """Record an early revision with the jobs that need not wait for the rest of the study; return its number.

        None, and nothing is recorded, where it would bring no job. What cannot be read yet, and what has been read
        before, is left to the revision of the whole study: by then more is known of which series is the right one.
        """
        sender = assembled.calling_ae_title
        with self.writing() as session:
            study = _locked_study(session, assembled.study_instance_uid)
            study = study or _new_study(session, assembled, receiving=True)
            decided = [(planned, _decide(session, study, planned)) for planned in plan]
            fresh = [(planned, decision) for planned, decision in decided if decision.early]
            if not fresh:
                return None
            latest = latest_revision(session, study)
            revision = add_revision(session, study, latest, assembled, summaries, event="series complete")
            for planned, decision in fresh:
                _plan_job(session, study, revision, planned, decision, self.clock.read(), sender=sender)
            return revision.number

    def made_here(self, sop_instance_uids: Sequence[str]) -> frozenset[str]:
        """Return those of the SOP Instance UIDs that are results of this ledger."""
        found: set[str] = set()
        with self.reading() as session:
            for first in range(0, len(sop_instance_uids), _UIDS_A_QUERY):
                some = sop_instance_uids[first : first + _UIDS_A_QUERY]
                query = select(ResultObject.sop_instance_uid).where(ResultObject.sop_instance_uid.in_(some))
                found.update(session.scalars(query))
        return frozenset(found)

    def known_models(self) -> list[tuple[str, str]]:
        """Return id and version of every model that a job was ever recorded for."""
        with self.reading() as session:
            return [(model_id, version) for model_id, version in session.execute(select(Model.model_id, Model.version))]


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
        lock_name(session, f"model {model.model_digest}")
    if session.get(Model, model.model_digest) is None:
        session.add(Model(digest=model.model_digest, model_id=model.model_id, name=model.name, version=model.version))
        session.flush()
    return model.model_digest


@dataclass(frozen=True, kw_only=True)
class _Decision:
    """What a revision means for a model.

    Attributes:
        earlier: Its jobs of this study that still count, newest first.
        last_read: The latest of them that is read, or being read.
        state: Of a new job; None where there is none to be.
        reason: Why it is in that state.
    """

    earlier: Sequence[Job]
    last_read: Job | None
    state: JobState | None
    reason: str

    @property
    def early(self) -> bool:
        """Whether it may be queued, or held, while the study still arrives: nothing was read or is to be read yet."""
        new = self.state in (JobState.QUEUED, JobState.HELD)
        return new and all(job.state == JobState.SKIPPED for job in self.earlier)


def _decide(session: Session, study: Study, planned: Planned) -> _Decision:
    earlier = session.scalars(
        select(Job)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Model, Model.digest == Job.model_digest)
        .where(Revision.study_id == study.id, Model.model_id == planned.model_id, Job.state != JobState.SUPERSEDED)
        .order_by(Job.id.desc())
        .with_for_update(of=Job, **LOCK)
    ).all()
    last_read = next((job for job in earlier if job.state in (JobState.READ, JobState.CLAIMED)), None)
    state, reason = state_in_revision(planned, earlier[0] if earlier else None, last_read)
    return _Decision(earlier=earlier, last_read=last_read, state=state, reason=reason)


def _plan_job(
    session: Session,
    study: Study,
    revision: Revision,
    planned: Planned,
    decision: _Decision,
    now: Reading,
    *,
    sender: str,
) -> None:
    known_model(session, planned)
    state, reason, last_read = decision.state, decision.reason, decision.last_read
    if state is None:
        _renew_input(session, study, decision.earlier, planned)
        return
    for job in decision.earlier:
        if job.state in _REPLACED_AT_ONCE:
            change_job(session, job, JobState.SUPERSEDED, study_id=study.id, reason=_READ_BY_ANOTHER)
            keep_back_waiting(session, job, reason=_READ_BY_ANOTHER)
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
    source = JobInput(job_id=job.id, series_instance_uid=planned.series_instance_uid, files=list(planned.files))
    source.others = planned.others
    session.add(source)
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
    if state in (JobState.QUEUED, JobState.HELD) and planned.deadline_s is not None:
        record_deadline(session, job, planned.deadline_s, now)


def _renew_input(session: Session, study: Study, jobs: Sequence[Job], planned: Planned) -> None:
    """Let what is not read yet read the newest headers of its images, and tell of what has come too late for a read."""
    for job in jobs:
        if job.input_key != planned.input_key:
            continue
        try:
            with damage_told():
                source = session.scalars(select(JobInput).where(JobInput.job_id == job.id)).one()
        except LedgerDamaged as damage:
            # Whoever claims the job holds it; what else comes of the study must not wait for that.
            _log.error("damaged input not renewed", job=job.id, cause=damage.args[0], remedy="`wetread ledger check`")
            continue
        known, source.others = source.others, planned.others
        if job.state not in _REPLACED_AT_ONCE:
            if planned.others and planned.others != known:
                _tell_others(session, study, job, planned.others)
        elif source.files != list(planned.files):
            source.files = list(planned.files)
            write_event(session, "headers corrected", study_id=study.id, job_id=job.id)


def _tell_others(session: Session, study: Study, job: Job, others: OtherSeries) -> None:
    """Say in the timeline that more of the study fits the model by now than the reports of a read count."""
    write_event(
        session,
        "more that fits came",
        study_id=study.id,
        job_id=job.id,
        not_read=f"{others.series} other series, {others.images} images",
        remedy=f"the results do not count what came after them; `wetread hold {job.id}`, then `wetread retry {job.id}` "
        "makes them anew",
    )


def _locked_study(session: Session, study_instance_uid: str) -> Study | None:
    """Return a study for this transaction alone; where there is none, nobody else adds it meanwhile."""
    query = select(Study).where(Study.study_instance_uid == study_instance_uid).with_for_update(**LOCK)
    study = session.scalar(query)
    if study is None:
        lock_name(session, f"study {study_instance_uid}")
        study = session.scalar(query)
    return study


def _new_study(session: Session, assembled: AssembledStudy, *, receiving: bool = False) -> Study:
    study = Study(
        study_instance_uid=assembled.study_instance_uid,
        folder=assembled.folder,
        calling_ae_title=assembled.calling_ae_title,
        receiving=receiving,
        first_received_at=assembled.first_received_at,
        last_received_at=assembled.last_received_at,
    )
    session.add(study)
    session.flush()
    return study


def _note_peer(session: Session, instance: StoredInstance) -> None:
    if not instance.calling_ae_title:
        return
    query = select(Peer).where(Peer.ae_title == instance.calling_ae_title)
    if session.scalar(query) is None:
        lock_name(session, f"peer {instance.calling_ae_title}")
    peer = session.scalar(query.with_for_update(**LOCK))
    if peer is None:
        peer = Peer(ae_title=instance.calling_ae_title)
        session.add(peer)
    peer.address, peer.last_seen_at = instance.sender_address, instance.received_at
