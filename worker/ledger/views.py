"""The ledger's read side: jobs, studies, timelines and the overview, each in one transaction and few queries."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from dicom_node.study import Completion
from worker.errors import LedgerDamaged
from worker.jobs.admin_rows import EventRow, JobRow
from worker.jobs.job import Priority
from worker.jobs.overview import Overview, StudyRow, StudyState, study_state
from worker.ledger.alerts import AlertViews
from worker.ledger.engine import require_writes
from worker.ledger.job_rows import NO_TIME, Query, all_jobs, job_rows
from worker.ledger.overview import read_overview
from worker.ledger.peers import PeerViews
from worker.ledger.tables import Event, Job, Model, ResultObject, Revision, Study
from worker.ledger.values import readable_values


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which jobs are looked for; what is left out does not matter.

    Attributes:
        model_id: The card's id.
        sender: AE title of who sent the study.
        queue: Where it runs.
        priority: How urgent it is.
        queued_before: It waits, or has been there, since before this.
        queued_after: It came after this.
    """

    model_id: str | None = None
    sender: str | None = None
    queue: str | None = None
    priority: Priority | None = None
    queued_before: datetime | None = None
    queued_after: datetime | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield what must hold of jobs and their models."""
        for column, value in (
            (Model.model_id, self.model_id),
            (Job.sender, self.sender),
            (Job.queue, self.queue),
            (Job.priority, self.priority),
        ):
            if value is not None:
                yield column == value
        if self.queued_before is not None:
            yield Job.queued_at < self.queued_before
        if self.queued_after is not None:
            yield Job.queued_at > self.queued_after


class LedgerViews(AlertViews, PeerViews):
    """What people and pages ask. Every method raises LedgerAway when the database does not answer."""

    def ping(self) -> None:
        """Prove that the ledger answers, has its tables, and is no standby."""
        with self.reading() as session:
            session.execute(select(Study.id).limit(1))
            require_writes(session.connection())

    def jobs(
        self, state: str | None = None, limit: int = 100, *, before: int | None = None, among: Wanted | None = None
    ) -> list[JobRow]:
        """Return jobs, newest first, of one state or of all; `before` a job's id goes further back."""
        wanted = select(Job.id).join(Model, Job.model_digest == Model.digest).order_by(Job.id.desc()).limit(limit)
        if state is not None:
            wanted = wanted.where(Job.state == state)
        if before is not None:
            wanted = wanted.where(Job.id < before)
        if among is not None:
            wanted = wanted.where(*among.conditions())
        with self.reading() as session:
            # First which: whole rows of all that are like that need not be put in order.
            found = session.scalars(wanted).all()
            return job_rows(session, all_jobs().where(Job.id.in_(found)).order_by(Job.id.desc()))

    def job(self, job_id: int) -> JobRow | None:
        """Return a job with its deliveries, or None."""
        with self.reading() as session:
            return next(iter(job_rows(session, all_jobs().where(Job.id == job_id))), None)

    def text_report(self, job_id: int) -> str | None:
        """Return the file of a job's text SR, below the root of the results; None where nothing was told of it."""
        query = (
            select(ResultObject.file)
            .where(ResultObject.job_id == job_id, ResultObject.kind == "TEXT-SR")
            # The latest read may have made once more what an earlier one had.
            .order_by(ResultObject.fence.desc(), ResultObject.id.desc())
            .limit(1)
        )
        with self.reading() as session:
            return session.scalar(query)

    def studies(self, limit: int = 100) -> list[StudyRow]:
        """Return studies, the one that received last first."""
        with self.reading() as session:
            return _study_rows(session, select(Study).order_by(Study.last_received_at.desc(), Study.id).limit(limit))

    def study(self, study_instance_uid: str) -> StudyRow | None:
        """Return a study with its jobs, or None."""
        with self.reading() as session:
            rows = _study_rows(session, select(Study).where(Study.study_instance_uid == study_instance_uid))
            return next(iter(rows), None)

    def timeline(self, study_instance_uid: str, limit: int = 500) -> list[EventRow]:
        """Return what happened to a study and its jobs, in the order of the ledger; the latest `limit` events."""
        with self.reading() as session:
            study_id = session.scalar(select(Study.id).where(Study.study_instance_uid == study_instance_uid))
            if study_id is None:
                return []
            of_study = (
                select(Job.id).join(Revision, Job.revision_id == Revision.id).where(Revision.study_id == study_id)
            )
            # Asked for by their values: else PostgreSQL goes through the events of all studies, the latest first.
            of_it = or_(Event.study_id == study_id, Event.job_id.in_(session.scalars(of_study).all()))
            latest = session.scalars(select(Event.id).where(of_it).order_by(Event.id.desc()).limit(limit)).all()
            return _event_rows(session, sorted(latest))

    def overview(self) -> Overview:
        """Return the state of the whole house."""
        with self.reading() as session:
            return read_overview(session)


