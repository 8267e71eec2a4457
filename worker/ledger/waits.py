"""What is over on the ledger's clock: a wait, a lease, a deadline.

A reading that is none, as SQLite takes it, or that lies further ahead than anything of ours waits, is damaged: whatever
it stands for is over, else it would never be.
"""

from typing import Any, Protocol

from sqlalchemy import ColumnElement, or_

from worker.ledger.clock import Reading

#: Nothing waits for so long.
_LONGEST_S = 366 * 86400.0


class _Waiting(Protocol):
    clock: Any


def is_over(row: type[_Waiting], until_s: Any, now: Reading) -> ColumnElement[bool]:
    """Return the condition that what a row waits for is over; under another mark it is."""
    return or_(row.clock != now.mark, passed(until_s, now.seconds))


def passed(until_s: Any, seconds: float) -> ColumnElement[bool]:
    """Return the condition that a column's reading is not ahead of these seconds, or is none."""
    # To SQLite a text is more than any number; to PostgreSQL NaN is.
    return or_(until_s <= seconds, until_s > seconds + _LONGEST_S)


def seconds_left(clock: object, until_s: object, now: Reading) -> float | None:
    """Return how long it is until a reading, negative where it has passed; None where nobody can tell."""
    if clock != now.mark or not isinstance(until_s, int | float):
        return None
    left = until_s - now.seconds
    return left if left <= _LONGEST_S else None
