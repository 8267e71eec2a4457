"""Deadlines on a real database: what is late is decided once."""

from collections.abc import Callable

import pytest

from tests.unit.worker.conftest import ManualLedgerClock
from tests.unit.worker.reads import claim_next, record
from worker.errors import LeaseLost
from worker.jobs.job_records import Claim
from worker.ledger.ledger import Ledger


def finish(ledger: Ledger, claimed: Claim) -> None:
    """Record a read without results."""
    record(ledger, claimed)


def topics(ledger: Ledger) -> list[str]:
    """Return what somebody is to hear of."""
    return [row.topic for row in ledger.notifications()]


def test_a_job_that_is_not_read_in_time_is_told_once(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """The deadline passes by the ledger's clock, one notification is recorded, and the timeline has it."""
    job_id = queue_job(deadline_s=120.0)
    clock.seconds += 119
    assert ledger.pass_deadlines() == []
    clock.seconds += 1
    assert ledger.pass_deadlines() == [job_id]
    assert ledger.pass_deadlines() == []
    assert topics(ledger) == ["overdue"]
    (event,) = [event for event in ledger.timeline("1.2.3") if event.kind == "deadline passed"]
    assert event.detail["deadline_s"] == 120.0


def test_a_read_after_that_says_that_it_is_late(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Whatever attempt it is, and however often it is asked."""
    queue_job(deadline_s=120.0)
    clock.seconds += 121
    ledger.pass_deadlines()
    first = claim_next(ledger)
    assert ledger.settle_deadline(first) == 120.0
    ledger.hand_back(first, reason="stop")
    again = claim_next(ledger)
    assert ledger.settle_deadline(again) == 120.0
    assert ledger.settle_deadline(again) == 120.0


def test_the_reader_may_be_the_first_to_notice(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Between two looks of the reconciler the deadline passes: the read says late, and somebody is told."""
    queue_job(deadline_s=120.0)
    claimed = claim_next(ledger)
    clock.seconds += 120
    assert ledger.settle_deadline(claimed) == 120.0
    assert topics(ledger) == ["overdue"]
    assert ledger.pass_deadlines() == []


def test_what_was_in_time_when_its_objects_were_made_stays_so(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """The objects do not say late, so nobody is told that it was, though the deadline passes before it is recorded."""
    queue_job(deadline_s=120.0)
    claimed = claim_next(ledger)
    assert ledger.settle_deadline(claimed) is None
    clock.seconds += 500
    assert ledger.pass_deadlines() == []
    finish(ledger, claimed)
    assert ledger.pass_deadlines() == []
    assert topics(ledger) == []


def test_an_attempt_that_came_to_nothing_was_not_in_time(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """When the worker dies after that, the deadline counts again."""
    job_id = queue_job(deadline_s=700.0)
    late = claim_next(ledger)
    assert ledger.settle_deadline(late) is None
    clock.seconds += 601
    ledger.free_expired(max_attempts=3, retry_delay_s=0)
    with pytest.raises(LeaseLost):
        ledger.settle_deadline(late)
    clock.seconds += 100
    assert ledger.pass_deadlines() == [job_id]


def test_a_job_that_failed_still_owes_its_read(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Somebody waits for it all the same; a cancelled one owes nothing."""
    failed = queue_job(deadline_s=120.0)
    ledger.fail(claim_next(ledger), reason="broken", max_attempts=1, retry_delay_s=0, permanent=True)
    ledger.cancel(queue_job("1.2.4", deadline_s=120.0))
    clock.seconds += 121
    assert ledger.pass_deadlines() == [failed]


def test_a_job_that_is_held_before_it_was_read_owes_its_read(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Somebody who expects it hears of it; one that is held after it was read in time does not owe it."""
    job_id = queue_job(deadline_s=120.0)
    held = claim_next(ledger)
    ledger.hold_unread(held, reason="Specific Character Set")
    clock.seconds += 121
    assert ledger.pass_deadlines() == [job_id]


def test_a_job_that_was_read_in_time_and_is_held_owes_nothing(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Its results wait for an admin."""
    job_id = queue_job(deadline_s=120.0)
    in_time = claim_next(ledger)
    assert ledger.settle_deadline(in_time) is None
    finish(ledger, in_time)
    ledger.hold_job(job_id)
    clock.seconds += 121
    assert ledger.pass_deadlines() == []


def test_without_a_deadline_nothing_is_late(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Most cards name none."""
    queue_job()
    clock.seconds += 1e6
    assert ledger.pass_deadlines() == []
    assert ledger.settle_deadline(claim_next(ledger)) is None


def test_a_reboot_makes_nothing_late_by_itself(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Across it the wall clock is asked, by which the job has just been queued."""
    queue_job(deadline_s=120.0)
    clock.mark, clock.seconds = "boot-2", 0.0
    assert ledger.pass_deadlines() == []


@pytest.mark.parametrize("end", ["failed", "held by an admin", "held unread"])
def test_an_attempt_that_ended_without_a_read_was_not_in_time(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int], end: str
) -> None:
    """Also where nobody tries again: its objects did not pass the gate, or somebody has stopped it."""
    job_id = queue_job(deadline_s=120.0)
    in_time = claim_next(ledger)
    assert ledger.settle_deadline(in_time) is None
    if end == "failed":
        ledger.fail(in_time, reason="gate", max_attempts=3, retry_delay_s=0, permanent=True)
    elif end == "held unread":
        ledger.hold_unread(in_time, reason="Specific Character Set")
    else:
        ledger.hold_job(job_id)
    clock.seconds += 121
    assert ledger.pass_deadlines() == [job_id]


def test_a_read_in_time_that_is_asked_for_again_is_not_late(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """Its results are there: whoever waited for them had them in time, whatever becomes of the second read."""
    job_id = queue_job(deadline_s=120.0)
    in_time = claim_next(ledger)
    assert ledger.settle_deadline(in_time) is None
    finish(ledger, in_time)
    clock.seconds += 86400
    ledger.hold_job(job_id)
    ledger.retry(job_id)
    assert ledger.pass_deadlines() == []
    again = claim_next(ledger)
    assert ledger.settle_deadline(again) is None
    ledger.fail(again, reason="broken", max_attempts=1, retry_delay_s=0, permanent=True)
    assert ledger.pass_deadlines() == []
    assert topics(ledger) == []