def _event_rows(session: Session, ids: Sequence[int]) -> list[EventRow]:
    """Return lines of a timeline; where one is damaged each is asked for by itself, and of that one a part is shown."""
    try:
        events = session.scalars(select(Event).where(Event.id.in_(ids)).order_by(Event.id)).all()
    except LedgerDamaged as damage:
        if len(ids) > 1:
            return [row for event_id in ids for row in _event_rows(session, [event_id])]
        event = readable_values(session, Event, Event.id == ids[0])
        told = {"damaged": str(damage)}
        return [EventRow(at=event["at"] or NO_TIME, kind=event["kind"] or "", job_id=event["job_id"], detail=told)]
    return [EventRow(at=e.at, kind=e.kind, job_id=e.job_id, detail=e.detail) for e in events]


def _study_rows(session: Session, query: Query) -> list[StudyRow]:
    """Run a query for studies; where one is damaged each is asked for by itself, and of that one a part is shown."""
    try:
        return _whole_studies(session, session.scalars(query).all())
    except LedgerDamaged:
        ids = session.scalars(query.with_only_columns(Study.id)).all()
        return [_study_row(session, study_id) for study_id in ids]


def _study_row(session: Session, study_id: int) -> StudyRow:
    try:
        return _whole_studies(session, [session.get_one(Study, study_id)])[0]
    except LedgerDamaged:
        study = readable_values(session, Study, Study.id == study_id)
        return StudyRow(
            study_instance_uid=study["study_instance_uid"] or "",
            folder=study["folder"] or "",
            calling_ae_title=study["calling_ae_title"] or "",
            receiving=bool(study["receiving"]),
            first_received_at=study["first_received_at"] or study["last_received_at"] or NO_TIME,
            last_received_at=study["last_received_at"] or study["first_received_at"] or NO_TIME,
            revisions=_revisions(session, [study_id]).get(study_id, 0),
            state=StudyState.ATTENTION,
            jobs=tuple(job_rows(session, _jobs_of([study_id]))),
        )


def _jobs_of(study_ids: Sequence[int]) -> Query:
    return all_jobs().where(Revision.study_id.in_(study_ids)).order_by(Job.id.desc())


def _revisions(session: Session, study_ids: Sequence[int]) -> Mapping[int, int]:
    """Return how often studies were taken to be complete."""
    whole = and_(Revision.study_id.in_(study_ids), Revision.completion != Completion.SERIES.value)
    return dict(session.execute(select(Revision.study_id, func.count()).where(whole).group_by(Revision.study_id)).all())


def _whole_studies(session: Session, studies: Sequence[Study]) -> list[StudyRow]:
    ids = [study.id for study in studies]
    revisions = _revisions(session, ids)
    jobs: dict[str, list[JobRow]] = defaultdict(list)
    for job in job_rows(session, _jobs_of(ids)):
        jobs[job.study_instance_uid].append(job)
    return [
        StudyRow(
            study_instance_uid=study.study_instance_uid,
            folder=study.folder,
            calling_ae_title=study.calling_ae_title,
            receiving=study.receiving,
            first_received_at=study.first_received_at,
            last_received_at=study.last_received_at,
            revisions=revisions.get(study.id, 0),
            state=study_state(receiving=study.receiving, jobs=jobs[study.study_instance_uid]),
            jobs=tuple(jobs[study.study_instance_uid]),
        )
        for study in studies
    ]
