"""The ledger's word on what may be removed, and its memory of what was."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    delete,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.notification import NoticeState, NotificationState
from worker.jobs.retention import JobEnd, Keeping, StudyEnd
from worker.ledger.column_types import UtcDateTime
from worker.ledger.database import LOCK, Database, utc_now, write_event
from worker.ledger.leaving import leaves
from worker.ledger.tables import Base, Delivery, Job, Notice, Notification, ResultObject, Revision, Study, Withdrawal
from worker.ledger.unread import untold
from worker.ledger.withdrawals import newer_has_arrived

_BEING_TOLD = (NotificationState.NEW, NotificationState.OPEN)
_ON_ITS_WAY = (NoticeState.PENDING, NoticeState.SENDING)
#: By the time of the latest image, or by what stands there in its stead, and id.
_Place = tuple[datetime | str, int]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some studies, the oldest first.

    Attributes:
        studies: At most as many as were asked for.
        after: Where the next page begins; None at the end.
        damaged: Ids of studies of which some row cannot be read, with why.
    """

    studies: tuple[StudyEnd, ...]
    after: _Place | None
    damaged: tuple[tuple[int, str], ...] = ()


class RetentionLedger(Database):
    """What became of studies, for whoever clears the disk."""

    def ended_studies(
        self,
        *,
        before: Mapping[Keeping, datetime],
        told_of: Collection[JobState],
        committing: Collection[str],
        withdrawing: Collection[str] = (),
        after: _Place | None = None,
        limit: int = 200,
    ) -> Page:
        """Return studies of which something is kept though their latest image came before that may go.

        What cannot be read of one must not keep all others.

        Args:
            before: By what is kept, with zone; what is left out is not looked for.
            told_of: Ends of jobs about which a note is due.
            committing: Destinations that must commit to what they accepted.
            withdrawing: Destinations where objects of superseded reads are deleted.
            after: Where the page before ended.
            limit: Studies a page.
        """
        kept: dict[Keeping, ColumnElement[bool]] = {
            Keeping.IMAGES: Study.images_removed_at.is_(None),
            Keeping.RESULTS: Study.results_removed_at.is_(None),
            Keeping.ROWS: Study.images_removed_at.is_not(None),
        }
        query = (
            select(Study)
            .where(or_(*(and_(kept[what], Study.last_received_at < moment) for what, moment in before.items())))
            .order_by(Study.last_received_at, Study.id)
            .limit(limit)
        )
        if after is not None:
            moment, study_id = after
            kind = UtcDateTime() if isinstance(moment, datetime) else String()
            place = tuple_(literal(moment, kind), literal(study_id))
            query = query.where(tuple_(Study.last_received_at, Study.id) > place)

        def ends_of(studies: Sequence[Study]) -> tuple[StudyEnd, ...]:
            return _ends(session, studies, told_of, frozenset(committing), withdrawing)

        with self.reading() as session:
            try:
                rows = session.scalars(query).all()
                return Page(studies=ends_of(rows), after=_place_of(rows) if len(rows) == limit else None)
            except LedgerDamaged:
                return _readable_page(session, query, ends_of, limit)

    def study_end(
        self,
        study_id: int,
        *,
        told_of: Collection[JobState],
        committing: Collection[str],
        withdrawing: Collection[str] = (),
    ) -> StudyEnd | None:
        """Return a study as it is now; None where its rows are gone."""
        with self.reading() as session:
            row = session.get(Study, study_id)
            return None if row is None else _ends(session, [row], told_of, frozenset(committing), withdrawing)[0]

    def note_removed(self, study_id: int, what: Keeping, *, files: int, freed_bytes: int) -> None:
        """Note that images or results of a study are no longer on the disk."""
        column = Study.images_removed_at if what is Keeping.IMAGES else Study.results_removed_at
        with self.writing() as session:
            session.execute(update(Study).where(Study.id == study_id).values({column: utc_now()}))
            write_event(session, f"{what} removed", study_id=study_id, files=files, bytes=freed_bytes)

    def forget_study(self, study_id: int) -> None:
        """Remove every row of a study whose images and results are gone; nothing happens where they are not."""
        with self.writing() as session:
            study = session.get(Study, study_id, with_for_update=LOCK)
            if study is None or study.receiving or study.images_removed_at is None:
                return  # somebody else has removed it, or it has come again
            for table in reversed(Base.metadata.sorted_tables):
                owned = rows_of_study(table, study_id)
                if owned is not None:
                    session.execute(delete(table).where(owned))


def _readable_page(
    session: Session, query: Select[Any], ends_of: Callable[[Sequence[Study]], tuple[StudyEnd, ...]], limit: int
) -> Page:
    """Return a page of which some row cannot be read, study by study."""
    ids = session.scalars(query.with_only_columns(Study.id)).all()
    ends: list[StudyEnd] = []
    damaged: list[tuple[int, str]] = []
    for study_id in ids:
        try:
            ends += ends_of([session.get_one(Study, study_id)])
        except LedgerDamaged as damage:
            damaged.append((study_id, str(damage)))
    after = _place_of_id(session, ids[-1]) if len(ids) == limit else None
    return Page(studies=tuple(ends), after=after, damaged=tuple(damaged))


