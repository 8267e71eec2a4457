"""What the ledger knows of a destination's study from earlier looks, on a real database."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.reads import claim_next, next_batch, record, result_file
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.job_records import OutgoingBatch
from worker.jobs.study_awaited import EarlierLooks, Look
from worker.ledger.database import utc_now
from worker.ledger.ledger import Ledger
from worker.ledger.tables import DestinationState, Event


def read(ledger: Ledger, number: int = 0) -> None:
    """Read the job that is queued: two results for each of two destinations."""
    claim = claim_next(ledger)
    results = [
        result_file(kind, f"1.2.{number}.{place}", file=f"f/{number}-{kind}.dcm")
        for place, kind in enumerate(("SEG", "SR"))
    ]
    record(ledger, claim, results, {"near": ("SEG", "SR"), "far": ("SEG", "SR")})


@pytest.fixture
def read_job(ledger: Ledger, queue_job: Callable[..., int]) -> int:
    """A job that was read."""
    job_id = queue_job()
    read(ledger)
    return job_id


def batch(ledger: Ledger, clock: ManualLedgerClock, destination: str = "near") -> OutgoingBatch:
    """Claim what must be there, after any wait."""
    clock.seconds += 601
    return next_batch(ledger, destination)


def look(ledger: Ledger, clock: ManualLedgerClock, seen: Look, destination: str = "near") -> OutgoingBatch:
    """Have a destination say something of the study, and let the results wait."""
    claimed = batch(ledger, clock, destination)
    ledger.postpone(claimed, reason="r", first_retry_s=30, longest_retry_s=600, give_up_after_s=1e6, look=seen)
    return claimed


def first_look_at(ledger: Ledger) -> datetime:
    """Return when the timeline's first look was, moved to two hours ago."""
    two_hours_ago = utc_now() - timedelta(hours=2)
    with ledger.writing() as session:
        first = session.scalar(select(Event.id).where(Event.kind == "object pending").order_by(Event.id).limit(1))
        session.execute(update(Event).where(Event.id == first).values(at=two_hours_ago))
    return two_hours_ago


def test_nobody_has_looked_yet(ledger: Ledger, clock: ManualLedgerClock, read_job: int) -> None:
    """An archive that was away has said nothing."""
    claimed = look(ledger, clock, "")
    assert (claimed.job_id, ledger.earlier_looks(claimed)) == (read_job, EarlierLooks())


def test_an_absence_counts_from_the_first_look_of_this_destination(
    ledger: Ledger, clock: ManualLedgerClock, read_job: int
) -> None:
    """Later looks do not begin it anew, nor does another deliverer; another destination has its own."""
    far = batch(ledger, clock, "far")
    look(ledger, clock, "absent")
    since = first_look_at(ledger)
    claimed = look(ledger, clock, "absent")
    assert ledger.earlier_looks(claimed) == EarlierLooks(absent_since=since)
    assert ledger.earlier_looks(far) == EarlierLooks()


def test_looks_that_find_nothing_new_do_not_fill_the_timeline(
    ledger: Ledger, clock: ManualLedgerClock, read_job: int
) -> None:
    """It tells of each result once that its study is awaited; that it is given up, or awaited anew, as well."""
    for _ in range(20):
        claimed = look(ledger, clock, "absent")
    assert claimed.objects[0].attempts == 20
    kinds = [event.kind for event in ledger.timeline("1.2.3") if event.kind.startswith("object ")]
    assert kinds == ["object pending"] * len(claimed.objects)
    late = batch(ledger, clock)
    ledger.postpone(late, reason="r", first_retry_s=30, longest_retry_s=600, give_up_after_s=-1.0, look="absent")
    kinds = [event.kind for event in ledger.timeline("1.2.3") if event.kind.startswith("object ")]
    assert kinds[len(late.objects) :] == ["object abandoned"] * len(late.objects)


def test_an_absence_does_not_count_from_before_the_destination_was_away(
    ledger: Ledger, clock: ManualLedgerClock, read_job: int
) -> None:
    """While it did not answer nobody could send the study there either."""
    claimed = look(ledger, clock, "absent")
    since = first_look_at(ledger)
    ledger.note_destination("near", answering=False, reason="away")
    assert ledger.earlier_looks(claimed).absent_since == since
    ledger.note_destination("near", answering=True)
    with ledger.reading() as session:
        back_at = session.get_one(DestinationState, "near").since
    assert ledger.earlier_looks(claimed).absent_since == back_at


def test_an_absence_counts_anew_when_an_admin_lets_a_job_go_on(
    ledger: Ledger, clock: ManualLedgerClock, read_job: int
) -> None:
    """As do the days after which a result is given up."""
    claimed = look(ledger, clock, "absent")
    ledger.hold_job(read_job)
    ledger.resume_job(read_job)
    assert ledger.earlier_looks(claimed) == EarlierLooks()


def test_a_study_that_was_found_once_was_there(ledger: Ledger, clock: ManualLedgerClock, read_job: int) -> None:
    """Also when the archive went away right then, and whatever it says afterwards; of that destination alone."""
    look(ledger, clock, "found")
    assert ledger.earlier_looks(look(ledger, clock, "")).was_there
    assert not ledger.earlier_looks(batch(ledger, clock, "far")).was_there


@pytest.mark.parametrize("state", [DeliveryState.ACCEPTED, DeliveryState.REFUSED])
def test_a_study_of_which_a_result_was_answered_was_there(
    ledger: Ledger, clock: ManualLedgerClock, read_job: int, state: DeliveryState
) -> None:
    """Of an earlier read too: a later one asks the same archive about the same study."""
    for item in batch(ledger, clock).objects:
        ledger.delivered(item, state, status=0)
    later = assembled(files=("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm"))
    ledger.close_revision(later, {}, [planned(files=later.series[0].files, input_key="key-2")])
    read(ledger, number=1)
    claimed = batch(ledger, clock)
    assert claimed.job_id != read_job
    assert ledger.earlier_looks(claimed) == EarlierLooks(was_there=True)
    assert ledger.earlier_looks(batch(ledger, clock, "far")) == EarlierLooks()


def test_a_timeline_that_cannot_be_read_lets_nothing_wait(
    ledger: Ledger, clock: ManualLedgerClock, read_job: int
) -> None:
    """An admin looks instead."""
    claimed = look(ledger, clock, "absent")
    with ledger.writing() as session:
        session.execute(text("UPDATE event SET detail = '[]' WHERE kind = 'object pending'"))
    assert ledger.earlier_looks(claimed) == EarlierLooks(was_there=True)
    assert ledger.jobs()[0].state is JobState.READ
