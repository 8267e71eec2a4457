"""Whose job is next: priorities, turns between senders, and what waiting does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.jobs.job import Priority
from worker.jobs.turn import Head, level, next_turn, rank_s

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def head(priority: Priority = Priority.ROUTINE, *, ago: timedelta = timedelta(), job: int = 1, served: int = 0) -> Head:
    """Return a job that was queued so long ago."""
    return Head(job_id=job, priority=priority, rank_s=rank_s(priority, NOW - ago), served=served)


@pytest.mark.parametrize(
    ("priority", "waited", "counts_as"),
    [
        (Priority.STAT, timedelta(), Priority.STAT),
        (Priority.URGENT, timedelta(days=28), Priority.URGENT),
        (Priority.ROUTINE, timedelta(hours=23), Priority.ROUTINE),
        (Priority.ROUTINE, timedelta(hours=25), Priority.URGENT),
        (Priority.BACKLOG, timedelta(days=13), Priority.BACKLOG),
        (Priority.BACKLOG, timedelta(days=14), Priority.ROUTINE),
        (Priority.BACKLOG, timedelta(days=45), Priority.STAT),
    ],
)
def test_waiting_moves_a_job_up(priority: Priority, waited: timedelta, counts_as: Priority) -> None:
    """Whatever more urgent keeps coming, nothing waits for ever."""
    assert level(head(priority, ago=waited), NOW) is counts_as


def test_a_clock_that_was_set_back_takes_nothing_away() -> None:
    """A job that seems to come from the future counts as it was given."""
    assert level(head(Priority.ROUTINE, ago=timedelta(hours=-5)), NOW) is Priority.ROUTINE


def test_the_most_urgent_is_next() -> None:
    """Before the age, and before the turns."""
    heads = [
        head(Priority.BACKLOG, job=1, ago=timedelta(hours=9)),
        head(Priority.ROUTINE, job=2, ago=timedelta(hours=8)),
        head(Priority.STAT, job=3, served=99),
        head(Priority.URGENT, job=4),
    ]
    order = []
    while (found := next_turn(heads, NOW)) is not None:
        order.append(found.job_id)
        heads.remove(found)
    assert order == [3, 4, 2, 1]


def test_of_equals_the_one_served_least_lately_is_next() -> None:
    """However much longer the other's job has waited."""
    assert next_turn([head(job=1, ago=timedelta(hours=5), served=7), head(job=2, served=3)], NOW) == head(
        job=2, served=3
    )


def test_nobody_waits() -> None:
    """Then nothing is next."""
    assert next_turn([], NOW) is None


@given(st.sampled_from(Priority), st.sampled_from(Priority), st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_senders_own_order_agrees_with_the_levels(one: Priority, other: Priority, waited: int, longer: int) -> None:
    """The stored rank, by which one sender's jobs are ordered, never puts a lower level before a higher one."""
    first = head(one, ago=timedelta(seconds=waited))
    second = head(other, ago=timedelta(seconds=longer))
    if first.rank_s < second.rank_s:
        assert level(first, NOW) <= level(second, NOW)
