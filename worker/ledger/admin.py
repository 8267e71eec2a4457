"""What an admin changes in the ledger, at once: priorities, holds of jobs, queues and destinations, and their end."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import IllegalTransition, UnknownStudy
from worker.jobs.admin_rows import HoldKind, HoldRow
from worker.jobs.job import JobState, Priority
from worker.jobs.turn import rank_s
from worker.ledger.admin_actions import AN_ADMIN, record_admin_action
from worker.ledger.database import LOCK, Database, lock_name, utc_now, write_event
from worker.ledger.job_states import change_job, held_when_read, queue_again, study_of
from worker.ledger.jobs import known_job, why_not_retried
from worker.ledger.resending import begin_anew, of_job
from worker.ledger.tables import Delivery, Hold, Job, Revision, Study
from worker.ledger.tokens import renew_tokens
from worker.ledger.turns import held, read_holds

#: What is not read yet is read sooner or later by it; what is read is delivered by it.
_ORDERED = (JobState.QUEUED, JobState.CLAIMED, JobState.HELD, JobState.READ, JobState.FAILED, JobState.SKIPPED)

#: Why what is in these states need not be released; whatever else is not held has ended without a read.
_NOTHING_TO_RELEASE = {
    JobState.QUEUED: "it is read in its turn, and then its results leave by themselves",
    JobState.CLAIMED: "it is being read, and then its results leave by themselves",
    JobState.READ: "its results leave by themselves",
    JobState.SUPERSEDED: "a job of later images has taken its place",
}


class AdminLedger(Database):
    """Changes by an admin's wish; each is one transaction, and an event says who did it."""

    def prioritise(self, job_id: int, priority: Priority, *, by: str = AN_ADMIN) -> None:
        """Give a job another priority. Raises UnknownJob, IllegalTransition for what can wait for nothing any more."""
        with self.writing() as session:
            job = known_job(session, job_id)
            if JobState(job.state) not in _ORDERED:
                raise IllegalTransition(f"job {job_id} is {job.state}: it waits for nothing")
            _give(job, priority)
            study_id = study_of(session, job).id
            record_admin_action(
                session, "prioritise", by=by, study_id=study_id, job_id=job_id, priority=_word(priority)
            )

    def prioritise_study(self, study_instance_uid: str, priority: Priority, *, by: str = AN_ADMIN) -> int:
        """Give a study's jobs, those of later images too, another priority; return how many there are by now.

        Raises UnknownStudy.
        """
        with self.writing() as session:
            study = _known_study(session, study_instance_uid)
            study.priority = priority
            jobs = _jobs_of(session, study)
            for job in jobs:
                _give(job, priority)
            record_admin_action(session, "prioritise", by=by, study_id=study.id, priority=_word(priority))
            return len(jobs)

    def raise_priority(self, study_instance_uid: str, priority: Priority, *, because: str) -> int:
        """Give a study's jobs this priority where theirs is lower, unless an admin has said otherwise; return how many.

        Raises UnknownStudy.
        """
        with self.writing() as session:
            study = _known_study(session, study_instance_uid)
            if study.priority is not None:
                return 0
            lower = [job for job in _jobs_of(session, study) if job.priority > priority]
            for job in lower:
                _give(job, priority)
                write_event(
                    session,
                    "priority raised",
                    study_id=study.id,
                    job_id=job.id,
                    priority=_word(priority),
                    because=because,
                )
            return len(lower)

    def hold_job(self, job_id: int, *, by: str = AN_ADMIN) -> None:
        """Keep a job from being read, or its results from being sent, until `resume_job`.

        A worker that is at it has worked for nothing. Raises UnknownJob, IllegalTransition.
        """
        with self.writing() as session:
            job = known_job(session, job_id)
            before = JobState(job.state)
            study_id = study_of(session, job).id
            change_job(
                session, job, JobState.HELD, study_id=study_id, reason=f"held by {by}; `wetread resume {job_id}`"
            )
            if before is JobState.CLAIMED:
                job.fence += 1
                job.attempts -= 1  # it was not the study's fault
            job.held_from = JobState.READ if before is JobState.READ else JobState.QUEUED
            record_admin_action(session, "hold", by=by, study_id=study_id, job_id=job_id)

    def resume_job(self, job_id: int, *, by: str = AN_ADMIN) -> JobState:
        """End `hold_job`; return the job's state. Raises UnknownJob, IllegalTransition for what nobody has held."""
        with self.writing() as session:
            job = known_job(session, job_id)
            if job.state != JobState.HELD or not job.held_from:
                raise IllegalTransition(_not_held(session, job))
            state, study_id = JobState(job.held_from), study_of(session, job).id
            if state is JobState.QUEUED:
                queue_again(session, job, self.clock.read(), reason=f"resumed by {by}", wait_s=0.0)
            else:
                change_job(session, job, state, study_id=study_id)
                begin_anew(session, of_job(job.id))
            record_admin_action(session, "resume", by=by, study_id=study_id, job_id=job_id)
            return state

    def release(self, job_id: int, *, by: str = AN_ADMIN) -> None:
        """Let results that an archive's identity check holds go, by an admin's word that they belong to the study.

        Raises UnknownJob, IllegalTransition for what is not held, held by an admin, or held before it was read.
        """
        with self.writing() as session:
            job = known_job(session, job_id)
            if refusal := _why_not_released(session, job):
                raise IllegalTransition(refusal)
            study_id = study_of(session, job).id
            change_job(session, job, JobState.READ, study_id=study_id, reason="")
            job.released = True
            begin_anew(session, of_job(job_id))
            record_admin_action(session, "release-hold", by=by, study_id=study_id, job_id=job_id)

    def hold_all(self, kind: HoldKind, name: str, *, by: str = AN_ADMIN) -> bool:
        """Let nothing be claimed from a queue, or sent to a destination; what runs ends. Return whether that is new."""
        with self.writing() as session:
            lock_name(session, f"hold {kind} {name}")
            if session.get(Hold, (kind, name)) is not None:
                return False
            session.add(Hold(kind=kind, name=name, since=utc_now(), held_by=by))
            record_admin_action(session, "hold", by=by, target=f"{kind} {name}")
            return True

    def resume_all(self, kind: HoldKind, name: str, *, by: str = AN_ADMIN) -> bool:
        """End `hold_all` of a queue or destination; return whether it was held."""
        with self.writing() as session:
            lock_name(session, f"hold {kind} {name}")
            hold = session.get(Hold, (kind, name))
            if hold is None:
                return False
            session.delete(hold)
            if kind == "queue":
                # What waited has used up its tokens.
                waiting = (Job.state == JobState.QUEUED) & (Job.queue == name)
                renew_tokens(session, waiting, self.clock.read(), silent_s=0.0)
            else:
                begin_anew(session, Delivery.destination == name)
            record_admin_action(session, "resume", by=by, target=f"{kind} {name}")
            return True

    def is_held(self, kind: HoldKind, name: str) -> bool:
        """Say whether an admin holds this queue or destination."""
        with self.reading() as session:
            return name in held(session, kind)

    def holds(self) -> list[HoldRow]:
        """Return what is held: queues and destinations, not single jobs."""
        with self.reading() as session:
            return read_holds(session)

    def known_names(self, kind: HoldKind) -> set[str]:
        """Return the queues (or destinations) that the ledger has heard of."""
        column = Job.queue if kind == "queue" else Delivery.destination
        with self.reading() as session:
            return set(session.scalars(select(column).distinct()))


