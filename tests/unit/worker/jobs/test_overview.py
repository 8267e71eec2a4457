"""What follows from jobs and deliveries."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.jobs.admin_rows import DeliveryRow, JobRow
from worker.jobs.job import DeliveryState, JobState, Priority
from worker.jobs.overview import StudyState, door_to_result, is_delivered, percentile, study_state

AT = datetime(2026, 3, 1, tzinfo=UTC)
DELIVERY = DeliveryRow(
    id=1, kind="SEG", sop_instance_uid="1", file="f", destination="a", state=DeliveryState.ACCEPTED, attempts=1,
    reason="", updated_at=AT,
)  # fmt: skip
JOB = JobRow(
    id=1, study_instance_uid="1", series_instance_uid="2", revision=1, model_id="m", model_version="1", queue="cpu",
    state=JobState.READ, priority=Priority.ROUTINE, attempts=1, reason="", runtime="", queued_at=AT, claimed_at=AT,
    finished_at=AT, delivered=True, door_to_result_s=1.0, deliveries=(DELIVERY,),
)  # fmt: skip
QUEUED = replace(JOB, state=JobState.QUEUED, delivered=False, deliveries=())
SKIPPED = replace(QUEUED, state=JobState.SKIPPED)
FAILED = replace(QUEUED, state=JobState.FAILED)
REPLACED = replace(FAILED, state=JobState.SUPERSEDED)
ON_THE_WAY = replace(JOB, delivered=False, deliveries=(replace(DELIVERY, state=DeliveryState.SENDING),))
REFUSED = replace(JOB, delivered=False, deliveries=(replace(DELIVERY, state=DeliveryState.REFUSED),))


@pytest.mark.parametrize(
    ("receiving", "jobs", "state"),
    [
        (True, [], StudyState.RECEIVING),
        (False, [], StudyState.NOT_READ),
        (False, [SKIPPED], StudyState.NOT_READ),
        (False, [JOB, QUEUED], StudyState.READING),
        (False, [JOB, ON_THE_WAY], StudyState.DELIVERING),
        (False, [JOB, SKIPPED, REPLACED], StudyState.DELIVERED),
        (False, [JOB, REFUSED], StudyState.ATTENTION),
        (True, [FAILED, QUEUED], StudyState.ATTENTION),
        (True, [JOB], StudyState.RECEIVING),
    ],
)
def test_a_studys_state_follows_from_its_jobs(receiving: bool, jobs: list[JobRow], state: StudyState) -> None:  # noqa: FBT001  # a table's column
    """What needs an admin comes first, then what is not finished; superseded jobs do not count."""
    assert study_state(receiving=receiving, jobs=jobs) is state


@pytest.mark.parametrize(
    ("state", "deliveries", "delivered"),
    [
        (JobState.READ, [DeliveryState.ACCEPTED, DeliveryState.COMMITTED], True),
        (JobState.READ, [DeliveryState.ACCEPTED, DeliveryState.ABANDONED], False),
        (JobState.READ, [DeliveryState.ACCEPTED, DeliveryState.WAIVED], True),
        (JobState.READ, [], False),
        (JobState.HELD, [DeliveryState.ACCEPTED], False),
    ],
)
def test_delivered_means_read_and_everything_arrived(
    state: JobState,
    deliveries: list[DeliveryState],
    delivered: bool,  # noqa: FBT001  # a table's column
) -> None:
    """Anything that is missing, and a job that is not *read*, is not delivered."""
    assert is_delivered(state, deliveries) is delivered


def test_percentiles_are_values_that_occurred() -> None:
    """Nearest rank: the median of four is the second, the 95th percentile of twenty the nineteenth."""
    assert percentile([4, 1, 3, 2], 0.5) == 2
    assert percentile(list(range(1, 21)), 0.95) == 19
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_covers_its_share(values: list[float], share: float) -> None:
    """At least the share of the values does not exceed it, and it is one of them."""
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_no_times_no_summary() -> None:
    """Nothing delivered yet is not zero seconds."""
    assert door_to_result([]) is None
