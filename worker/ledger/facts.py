"""Everything that the ledger has of a study, for whoever checks it: rows as they are, a page of studies at a time."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import (
    String,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.ledger.clock import Reading
from worker.ledger.database import Database
from worker.ledger.tables import (
    Base,
    Commitment,
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
    Withdrawal,
)
from worker.ledger.values import dialect_of, wrong_values

_PAGE = 200
#: Values in one IN (…): SQLite takes 32766, and a page of studies has fewer jobs than that.
_IN = 10_000

Row = TypeVar("Row", bound=Base)


@dataclass(frozen=True, kw_only=True)
class ResultFacts:
    """A result and its way to each destination.

    Attributes:
        result: The row.
        deliveries: Its own.
        asked_for: Deliveries whose commitment is to be asked for.
        withdrawn_for: Deliveries that are to be deleted, and the job whose read is to have arrived before.
    """

    result: ResultObject
    deliveries: Sequence[Delivery] = ()
    asked_for: Collection[int] = ()
    withdrawn_for: Mapping[int, int] = field(default_factory=dict)


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


@dataclass(frozen=True, kw_only=True)
class UnreadableStudy:
    """A study of which a row holds what cannot be read."""

    study_instance_uid: str
    why: str


class FactsLedger(Database):
    """What a check asks."""

    def all_facts(self) -> Iterator[StudyFacts | UnreadableStudy]:
        """Yield every study, the oldest first. A page is one state of the ledger, the next may be a later one."""
        after = 0
        while True:
            with self.reading() as session:
                query = select(Study.id, Study.study_instance_uid).where(Study.id > after).order_by(Study.id)
                uids: dict[int, str] = dict(session.execute(query.limit(_PAGE)).all())
                page: list[StudyFacts | UnreadableStudy] = []
                try:
                    page += _facts(session, list(uids))
                except LedgerDamaged:
                    for one, uid in uids.items():
                        try:
                            page += _facts(session, [one])
                        except LedgerDamaged as damaged:
                            page.append(UnreadableStudy(study_instance_uid=uid, why=str(damaged)))
            if not uids:
                return
            yield from page
            after = max(uids)

    def is_empty(self) -> bool:
        """Say whether no study was ever recorded, or none is left."""
        with self.reading() as session:
            return session.scalar(select(Study.id).limit(1)) is None

    def unreadable(self) -> list[tuple[str, str, str]]:
        """Return (table, key, column) of values that are not of their column's kind, some of each table.

        SQLite takes anything anywhere; PostgreSQL only JSON of another kind.
        """
        found: list[tuple[str, str, str]] = []
        with self.reading() as session:
            for table in Base.metadata.sorted_tables:
                wrong = {column.name: is_wrong for column, is_wrong in wrong_values(table, dialect_of(session))}
                if not wrong:
                    continue
                key = next(iter(table.primary_key.columns))
                query = select(cast(key, String), *(is_wrong.label(name) for name, is_wrong in wrong.items()))
                for row_key, *flags in session.execute(query.where(or_(*wrong.values())).limit(_PAGE)):
                    found += [(table.name, row_key, name) for name, flag in zip(wrong, flags, strict=True) if flag]
        return found

    def file_damage(self) -> list[str]:
        """Return what SQLite says of the ledger's file, page by page; nothing where it is whole, or on PostgreSQL."""
        with self.reading() as session:
            if dialect_of(session) != "sqlite":
                return []
            told = session.connection().exec_driver_sql("PRAGMA quick_check(10)").scalars()
            return [line for line in told if line != "ok"]

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


def _facts(session: Session, ids: Sequence[int]) -> list[StudyFacts]:
    studies = session.scalars(select(Study).where(Study.id.in_(ids)).order_by(Study.id)).all()
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
    asked_for = _by(session, Commitment, Commitment.delivery_id, [row.id for row in _flat(deliveries)])
    withdrawals = _by(session, Withdrawal, Withdrawal.delivery_id, [row.id for row in _flat(deliveries)])
    tokens = _by(session, Outbox, Outbox.job_id, ids)
    events = _by(session, Event, Event.job_id, ids)
    notifications = _by(session, Notification, Notification.job_id, ids)
    notices = _by(session, Notice, Notice.notification_id, [row.id for row in _flat(notifications)])
    return {
        job.id: JobFacts(
            job=job,
            model_id=models.get(job.model_digest, ""),
            inputs=inputs.get(job.id, ()),
            results=[
                ResultFacts(
                    result=row,
                    deliveries=deliveries.get(row.id, ()),
                    asked_for=[one.id for one in deliveries.get(row.id, ()) if one.id in asked_for],
                    withdrawn_for={
                        one.delivery_id: one.job_id
                        for delivery in deliveries.get(row.id, ())
                        for one in withdrawals.get(delivery.id, ())
                    },
                )
                for row in results.get(job.id, ())
            ],
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
