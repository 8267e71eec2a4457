"""States and what may follow what."""

import itertools

import pytest

from worker.errors import IllegalTransition
from worker.jobs.job import (
    RETRYABLE,
    DeliveryState,
    JobState,
    require_delivery,
    require_job,
    retry_wait_s,
    state_after_failure,
)


def test_nothing_follows_superseded() -> None:
    """A superseded job never moves again."""
    for after in JobState:
        with pytest.raises(IllegalTransition):
            require_job(JobState.SUPERSEDED, after)


def test_only_a_claimed_job_is_read() -> None:
    """Results are recorded from a claim, or released from a hold, and from nowhere else."""
    allowed = set()
    for before in JobState:
        try:
            require_job(before, JobState.READ)
        except IllegalTransition:
            continue
        allowed.add(before)
    assert allowed == {JobState.CLAIMED, JobState.HELD}


def test_no_state_follows_itself() -> None:
    """A transition is a change."""
    for state, require in itertools.chain(
        ((state, require_job) for state in JobState), ((state, require_delivery) for state in DeliveryState)
    ):
        with pytest.raises(IllegalTransition):
            require(state, state)  # type: ignore[arg-type]


@pytest.mark.parametrize("before", JobState)
def test_what_a_state_does_not_allow_is_told_with_what_can_be_done(before: JobState) -> None:
    """An admin at night hears more than that it cannot be."""
    with pytest.raises(IllegalTransition) as refused:
        require_job(before, before)
    told, _, remedy = str(refused.value).partition(": ")
    assert told == f"a job that is {before} cannot become {before}"
    assert "wetread" in remedy
    assert "ID" not in remedy


def test_a_read_job_is_not_retried() -> None:
    """What has been read is not read again by a retry: its deliveries go on by themselves."""
    assert JobState.READ not in RETRYABLE
    assert JobState.CLAIMED not in RETRYABLE
    assert JobState.FAILED in RETRYABLE


@pytest.mark.parametrize(
    ("attempts", "permanent", "state"),
    [(1, False, JobState.QUEUED), (2, False, JobState.QUEUED), (3, False, JobState.FAILED), (1, True, JobState.FAILED)],
)
def test_failed_after_the_last_attempt(attempts: int, state: JobState, *, permanent: bool) -> None:
    """An attempt that failed is followed by another, up to the last; a permanent failure has no second."""
    assert state_after_failure(attempts, 3, permanent=permanent) is state


def test_waits_double_up_to_a_cap() -> None:
    """A destination that stays away is asked after 30 s, 60 s and so on, never later than the cap, for days."""
    assert [retry_wait_s(n, 30, 600) for n in (1, 2, 3, 5, 6, 5000)] == [30, 60, 120, 480, 600, 600]