def _give(job: Job, priority: Priority) -> None:
    job.priority, job.rank_s = priority, rank_s(priority, job.queued_at)


def _word(priority: Priority) -> str:
    return priority.name.lower()


def _known_study(session: Session, study_instance_uid: str) -> Study:
    query = select(Study).where(Study.study_instance_uid == study_instance_uid).with_for_update(**LOCK)
    study = session.scalar(query)
    if study is None:
        raise UnknownStudy(f"there is no study {study_instance_uid}; `wetread jobs` shows the UIDs of those with jobs")
    return study


def _jobs_of(session: Session, study: Study) -> list[Job]:
    query = (
        select(Job)
        .join(Revision, Revision.id == Job.revision_id)
        .where(Revision.study_id == study.id, Job.state.in_(_ORDERED))
        .order_by(Job.id.desc())
        .with_for_update(of=Job, **LOCK)
    )
    return list(session.scalars(query))


def _not_held(session: Session, job: Job) -> str:
    """Say why a job cannot be resumed, and what can be done instead."""
    if job.state != JobState.HELD:
        return f"job {job.id} is {job.state}, not held"
    if held_when_read(session, job.id):
        return (
            f"job {job.id} is held by no admin: {_sentence(job.reason)} `wetread release-hold {job.id}` sends its "
            "results" + _or_read_again(session, job)
        )
    return f"job {job.id} is held by no admin, and before it was read: {_sentence(job.reason)} " + _read_or_cancel(
        session, job
    )


def _sentence(reason: str) -> str:
    """Return a reason as it stands before another sentence; some of them ask."""
    return reason if reason.endswith((".", "?")) else f"{reason}."


def _why_not_released(session: Session, job: Job) -> str:
    """Say why no results of a job can be released, and what can be done instead; empty where they can."""
    if job.state == JobState.HELD:
        if job.held_from:
            return f"job {job.id} is held by an admin, not for its patient: `wetread resume {job.id}` lets it go on"
        if held_when_read(session, job.id):
            return ""
        return f"job {job.id} is held and was not read: {_sentence(job.reason)} " + _read_or_cancel(session, job)
    instead = _NOTHING_TO_RELEASE.get(JobState(job.state), "") or why_not_retried(session, job)
    instead = instead or f"`wetread retry {job.id}` reads it"
    return f"job {job.id} is {job.state}, not held, and nothing of it waits for a release: {instead}"


def _or_read_again(session: Session, job: Job) -> str:
    return "" if why_not_retried(session, job) else f", `wetread retry {job.id}` reads it again"


def _read_or_cancel(session: Session, job: Job) -> str:
    read = "" if why_not_retried(session, job) else f"`wetread retry {job.id}` reads it, "
    return f"{read}`wetread cancel {job.id}` reads it never"
