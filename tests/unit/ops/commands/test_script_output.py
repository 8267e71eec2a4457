"""What scripts get of records: the words that the command line takes, and times that every language parses."""

import enum
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from ops.commands.script_output import for_scripts, plain
from worker.jobs.job import JobState, Priority


class Inner(BaseModel):
    """A model of pydantic's inside a record."""

    value: float


@dataclass(frozen=True)
class Row:
    """A record."""

    at: datetime
    priority: Priority
    state: JobState
    inner: tuple[Inner, ...]
    nothing: None = None


class Other(enum.Enum):
    """Something that JSON does not know."""

    ONE = 1


def test_records_are_plain() -> None:
    """Levels by name, times in ISO 8601 with a T, whatever they are in."""
    row = Row(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), Priority.ROUTINE, JobState.READ, (Inner(value=1.5),))
    assert plain({"rows": [row]}) == {
        "rows": [
            {
                "at": "2026-01-02T03:04:05+00:00",
                "priority": "routine",
                "state": "read",
                "inner": [{"value": 1.5}],
                "nothing": None,
            }
        ]
    }
    assert for_scripts([True, Other.ONE]) == '[\n true,\n "Other.ONE"\n]'
