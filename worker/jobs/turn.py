"""Which job is next: by priority, then by turns between senders, then by age. Pure.

A job's rank is stored when it is queued: the moment of queueing, moved by its priority. So waiting alone moves a job
up, and nothing has to be rewritten while it waits. Between jobs of one level senders take turns: one who sends five
hundred studies does not keep another's one waiting.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from worker.jobs.job import Priority

_DAY_S = 86_400.0

#: How much earlier than it was queued a job counts. Differences are how long one waits before it counts like the next
#: more urgent: a routine job a day, until it stands beside what is urgent now; a month, until beside what is STAT now.
_MOVED_S: Mapping[Priority, float] = {
    Priority.STAT: -30 * _DAY_S,
    Priority.URGENT: -_DAY_S,
    Priority.ROUTINE: 0.0,
    Priority.BACKLOG: 14 * _DAY_S,
}


@dataclass(frozen=True, kw_only=True)
class Head:
    """The first job that one sender has waiting in one queue.

    Attributes:
        job_id: Of the ledger.
        priority: As it was given.
        rank_s: From `rank_s`.
        served: When a job of this sender was last claimed from this queue, as a number that grows with each claim.
    """

    job_id: int
    priority: Priority
    rank_s: float
    served: int


def rank_s(priority: Priority, queued_at: datetime) -> float:
    """Return where a job stands among those of its sender, in seconds; lower runs first."""
    return queued_at.timestamp() + _MOVED_S[priority]


def level(head: Head, now: datetime) -> Priority:
    """Return how urgent a job counts by now, its waiting included; never less than it was given."""
    aged = next((each for each in Priority if head.rank_s - now.timestamp() <= _MOVED_S[each]), Priority.BACKLOG)
    # Where the clock was set back, what waits seems to be of the future.
    return min(aged, head.priority)


def next_turn(heads: Iterable[Head], now: datetime) -> Head | None:
    """Return whose job is next: the most urgent, of equals the sender who was served least lately; None of none."""
    return min(heads, key=lambda head: (level(head, now), head.served, head.rank_s, head.job_id), default=None)
