"""Studies that were expected to be read and were not: the ledger knows of which of them nobody has been told."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, func, or_, select, text
from sqlalchemy.orm import Session, aliased

from worker.errors import LedgerDamaged
from worker.jobs.job import JobState
from worker.jobs.job_records import ResultFile
from worker.jobs.routing import by_destination
from worker.ledger.damage import damage_told
from worker.ledger.database import LOCK, Database, utc_now, write_event
from worker.ledger.job_states import held_when_read, study_of
from worker.ledger.results import add_results
from worker.ledger.tables import IS_ADDENDUM, Event, Job, JobInput, Model, Revision, Series
from worker.ledger.tokens import renew_tokens

_log = structlog.get_logger()

#: The states in which a job has ended without a read, and which a radiologist may be told of.
UNREAD = (JobState.FAILED, JobState.SKIPPED)
#: What ended longer ago is not told: a setting that is switched on today must not send notes about last year.
_TOLD_WITHIN = timedelta(days=7)
_NOTED = "unread noted"


@dataclass(frozen=True, kw_only=True)
class UnreadJob:
    """A job that ended without a read.

    Attributes:
        job_id: Of the ledger.
        state: *failed* or *skipped*.
        reason: Why, as the ledger has it; names no patient.
        study_folder: In spool and results.
        files: Of the series that was to be read, relative to the spool; of the study's first where none was chosen.
        model_id: The card's id.
        model_digest: The version that it was queued for.
        read_before: How many files the read that stands has read; 0 where none stands.
        queued_at: UTC; dates and times inside the note derive from it.
        calling_ae_title: Who sent the study.
    """

    job_id: int
    state: JobState
    reason: str
    study_folder: str
    files: tuple[str, ...]
    model_id: str
    model_digest: str
    read_before: int
    queued_at: datetime
    calling_ae_title: str = ""


class UnreadLedger(Database):
    """Notes of what was not read."""

    def next_unread(self, queues: Sequence[str], states: Collection[JobState]) -> UnreadJob | None:
        """Return a job of these queues and states that ended lately and has no note yet, the oldest first."""
        job = aliased(Job)
        # So that a database begins with the few that are untold, not with all that ever ended so in these queues.
        of_any_queue = select(Job.id).where(untold(states))
        due = select(job.id).where(job.queue.in_(queues), job.id.in_(of_any_queue)).order_by(job.id).limit(1)
        while True:
            with self.reading() as session:
                job_id = session.scalar(due)
                if job_id is None:
                    return None
                try:
                    with damage_told():
                        return _unread(session, session.get_one(Job, job_id))
                except LedgerDamaged as damage:
                    told = damage.args[0]
            self._note_damaged(job_id, told)

    def _note_damaged(self, job_id: int, damage: str) -> None:
        """Note that no note can be made of a job: those of others would wait behind it."""
        of_job = select(Job.revision_id).where(Job.id == job_id).scalar_subquery()
        with self.writing() as session:
            study_id = session.scalar(select(Revision.study_id).where(Revision.id == of_job))
            outcome = f"no note can be made: {damage}; `wetread ledger check` says where"
            write_event(session, _NOTED, study_id=study_id, job_id=job_id, outcome=outcome)
        _log.error("no note can be made", job=job_id, cause=damage, remedy="`wetread ledger check` says where")

    def requeue_unread(self, states: Collection[JobState], *, silent_s: float, busy: Collection[str] = ()) -> int:
        """Make a new token for each job that waits for its note, as `requeue_silent` does for what waits to be read."""
        now = self.clock.read()
        with self.writing() as session:
            return renew_tokens(session, and_(untold(states), Job.queue.not_in(busy)), now, silent_s)

    def note_unread(
        self, unread: UnreadJob, *, results: Iterable[ResultFile], destinations: Mapping[str, Collection[str]], why: str
    ) -> None:
        """Record the note with a delivery to each destination that wants its kind; a retried job is left alone.

        Args:
            unread: From `next_unread`.
            results: The note; empty where none can be made.
            destinations: Kinds of object by name.
            why: For the timeline.
        """
        with self.writing() as session:
            job = session.get_one(Job, unread.job_id, with_for_update=LOCK)
            if job.state != unread.state:
                return
            study_of(session, job).results_removed_at = None
            wanting = [
                (result, [name for name, kinds in destinations.items() if result.kind in kinds]) for result in results
            ]
            goes_to = by_destination((result.kind, names) for result, names in wanting)
            write_event(
                session, _NOTED, study_id=study_of(session, job).id, job_id=job.id, outcome=why, goes_to=goes_to
            )
            add_results(session, job, wanting)


def untold(states: Collection[JobState]) -> ColumnElement[bool]:
    """Return the condition that a job ended in one of these states lately, and has no note since.

    What was skipped because its card asks for an addendum counts whatever the states are.
    """
    note, end = aliased(Event), aliased(Event)
    ended_since = (
        select(end.id)
        .where(end.job_id == Job.id, end.kind.in_([f"job {state}" for state in UNREAD]), end.id > note.id)
        .correlate(Job, note)
        .exists()
    )
    noted = select(note.id).where(note.job_id == Job.id, note.kind == _NOTED, ~ended_since).correlate(Job).exists()
    since = utc_now() - _TOLD_WITHIN
    ended_lately = func.coalesce(Job.finished_at, Job.queued_at) >= since
    # A job is skipped as it is queued: an index leads to the few of late, however many there ever were.
    lately = {
        JobState.FAILED: and_(Job.state == JobState.FAILED, ended_lately),
        JobState.SKIPPED: and_(Job.state == JobState.SKIPPED, Job.queued_at >= since),
    }
    addendum = and_(text(IS_ADDENDUM), ended_lately)
    return and_(or_(addendum, *(lately[state] for state in states)), ~noted)


def _unread(session: Session, job: Job) -> UnreadJob:
    files: Any = session.scalars(select(JobInput.files).where(JobInput.job_id == job.id)).one()
    if not files:
        series = select(Series.manifest).where(Series.revision_id == job.revision_id).order_by(Series.id).limit(1)
        files = session.scalar(series) or ()
    return UnreadJob(
        job_id=job.id,
        state=JobState(job.state),
        reason=job.reason,
        study_folder=study_of(session, job).folder,
        files=tuple(files),
        model_id=session.get_one(Model, job.model_digest).model_id,
        model_digest=job.model_digest,
        read_before=_read_before(session, job),
        queued_at=job.queued_at,
        calling_ae_title=study_of(session, job).calling_ae_title,
    )


def _read_before(session: Session, job: Job) -> int:
    """Count the files that the latest read of the same model and study has read; a held one stands too."""
    model_id = select(Model.model_id).where(Model.digest == job.model_digest).scalar_subquery()
    standing = session.execute(
        select(Job.id, Job.state)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Model, Model.digest == Job.model_digest)
        .where(Revision.study_id == study_of(session, job).id, Model.model_id == model_id)
        .where(Job.state.in_((JobState.READ, JobState.HELD)))
        .order_by(Job.id.desc())
    )
    was_read = (it.id for it in standing if it.state == JobState.READ or held_when_read(session, it.id))
    latest = select(JobInput.files).where(JobInput.job_id == next(was_read, None))
    files: Any = session.scalar(latest)
    return len(files or ())
