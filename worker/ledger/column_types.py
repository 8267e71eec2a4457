"""How values stand in the ledger's tables, whichever database it is; what cannot be read is LedgerDamaged."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, String, Text, TypeDecorator

from worker.errors import LedgerDamaged


def _told(read: Callable[[Any], Any] | None, what: str) -> Callable[[Any], Any]:
    """Have a reader say of a value that it cannot read what that means: SQLite takes anything in any column."""

    def checked(value: Any) -> Any:
        try:
            return value if read is None else read(value)
        except (ValueError, TypeError):
            # Their words would quote the value.
            raise LedgerDamaged(f"the ledger holds {what}") from None

    return checked


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: with zone in Python, UTC in the database, whichever database it is."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse what has no zone, and store UTC."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone cannot enter the ledger")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return UTC; SQLite forgets the zone."""
        del dialect
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return what reads a point in time; LedgerDamaged where it is none."""
        return _told(super().result_processor(dialect, coltype), "a date that is none")


def _storable(value: str) -> str:
    """Replace NUL and half characters: PostgreSQL refuses them, and what cannot be written is tried for ever."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


class Prose(TypeDecorator[str]):
    """Text of which a part may come from outside."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what every database takes."""
        del dialect
        return None if value is None else _storable(value)


class Words(TypeDecorator[str]):
    """A few words that may come from outside; what is too long is cut off."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self._length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what every database takes."""
        del dialect
        return None if value is None else _storable(value)[: self._length]


class _JsonOf(TypeDecorator[Any]):
    """JSON of one kind."""

    impl = JSON
    cache_ok = True
    kind: type

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the value, if it is of this kind."""
        del dialect
        if not isinstance(value, self.kind):
            raise TypeError
        return value

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return what reads it; LedgerDamaged where it is no JSON, or of another kind."""
        return _told(super().result_processor(dialect, coltype), "a text that is not the JSON that it should be")


class JsonObject(_JsonOf):
    """Values by name."""

    kind = dict
    cache_ok = True


class JsonList(_JsonOf):
    """Several texts."""

    kind = list
    cache_ok = True
