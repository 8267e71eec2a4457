"""Values in the ledger that are not of their column's kind: SQLite takes anything in any column."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    and_,
    case,
    cast,
    func,
    null,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import Session

from worker.ledger.column_types import JsonList, JsonObject, UtcDateTime
from worker.ledger.engine import WELL_FORMED
from worker.ledger.tables import Base


def dialect_of(session: Session) -> str:
    """Return which database it is."""
    return session.get_bind().dialect.name


def wrong_values(table: Table, dialect: str) -> Iterator[tuple[Column[Any], ColumnElement[bool]]]:
    """Yield columns with the condition that a value of theirs is not of their kind."""
    for column in table.columns:
        # As it stands in the database, whatever it is.
        value: Any = type_coerce(column, String)
        if isinstance(column.type, JsonObject | JsonList):
            kind = "object" if isinstance(column.type, JsonObject) else "array"
            if dialect == "sqlite":
                is_json = and_(func.json_valid(value) == 1, ~_is_no_text(value))
                yield column, case((is_json, func.json_type(value) != kind), else_=true())
            else:
                yield column, func.json_typeof(column) != kind
        elif dialect == "sqlite" and isinstance(column.type, UtcDateTime):
            yield column, value.is_not(None) & _no_date(value)
        elif dialect == "sqlite" and isinstance(column.type, Float | Integer | Boolean):
            numbers = ("integer", "real", "null") if isinstance(column.type, Float) else ("integer", "null")
            yield column, func.typeof(value).not_in(numbers)
        elif dialect == "sqlite":
            yield column, _is_no_text(value)


def _is_no_text(value: Any) -> ColumnElement[bool]:
    """Return the condition that a value in SQLite is no text, or holds bytes that no text has."""
    well_formed = getattr(func, WELL_FORMED)(cast(value, LargeBinary))
    return or_(func.typeof(value).not_in(("text", "null")), well_formed == 0)


def if_readable(session: Session, column: Any) -> Any:
    """Return a column as it is, null where it holds no value of its kind."""
    own = column.property.columns[0]
    wrong = dict(wrong_values(own.table, dialect_of(session)))
    return case((wrong[own], null()), else_=column) if own in wrong else column


def is_none_of(column: Any, known: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a state is none of these; by the gaps between them, which an index finds."""
    words = sorted(known)
    gaps = (and_(column > before, column < after) for before, after in pairwise(words))
    return and_(or_(column < words[0], column > words[-1], *gaps), column.not_in(words))


def _no_date(value: Any) -> ColumnElement[bool]:
    """Return the condition that a text in SQLite is no point in time for Python either, as 31 February or 24:00 are."""
    day = func.substr(value, 1, 10)
    return or_(
        func.datetime(value).is_(None),
        ~value.bool_op("GLOB")("[0-9][0-9][0-9][0-9]-*"),
        # Without a step SQLite returns some days as they are written.
        func.date(day, "+0 days") != day,
        func.trim(value) != value,
        *(value.bool_op("GLOB")(pattern) for pattern in ("0000-*", "*[ T]24:*")),
    )


def readable_values(session: Session, row: type[Base], which: ColumnElement[bool]) -> dict[str, Any]:
    """Return what of a row can be read, by column, None for the rest; empty where there is no such row.

    Objects and lists are left out.
    """
    table: Any = row.__table__
    wrong = dict(wrong_values(table, dialect_of(session)))
    kept = [it for it in table.columns if not isinstance(it.type, JsonObject | JsonList)]
    columns = [case((wrong[it], null()), else_=it).label(it.name) if it in wrong else it for it in kept]
    found = session.execute(select(*columns).where(which)).mappings().first()
    return {} if found is None else dict(found)
