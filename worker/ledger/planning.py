"""What a revision means for jobs, as rows: new ones, those that they replace, and those that go on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.job import JobState, Priority
from worker.jobs.job_records import ModelVersion
from worker.jobs.turn import rank_s
from worker.ledger.clock import Reading
from worker.ledger.damage import damage_told, put_aside, require_numbers
from worker.ledger.database import LOCK, lock_name, utc_now, write_event
from worker.ledger.deadlines import record_deadline
from worker.ledger.job_states import change_job, held_when_read, queue_again, queue_token
from worker.ledger.planned_read import Planned, starts_over, state_in_revision
from worker.ledger.superseded import keep_back_waiting
from worker.ledger.tables import Job, JobInput, Model, Revision, Study
from worker.ledger.turns import stand_in_line
from worker.selecting.other_series import OtherSeries

_log = structlog.get_logger()

#: States that a later revision's job replaces at once. What is claimed, or was read, is replaced when the new job is
#: read.
_REPLACED_AT_ONCE = (JobState.QUEUED, JobState.FAILED, JobState.HELD, JobState.SKIPPED, JobState.CANCELLED)

#: What has met its input.
_MEETS = (JobState.READ, JobState.CLAIMED)
#: Not one of a state that is none: nobody knows whether that was ever read.
_COUNT = tuple(state for state in JobState if state is not JobState.SUPERSEDED)

_READ_BY_ANOTHER = "later images: a newer job reads them"


def known_model(session: Session, model: ModelVersion) -> str:
    """Record a version of a model where it is new; return its digest."""
    if session.get(Model, model.model_digest) is None:
        lock_name(session, f"model {model.model_digest}")
    if session.get(Model, model.model_digest) is None:
        session.add(Model(digest=model.model_digest, model_id=model.model_id, name=model.name, version=model.version))
        session.flush()
    return model.model_digest


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a revision means for a model.

    Attributes:
        earlier: Its jobs of this study that still count, newest first.
        last_read: The latest of them that is read, or being read; also where it is held since.
        state: Of a new job; None where there is none to be.
        reason: Why it is in that state.
        starts_over: Whether the latest is being read, and perhaps of bytes that were mended in the meantime.
        were_read: Ids of those that were read and have not been queued again since, whether they are held or not.
    """

    earlier: Sequence[Job]
    last_read: Job | None
    state: JobState | None
    reason: str
    starts_over: bool = False
    were_read: frozenset[int] = frozenset()

    @property
    def early(self) -> bool:
        """Whether it may be queued, or held, while the study still arrives: nothing was read or is to be read yet."""
        new = self.state in (JobState.QUEUED, JobState.HELD)
        return new and all(job.state == JobState.SKIPPED for job in self.earlier)


def decide(session: Session, study: Study, planned: Planned) -> Decision:
    """Decide what a revision means for a model; the jobs of the study that it rests on are locked."""
    earlier, was_read = _counting(session, study, planned.model_id)
    last_read = next((job for job in earlier if job.state in _MEETS or job.id in was_read), None)
    state, reason = state_in_revision(planned, earlier[0] if earlier else None, last_read)
    over = state is None and starts_over(planned, last_read)
    return Decision(
        earlier=earlier, last_read=last_read, state=state, reason=reason, starts_over=over, were_read=was_read
    )


def _counting(session: Session, study: Study, model_id: str) -> tuple[list[Job], frozenset[int]]:
    """Return a model's jobs of a study that still count, locked, newest first, and which of them were read till now.

    One whose row is damaged is put aside: what came later must not wait for it.
    """
    found = session.execute(
        select(Job.id, Job.state)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Model, Model.digest == Job.model_digest)
        .where(Revision.study_id == study.id, Model.model_id == model_id, Job.state.in_(_COUNT))
        .order_by(Job.id.desc())
        .with_for_update(of=Job, **LOCK)
    ).all()
    for job_id, state in found:
        try:
            job = session.get_one(Job, job_id)
            require_numbers(job.attempts, job.fence, job.rank_s, Priority(job.priority))
        except LedgerDamaged as damage:
            put_aside(session, job_id, JobState(state), damage)
    # As they are by now.
    jobs = [session.get_one(Job, job_id, populate_existing=True) for job_id, _ in found]
    read = {job_id for job_id, state in found if state == JobState.READ}
    return jobs, frozenset(
        read | {job.id for job in jobs if job.state == JobState.HELD and held_when_read(session, job.id)}
    )


def start_over(session: Session, planned: Planned, decision: Decision, now: Reading) -> None:
    """Queue a job again that is being read and met other bytes than are here by now; what it makes is refused.

    So nothing leaves that was read of a damaged file, and the whole one is read once.
    """
    job = decision.last_read
    if job is None or not decision.starts_over:
        return
    job.attempts -= 1  # it was not the study's fault
    job.model_digest = known_model(session, planned)
    queue_again(session, job, now, reason="a file of it was damaged, and has come again while it was read", wait_s=0.0)


def plan_job(
    session: Session,
    study: Study,
    revision: Revision,
    planned: Planned,
    decision: Decision,
    now: Reading,
    *,
    sender: str,
) -> None:
    """Record what was decided: a job, with its input, deadline and token, or new headers for the one that is."""
    known_model(session, planned)
    state, reason, last_read = decision.state, decision.reason, decision.last_read
    if state is None:
        _renew_input(session, study, decision.earlier, planned)
        return
    for job in decision.earlier:
        if _is_replaced_at_once(job, planned, decision):
            change_job(session, job, JobState.SUPERSEDED, study_id=study.id, reason=_READ_BY_ANOTHER)
            keep_back_waiting(session, job, reason=_READ_BY_ANOTHER)
    # One that is none holds up nothing.
    priority = Priority(study.priority) if study.priority in set(Priority) else planned.priority
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


def _is_replaced_at_once(job: Job, planned: Planned, decision: Decision) -> bool:
    """Tell whether an earlier job ends now; what was read stays, though it is held, until another read is there.

    Unless the very same input is read anew: then a file of it was damaged, and nobody is to release what was read of
    it.
    """
    anew = decision.state is not JobState.SKIPPED and job.input_key == planned.input_key
    return job.state in _REPLACED_AT_ONCE and (anew or job.id not in decision.were_read)


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
            if planned.others and replace(planned.others, left_out=known.left_out) != known:
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
