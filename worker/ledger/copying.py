"""A ledger taken to another database, whole: from SQLite to PostgreSQL when one machine becomes several, or back."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Integer, Table, delete, func, insert, select, text
from sqlalchemy.orm import Session

from worker.errors import LedgerUnusable
from worker.ledger.database import Database
from worker.ledger.tables import Base, Compatibility
from worker.ledger.versions import latest_version

_CHUNK = 1000
_TABLES: tuple[Table, ...] = tuple(Base.metadata.sorted_tables)  # what is referred to comes first


def copy_ledger(source: Database, target: Database, *, say: Callable[[str, int], None]) -> int:
    """Copy every row of one state of a ledger into an empty one, all or none; return how many.

    Leases and waits do not go on where the databases' clocks are not the same: what was claimed is free at once then.

    Args:
        source: Not changed. What is written to it meanwhile is not copied: nothing should run.
        target: Gets the rows under the same ids.
        say: Called with each table's name and rows.

    Raises LedgerUnusable where the target holds something, or one of them is of another version of wetread; LedgerAway,
    LedgerRefused.
    """
    copied = 0
    with source.reading() as old, target.writing() as new:
        for session in (old, new):
            # Tables and columns that a later version has made would be left out without a word.
            _require_ours(session)
            _take_time(session)
        _require_empty(new)
        new.execute(delete(Compatibility))  # the migrations wrote it
        for table in _TABLES:
            rows = 0
            for chunk in _chunks(old, table):
                new.execute(insert(table), chunk)
                rows += len(chunk)
            _go_on_behind(new, table)
            copied += rows
            say(table.name, rows)
    return copied


def _require_ours(session: Session) -> None:
    version = session.scalar(text("SELECT version_num FROM alembic_version"))
    if version != latest_version():
        raise LedgerUnusable(
            f"a ledger is at {version}, this version of wetread at {latest_version()}; let one version migrate both"
        )


def _take_time(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            session.execute(text(f"SET LOCAL {limit} = 0"))


def _require_empty(session: Session) -> None:
    for table in _TABLES:
        if table.name != Compatibility.__tablename__ and session.execute(select(table).limit(1)).first() is not None:
            raise LedgerUnusable(
                f"the ledger to copy to has rows already (in {table.name}); name an empty database: nothing is mixed"
            )


def _chunks(session: Session, table: Table) -> Iterator[list[Mapping[Any, Any]]]:
    # By key: a row that refers to another of its table refers to an earlier one.
    query = select(table).order_by(*table.primary_key)
    # As they come: a driver would have all of a table in memory before the first.
    found = session.execute(query, execution_options={"yield_per": _CHUNK}).mappings()
    for chunk in found.partitions(_CHUNK):
        yield [dict(row) for row in chunk]


def _go_on_behind(session: Session, table: Table) -> None:
    """Have PostgreSQL number new rows behind those that came with their numbers; SQLite does so by itself."""
    (key, *more) = table.primary_key
    if more or not isinstance(key.type, Integer) or session.get_bind().dialect.name != "postgresql":
        return
    sequence = func.pg_get_serial_sequence(table.name, key.name)
    last = session.scalar(select(func.max(key)))
    if last is not None:
        session.execute(select(func.setval(sequence, last)))
