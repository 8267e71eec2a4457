"""A job whose rows hold what wetread never wrote, or lack what it needs: it is put aside, so that others go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Column, Table, case, func, literal, null, select, update
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.orm import Session

from worker.column_types import UtcDateTime
from worker.errors import LedgerDamaged
from worker.job import JobState, Priority, require_job
from worker.ledger_database import LOCK, utc_now, write_event
from worker.ledger_facts import dialect_of, wrong_values
from worker.tables import Event, Job, Revision

_log = structlog.get_logger()


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


def put_aside(session: Session, job_id: int, before: JobState, damage: LedgerDamaged) -> None:
    """Hold a job that cannot be worked as the ledger has it, for an admin to look: all others would wait behind it.

    What of its row cannot be read is replaced by what can, so that commands and pages show the job and the reason.
    """
    require_job(before, JobState.HELD)
    reason = (
        f"{damage.args[0]} (somebody else has written to it, or its disk was in trouble), so nobody can read this job; "
        "what of its own row was no value has been replaced. `wetread ledger check` says what is still wrong, a "
        f"backup of the ledger what was there; then `wetread retry {job_id}` reads it, `wetread cancel {job_id}` never"
    )
    table: Any = Job.__table__
    still = select(table.c.id).where(table.c.id == job_id, table.c.state == before)
    if session.scalar(still.with_for_update(**LOCK)) is None:
        return  # another process has met it at the same moment, and told
    # Column by column: what the row holds is not to be loaded.
    values = {**dict(_readable(session, table, job_id)), table.c.state: JobState.HELD.value, table.c.reason: reason}
    values |= {table.c.held_from: "", table.c.lease_owner: ""}
    session.execute(update(table).where(table.c.id == job_id).values(values))
    study_id = session.scalar(
        select(Revision.study_id).where(
            Revision.id == select(Job.revision_id).where(Job.id == job_id).scalar_subquery()
        )
    )
    write_event(session, f"job {JobState.HELD}", study_id=study_id, job_id=job_id, reason=reason)
    _log.error("damaged job put aside", job=job_id, cause=damage.args[0], remedy=f"`wetread job {job_id}`")


def _readable(session: Session, table: Table, job_id: int) -> Iterator[tuple[Column[Any], Any]]:
    """Yield columns with what they are to hold: a value that can be read stays."""
    claims = select(func.count(Event.id)).where(Event.job_id == job_id).scalar_subquery()
    wrong = dict(wrong_values(table, dialect_of(session)))
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
    return literal(utc_now(), UtcDateTime()) if isinstance(column.type, UtcDateTime) else literal(0)
