"""A job whose rows hold what wetread never wrote, or lack what it needs: it is put aside, so that others go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    String,
    Table,
    case,
    cast,
    func,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.job import HOLDABLE, JobState, Priority
from worker.ledger.column_types import JsonObject, UtcDateTime
from worker.ledger.database import LOCK, utc_now, write_event
from worker.ledger.tables import Base, Event, Job, Revision, Study
from worker.ledger.values import dialect_of, is_none_of, wrong_values
from worker.ledger.versions import is_ahead

_log = structlog.get_logger()

_Row = TypeVar("_Row", bound=Base)

#: What may be done about rows that were replaced.
REMEDY = "`wetread ledger check` says what is still wrong, a backup of the ledger what was there"
#: What may be done about a job that was put aside.
_UNREAD = "so nobody can read this job. " + REMEDY + "; then `wetread retry {0}` reads it, `wetread cancel {0}` never"
_SINCE = {
    JobState.READ: "after this job was read. "
    + REMEDY
    + "; then `wetread release-hold {0}` lets its results go, `wetread retry {0}` reads it again"
}
_STATELESS = (
    "`wetread release-hold {0}` lets the results of a job that was read go, `wetread retry {0}` reads it (again), "
    "`wetread cancel {0}` ends it"
)


@contextmanager
def damage_told() -> Iterator[None]:
    """Raise LedgerDamaged where a row that must be there is missing, or there twice."""
    try:
        yield
    except (NoResultFound, MultipleResultsFound):
        raise LedgerDamaged("the ledger lacks a row that a job needs, or has it twice") from None


def require_numbers(*values: object) -> None:
    """Raise LedgerDamaged where a value is no number: SQLite takes anything in any column."""
    if not all(isinstance(value, int | float) for value in values):
        raise LedgerDamaged("the ledger holds a number that is none")


def require_texts(*values: object) -> None:
    """Raise LedgerDamaged where a value is no text: SQLite takes anything in any column."""
    if not all(isinstance(value, str) for value in values):
        raise LedgerDamaged("the ledger holds a text that is none")


def put_aside(session: Session, job_id: int, before: JobState, damage: LedgerDamaged) -> None:
    """Hold a job that cannot be worked as the ledger has it, for an admin to look: all others would wait behind it.

    What of its row cannot be read is replaced by what can, so that commands and pages show the job and the reason.
    One that has ended otherwise stays ended: the timeline tells of it.
    """
    if before not in HOLDABLE:
        make_readable(session, Job, job_id, damage)
        return
    still = select(Job.id).where(Job.id == job_id, Job.state == before).with_for_update(**LOCK)
    if session.scalar(still) is None:
        return  # another process has met it at the same moment, and told
    _hold(session, job_id, f"{what_happened(damage)}, {_SINCE.get(before, _UNREAD).format(job_id)}", damage)


def put_aside_stateless(session: Session) -> int:
    """Hold jobs in a state that is none, in which they would wait for ever and no page would count them.

    One that had ended has the state that its timeline tells of again. A later wetread that works on the same ledger may
    know states that this one does not. Return how many.
    """
    stateless = is_none_of(Job.state, list(JobState))
    if session.scalar(select(Job.id).where(stateless).limit(1)) is None or is_ahead(session):
        return 0
    found = session.scalars(select(Job.id).where(stateless).with_for_update(skip_locked=True, **LOCK)).all()
    for job_id in found:
        damage = LedgerDamaged("the ledger holds a state of a job that is none")
        told = _state_told(session, job_id)
        if told in (None, JobState.HELD, *HOLDABLE):
            _hold(session, job_id, f"{what_happened(damage)}. {_STATELESS.format(job_id)}", damage)
        else:
            session.execute(update(Job).where(Job.id == job_id).values(state=told))
            make_readable(session, Job, job_id, damage)
    return len(found)


def _state_told(session: Session, job_id: int) -> JobState | None:
    """Return the latest state of a job that its timeline tells of."""
    kinds = {f"job {state}": state for state in JobState}
    latest = select(Event.kind).where(Event.job_id == job_id, Event.kind.in_(kinds)).order_by(Event.id.desc()).limit(1)
    return kinds.get(session.scalar(latest) or "")


def _hold(session: Session, job_id: int, reason: str, damage: LedgerDamaged) -> None:
    table: Any = Job.__table__
    # Column by column: what the row holds is not to be loaded.
    values = {**dict(_readable(session, table, job_id)), table.c.state: JobState.HELD.value, table.c.reason: reason}
    values |= {table.c.held_from: "", table.c.lease_owner: ""}
    session.execute(update(table).where(table.c.id == job_id).values(values))
    write_event(
        session, f"job {JobState.HELD}", study_id=study_id_of_row(session, Job, job_id), job_id=job_id, reason=reason
    )
    _log.error("damaged job put aside", job=job_id, cause=damage.args[0], remedy=f"`wetread job {job_id}`")


def readable(session: Session, row: type[_Row], row_id: int) -> _Row:
    """Return a row of a study or revision; what of it is no value is replaced before (`make_readable`)."""
    try:
        return _with_numbers(session.get_one(row, row_id))
    except LedgerDamaged as damage:
        make_readable(session, row, row_id, damage)
        return session.get_one(row, row_id, populate_existing=True)


def _with_numbers(found: _Row) -> _Row:
    for column in found.__table__.columns:
        if isinstance(column.type, Integer) and (value := getattr(found, column.name)) is not None:
            require_numbers(value)
    return found


def make_readable(session: Session, row: type[Base], row_id: int, damage: LedgerDamaged) -> None:
    """Replace what of a row of a study, a revision or a job is no value: what comes later must not wait for it.

    The timeline and the log tell of it.
    """
    table: Any = row.__table__
    values = dict(_readable(session, table, row_id if row is Job else None))
    if values:
        session.execute(update(table).where(table.c.id == row_id).values(values))
    write_event(
        session,
        "damaged row replaced",
        study_id=study_id_of_row(session, row, row_id),
        job_id=row_id if row is Job else None,
        table=table.name,
        reason=f"{what_happened(damage)}: a backup of the ledger says what was there",
    )
    _log.error("damaged row replaced", table=table.name, row=row_id, cause=damage.args[0], remedy=REMEDY)


def replace_wrong(session: Session, table: Table, which: ColumnElement[bool]) -> None:
    """Replace what of some rows is no value of its column; what can be read stays."""
    wrong = dict(wrong_values(table, dialect_of(session)))
    values = {
        column: case((is_wrong, _instead(column)), else_=column)
        for column, is_wrong in wrong.items()
        if not column.primary_key and not column.foreign_keys
    }
    if values:
        session.execute(update(table).where(which).values(values))


def what_happened(damage: LedgerDamaged) -> str:
    """Say for a timeline what was wrong with a row, and that it has been replaced."""
    return (
        f"{damage.args[0]} (somebody else has written to it, or its disk was in trouble); what of this row was no "
        "value has been replaced"
    )


def study_id_of_row(session: Session, row: type[Base], row_id: int) -> int | None:
    """Return the ledger's id of the study that a row of a study, a revision or a job belongs to."""
    if row is Study:
        return row_id
    revision_id = row_id if row is Revision else select(Job.revision_id).where(Job.id == row_id).scalar_subquery()
    return session.scalar(select(Revision.study_id).where(Revision.id == revision_id))


