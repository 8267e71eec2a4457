"""Everything that the ledger has of a study, for whoever checks it: rows as they are, a page of studies at a time."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.ledger_clock import Reading
from worker.ledger_database import Database
from worker.tables import (
    Base,
    Delivery,
    Event,
    Job,
    JobInput,
    Model,
    Notice,
    Notification,
    Outbox,
    ResultObject,
    Revision,
    Series,
    Study,
)

_PAGE = 200
#: Values in one IN (…): SQLite takes 32766, and a page of studies has fewer jobs than that.
_IN = 10_000

Row = TypeVar("Row", bound=Base)


@dataclass(frozen=True, kw_only=True)
class ResultFacts:
    """A result and its way to each destination."""

    result: ResultObject
    deliveries: Sequence[Delivery] = ()


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """A job and what hangs on it.

    Attributes:
        job: The row.
        model_id: The card's id.
        inputs: What it reads.
        results: What it made.
        tokens: In the outbox.
        events: Its own, in the order of the ledger.
        notifications: What somebody must hear of it.
        notices: Those, on their way.
    """

    job: Job
    model_id: str
    inputs: Sequence[JobInput] = ()
    results: Sequence[ResultFacts] = ()
    tokens: Sequence[Outbox] = ()
    events: Sequence[Event] = ()
    notifications: Sequence[Notification] = ()
    notices: Sequence[Notice] = ()


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """A study and what hangs on it; `events` are those of no job."""

    study: Study
    revisions: Sequence[Revision] = ()
    series: Sequence[Series] = ()
    jobs: Sequence[JobFacts] = ()
    events: Sequence[Event] = ()


class FactsLedger(Database):
    """What a check asks."""

    def all_facts(self) -> Iterator[StudyFacts]:
        """Yield every study, the oldest first. A page is one state of the ledger, the next may be a later one."""
        after = 0
        while True:
            with self.reading() as session:
                query = select(Study).where(Study.id > after).order_by(Study.id).limit(_PAGE)
                studies = session.scalars(query).all()
                page = _facts(session, studies)
            if not page:
                return
            yield from page
            after = page[-1].study.id

    def orphans(self) -> list[tuple[str, int, str]]:
        """Return (table, id, missing) of rows that refer to a row which is not there."""
        found: list[tuple[str, int, str]] = []
        with self.reading() as session:
            for table in Base.metadata.sorted_tables:
                own = next(iter(table.primary_key.columns))
                for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
                    there = key.column.table.alias()
                    target = there.c[key.column.name]
                    query = select(own).where(
                        key.parent.is_not(None), ~select(target).where(target == key.parent).exists()
                    )
                    found += [(table.name, row, key.column.table.name) for row in session.scalars(query)]
        return found

    def first_deliveries(self) -> Mapping[tuple[str, str], int]:
        """Return the first job of which an object of a kind was to go to a destination, by (destination, kind)."""
        query = (
            select(Delivery.destination, ResultObject.kind, func.min(ResultObject.job_id))
            .join(ResultObject, ResultObject.id == Delivery.result_object_id)
            .group_by(Delivery.destination, ResultObject.kind)
        )
        with self.reading() as session:
            return {(destination, kind): job_id for destination, kind, job_id in session.execute(query)}

    def fed_queues(self, now: Reading, patience_s: float) -> frozenset[str]:
        """Return the queues for which a token was published within so many seconds before this reading of the clock."""
        query = select(Outbox.queue).where(
            Outbox.published, Outbox.clock == now.mark, Outbox.published_s >= now.seconds - patience_s
        )
        with self.reading() as session:
            return frozenset(session.scalars(query.distinct()))

    def version(self) -> str:
        """Return which migration the tables are at."""
        with self.reading() as session:
            return str(session.connection().exec_driver_sql("SELECT version_num FROM alembic_version").scalar())


def _facts(session: Session, studies: Sequence[Study]) -> list[StudyFacts]:
    ids = [study.id for study in studies]
    revisions = _by(session, Revision, Revision.study_id, ids)
    of_study = {row.id: row.study_id for rows in revisions.values() for row in rows}
    series = _by(session, Series, Series.revision_id, list(of_study))
    jobs = _by(session, Job, Job.revision_id, list(of_study))
    job_ids = [job.id for rows in jobs.values() for job in rows]
    made = _job_facts(session, [job for rows in jobs.values() for job in rows], job_ids)
    events = _by(session, Event, Event.study_id, ids)
    return [
        StudyFacts(
            study=study,
            revisions=revisions.get(study.id, ()),
            series=[row for revision in revisions.get(study.id, ()) for row in series.get(revision.id, ())],
            jobs=[made[job.id] for revision in revisions.get(study.id, ()) for job in jobs.get(revision.id, ())],
            events=[event for event in events.get(study.id, ()) if event.job_id is None],
        )
        for study in studies
    ]


def _job_facts(session: Session, jobs: Sequence[Job], ids: Sequence[int]) -> dict[int, JobFacts]:
    models: dict[str, str] = dict(session.execute(select(Model.digest, Model.model_id)).all())
    inputs = _by(session, JobInput, JobInput.job_id, ids)
    results = _by(session, ResultObject, ResultObject.job_id, ids)
    deliveries = _by(session, Delivery, Delivery.result_object_id, [row.id for row in _flat(results)])
    tokens = _by(session, Outbox, Outbox.job_id, ids)
    events = _by(session, Event, Event.job_id, ids)
    notifications = _by(session, Notification, Notification.job_id, ids)
    notices = _by(session, Notice, Notice.notification_id, [row.id for row in _flat(notifications)])
    return {
        job.id: JobFacts(
            job=job,
            model_id=models.get(job.model_digest, ""),
            inputs=inputs.get(job.id, ()),
            results=[ResultFacts(result=row, deliveries=deliveries.get(row.id, ())) for row in results.get(job.id, ())],
            tokens=tokens.get(job.id, ()),
            events=events.get(job.id, ()),
            notifications=notifications.get(job.id, ()),
            notices=[row for of in notifications.get(job.id, ()) for row in notices.get(of.id, ())],
        )
        for job in jobs
    }


def _by(session: Session, row: type[Row], column: Any, values: Sequence[int]) -> dict[int, list[Row]]:
    """Return the rows whose column has one of the values, by it, in the order of the ledger."""
    found: dict[int, list[Row]] = defaultdict(list)
    for start in range(0, len(values), _IN):
        some = values[start : start + _IN]
        query = select(row).where(column.in_(some)).order_by(*row.__table__.primary_key)
        for one in session.scalars(query):
            found[getattr(one, column.key)].append(one)
    return found


def _flat(rows: Mapping[int, Iterable[Row]]) -> list[Row]:
    return [row for some in rows.values() for row in some]