def _place_of_id(session: Session, study_id: int) -> _Place:
    """Return the place of a study, damaged or not: what comes after it must not wait for it."""
    try:
        at: datetime | str = session.scalars(select(Study.last_received_at).where(Study.id == study_id)).one()
    except LedgerDamaged:
        # As the database orders it.
        at = session.scalars(select(type_coerce(Study.last_received_at, String)).where(Study.id == study_id)).one()
    return at, study_id


def _place_of(rows: Sequence[Study]) -> _Place | None:
    return (rows[-1].last_received_at, rows[-1].id) if rows else None


def rows_of_study(table: FromClause, study_id: int) -> ColumnElement[bool] | None:
    """Return the condition that a row belongs to a study, by way of what it points to; None where none does."""
    if table is Study.__table__:
        return Study.id == study_id
    ways = []
    for key in table.foreign_keys:
        owned = rows_of_study(key.column.table, study_id) if key.column.table is not table else None
        if owned is not None:
            ways.append(key.parent.in_(select(key.column).where(owned)))
    return or_(*ways) if ways else None


def _ends(
    session: Session,
    studies: Sequence[Study],
    told_of: Collection[JobState],
    committing: frozenset[str],
    withdrawing: Collection[str],
) -> tuple[StudyEnd, ...]:
    """Return what became of studies, with as many queries as for one."""
    ids = [study.id for study in studies]
    jobs = session.execute(
        select(Revision.study_id, Job).join(Job, Job.revision_id == Revision.id).where(Revision.study_id.in_(ids))
    ).all()
    job_ids = [job.id for _, job in jobs]
    untold_jobs = set(session.scalars(select(Job.id).where(Job.id.in_(job_ids), untold(told_of))))
    alerts = _alerts(session, job_ids)
    states, latest = _deliveries(session, job_ids)
    to_delete = _to_delete(session, job_ids, withdrawing)
    ends: dict[int, list[JobEnd]] = defaultdict(list)
    moments: dict[int, list[datetime]] = defaultdict(list)
    for study_id, job in jobs:
        moments[study_id] += [at for at in (job.queued_at, job.finished_at, latest.get(job.id)) if at is not None]
        ends[study_id].append(
            JobEnd(
                id=job.id,
                state=JobState(job.state),
                told=job.id not in untold_jobs,
                deliveries={name: frozenset(found) for name, found in states.get(job.id, {}).items()},
                wants_commitment=committing,
            )
        )
    return tuple(
        StudyEnd(
            id=study.id,
            study_instance_uid=study.study_instance_uid,
            folder=study.folder,
            receiving=study.receiving,
            alerts=sum(alerts.get(job.id, 0) for job in ends[study.id]),
            jobs=tuple(ends[study.id]),
            quiet_since=max([study.last_received_at, *moments[study.id]]),
            gone=_gone(study),
            withdrawing=frozenset().union(*(to_delete.get(job.id, ()) for job in ends[study.id])),
        )
        for study in studies
    )


def _alerts(session: Session, job_ids: Sequence[int]) -> Counter[int]:
    """Return of how much of each job people are being told."""
    # The last step's time may run out while a channel is away, and is tried again.
    on_its_way = select(Notice.id).where(Notice.notification_id == Notification.id, Notice.state.in_(_ON_ITS_WAY))
    told = or_(Notification.state.in_(_BEING_TOLD), on_its_way.exists())
    return Counter(session.scalars(select(Notification.job_id).where(Notification.job_id.in_(job_ids), told)))


def _deliveries(
    session: Session, job_ids: Sequence[int]
) -> tuple[Mapping[int, Mapping[str, set[DeliveryState]]], Mapping[int, datetime]]:
    """Return what has become of each job's results, by destination, and when the latest of that was."""
    states: dict[int, dict[str, set[DeliveryState]]] = defaultdict(lambda: defaultdict(set))
    latest: dict[int, datetime] = {}
    for job_id, destination, state, updated_at in session.execute(
        select(ResultObject.job_id, Delivery.destination, Delivery.state, Delivery.updated_at)
        .join(Delivery, Delivery.result_object_id == ResultObject.id)
        .join(Job, Job.id == ResultObject.job_id)
        # For what its job keeps back no destination waits.
        .where(ResultObject.job_id.in_(job_ids), or_(Delivery.state != DeliveryState.PENDING, leaves()))
    ):
        states[job_id][destination].add(DeliveryState(state))
        latest[job_id] = max(updated_at, latest.get(job_id, updated_at))
    return states, latest


def _to_delete(session: Session, job_ids: Sequence[int], withdrawing: Collection[str]) -> Mapping[int, set[str]]:
    """Return the destinations where something of each job is to be deleted."""
    found: dict[int, set[str]] = defaultdict(set)
    for job_id, destination in session.execute(
        select(ResultObject.job_id, Delivery.destination)
        .join(Delivery, Delivery.result_object_id == ResultObject.id)
        .join(Withdrawal, Withdrawal.delivery_id == Delivery.id)
        # Nothing else takes the place of what an archive has: it stays there, and nobody waits for it.
        .where(ResultObject.job_id.in_(job_ids), Delivery.destination.in_(withdrawing), newer_has_arrived())
    ):
        found[job_id].add(destination)
    return found


def _gone(study: Study) -> frozenset[Keeping]:
    removed = {Keeping.IMAGES: study.images_removed_at, Keeping.RESULTS: study.results_removed_at}
    return frozenset(what for what, at in removed.items() if at is not None)