def _readable(session: Session, table: Table, job_id: int | None) -> Iterator[tuple[Column[Any], Any]]:
    """Yield columns with what they are to hold: a value that can be read stays."""
    wrong = dict(wrong_values(table, dialect_of(session)))
    if job_id is not None:
        claims = select(func.count(Event.id)).where(Event.job_id == job_id).scalar_subquery()
        fence, priority = table.c.fence, table.c.priority
        # Whoever had it cannot write any more.
        yield fence, case((wrong.pop(fence), claims), else_=fence + 1) if fence in wrong else fence + 1
        wrong.pop(priority, None)
        yield priority, case((priority.not_in(list(Priority)), Priority.ROUTINE.value), else_=priority)
    for column, is_wrong in wrong.items():
        # What the row refers to is looked at by the database where it is written, and may be what is missing.
        if not column.primary_key and not column.foreign_keys:
            yield column, case((is_wrong, _instead(column)), else_=column)


def _instead(column: Column[Any]) -> Any:
    if column.nullable:
        return null()
    if _is_unique(column):
        # Another row may be damaged alike.
        row_id: Any = column.table.c.id
        return "damaged " + cast(row_id, String) if isinstance(column.type, String) else -row_id
    if isinstance(column.type, JsonObject):
        return literal({}, JsonObject())
    return literal(utc_now(), UtcDateTime()) if isinstance(column.type, UtcDateTime) else literal(0)


def _is_unique(column: Column[Any]) -> bool:
    """Tell whether rows must differ in a column, by itself or with what the row refers to."""
    indexes = column.table.indexes if isinstance(column.table, Table) else ()
    return bool(column.unique) or any(index.unique and column.name in index.columns for index in indexes)
