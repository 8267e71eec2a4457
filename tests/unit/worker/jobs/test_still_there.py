"""What of earlier reads stands at a destination, told from how its objects went there."""

from typing import Any

import pytest

from worker.jobs.job import DeliveryState
from worker.jobs.still_there import Way, may_be_there, standing

ACCEPTED, PENDING, SENDING = DeliveryState.ACCEPTED, DeliveryState.PENDING, DeliveryState.SENDING
REFUSED, REPLACED, WAIVED = DeliveryState.REFUSED, DeliveryState.REPLACED, DeliveryState.WAIVED


def way(job_id: int, state: DeliveryState, **changes: Any) -> Way:
    """Return an object of a job that was read, at one destination, tried once."""
    values: dict[str, Any] = {
        "delivery_id": job_id,
        "was_read": True,
        "kind": "SR",
        "destination": "pacs",
        "sendings": 1,
    }
    return Way(job_id=job_id, state=state, **(values | changes))


@pytest.mark.parametrize(
    ("state", "sendings", "there"),
    [
        (ACCEPTED, 1, True),
        (DeliveryState.COMMITTED, 1, True),
        (SENDING, 1, True),
        (PENDING, 0, False),
        (PENDING, 1, True),
        (DeliveryState.ABANDONED, 0, False),
        (DeliveryState.ABANDONED, 3, True),
        (REFUSED, 1, False),
        (REPLACED, 0, False),
        (REPLACED, 1, True),
        (WAIVED, 0, False),
        (WAIVED, 1, True),
        (DeliveryState.WITHDRAWN, 1, False),
    ],
)
def test_what_was_sent_and_not_refused_may_be_there(state: DeliveryState, sendings: int, *, there: bool) -> None:
    """An answer that was lost says nothing about what the archive kept."""
    assert may_be_there(state, sendings) is there


def jobs(*ways: Way) -> list[int]:
    """Return of which jobs anything stands."""
    return [it.job_id for it in standing(ways)]


def test_a_read_that_arrived_took_the_place_of_all_before() -> None:
    """Also where an admin let a part of it be; not where that is all of it."""
    assert jobs(way(1, ACCEPTED), way(2, ACCEPTED)) == [2]
    assert jobs(way(1, ACCEPTED), way(2, ACCEPTED), way(2, WAIVED, sendings=0)) == [2]
    assert jobs(way(1, ACCEPTED), way(2, WAIVED, sendings=0)) == [1]


@pytest.mark.parametrize("state", [PENDING, SENDING, REFUSED, DeliveryState.ABANDONED])
def test_a_read_that_did_not_arrive_whole_took_nothings_place(state: DeliveryState) -> None:
    """What it brought stands beside what it was to replace."""
    assert jobs(way(1, ACCEPTED), way(2, ACCEPTED), way(2, state, sendings=0, kind="SEG"))[0] == 1


def test_a_note_that_a_job_was_not_read_takes_nothings_place() -> None:
    """The read before it stands beside it."""
    assert jobs(way(1, ACCEPTED), way(2, ACCEPTED, was_read=False)) == [1, 2]


def test_each_destination_has_its_own() -> None:
    """A read that one archive has got and another not."""
    there = [way(1, ACCEPTED), way(1, ACCEPTED, destination="far")]
    assert [(it.job_id, it.destination) for it in standing([*there, way(2, ACCEPTED)])] == [(1, "far"), (2, "pacs")]


def test_what_went_instead_has_arrived() -> None:
    """An archive that refuses label maps got the SEG; and a note of rejection is no read to be rejected."""
    label_map = way(2, REPLACED, kind="LABELMAP", sendings=0)
    assert jobs(way(1, ACCEPTED), label_map, way(2, ACCEPTED, kind="SEG")) == [2]
    assert jobs(way(1, ACCEPTED, kind="REJECTION")) == []
    assert jobs(way(1, ACCEPTED), way(2, REPLACED, kind="SEG", sendings=0)) == [1]
