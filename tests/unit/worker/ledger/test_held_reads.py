"""Reads that are held after they were read: they stay so until an admin lets them go, or another takes their place."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.worker.conftest import assembled, planned
from tests.unit.worker.reads import claim_next, next_batch, record, result_file
from worker.jobs.job import DeliveryState, JobState
from worker.ledger.checks import CHECKS
from worker.ledger.database import utc_now
from worker.ledger.facts import StudyFacts
from worker.ledger.flaws import Moment
from worker.ledger.ledger import Ledger
from worker.object_kinds import DEFAULT_KINDS

RESULT = result_file("SEG", "1.2.9", series_instance_uid="1.2.8", file="f/1.dcm")


def read(ledger: Ledger) -> None:
    """Let a worker read what waits, for two archives."""
    record(ledger, claim_next(ledger), [RESULT], {"near": DEFAULT_KINDS, "far": DEFAULT_KINDS})


@pytest.fixture(params=["identity check", "admin"])
def held_read(request: pytest.FixtureRequest, ledger: Ledger, queue_job: Callable[..., int]) -> Callable[[], None]:
    """A job that is held after it was read, when an archive has all of it and another nothing; and who lets it go."""
    job_id = queue_job()
    read(ledger)
    (item,) = next_batch(ledger).objects
    ledger.delivered(item, DeliveryState.ACCEPTED, status=0)
    if request.param == "admin":
        ledger.hold_job(job_id)
        return lambda: assert_resumed(ledger, job_id)
    ledger.hold(next_batch(ledger, "far"), reason="PatientID differs")
    return lambda: ledger.release(job_id)


def assert_resumed(ledger: Ledger, job_id: int) -> None:
    """Let go on what an admin holds, as a read."""
    assert ledger.resume_job(job_id) is JobState.READ


def _later(ledger: Ledger, images: int = 3, **changes: object) -> None:
    """Let later images come."""
    files = tuple(f"s/a/{number + 1}.dcm" for number in range(images))
    more = planned(**({"files": files, "input_key": f"key-{images}"} | changes))
    ledger.close_revision(assembled(files=files), {}, [more])


def _states(ledger: Ledger) -> list[JobState]:
    """Return the states of the study's jobs, oldest first."""
    moment = Moment(
        now=ledger.clock.read(), wall=utc_now(), patience_s=60, wanted={}, fed=frozenset(), first_deliveries={}
    )
    for facts in ledger.all_facts():
        assert isinstance(facts, StudyFacts)
        assert list(CHECKS["one read a model and study"](facts, moment)) == []
    return [job.state for job in reversed(ledger.jobs())]


def test_a_held_read_stays_where_the_model_would_not_run_now(ledger: Ledger, held_read: Callable[[], None]) -> None:
    """As what is read stays read: what it waits for is an admin's word, or another read."""
    _later(ledger, runs=False, files=(), series_instance_uid="", input_key="none", reason="two patient ids")
    assert _states(ledger) == [JobState.HELD]
    held_read()
    assert _states(ledger) == [JobState.READ]
    assert [item.kind for item in next_batch(ledger, "far").objects] == ["SEG"]


@pytest.mark.parametrize("policy", ["ignore", "addendum"])
def test_late_images_of_a_held_read_follow_the_card(ledger: Ledger, held_read: Callable[[], None], policy: str) -> None:
    """It was read: a card that wants no other read gets none, and the note knows of the read that stands."""
    _later(ledger, late_images=policy)
    assert _states(ledger) == [JobState.HELD, JobState.SKIPPED]
    assert policy in ledger.jobs()[0].reason
    unread = ledger.next_unread(["cpu"], ())
    assert (unread.read_before if unread is not None else None) == (2 if policy == "addendum" else None)
    _later(ledger, 4, late_images=policy)
    assert _states(ledger) == [JobState.HELD, JobState.SUPERSEDED, JobState.SKIPPED]
    held_read()
    assert _states(ledger) == [JobState.READ, JobState.SUPERSEDED, JobState.SKIPPED]
    assert [item.kind for item in next_batch(ledger, "far").objects] == ["SEG"]


@pytest.mark.parametrize("comes_to_nothing", [True, False])
def test_a_held_read_stays_until_another_takes_its_place(
    ledger: Ledger, held_read: Callable[[], None], *, comes_to_nothing: bool
) -> None:
    """A job that waits to be read has not; one that an admin is asked about may never be."""
    _later(ledger)
    assert _states(ledger) == [JobState.HELD, JobState.QUEUED]
    _later(ledger, 4, held="which one is right?")
    assert _states(ledger) == [JobState.HELD, JobState.SUPERSEDED, JobState.HELD]
    newest = ledger.jobs()[0].id
    if comes_to_nothing:
        ledger.cancel(newest)
        held_read()
        assert _states(ledger) == [JobState.READ, JobState.SUPERSEDED, JobState.CANCELLED]
        assert [item.kind for item in next_batch(ledger, "far").objects] == ["SEG"]
    else:
        ledger.retry(newest)
        read(ledger)
        assert _states(ledger) == [JobState.SUPERSEDED, JobState.SUPERSEDED, JobState.READ]
        assert next_batch(ledger, "far").job_id == newest
        assert ledger.claim_deliveries("far", lease_s=60) is None


def test_what_is_held_before_it_is_read_again_is_no_read(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Nothing of it waits for a release, whatever it had sent before it was queued again."""
    job_id = queue_job()
    read(ledger)
    ledger.hold_job(job_id)
    ledger.retry(job_id)
    ledger.hold_unread(claim_next(ledger), reason="nobody knows what the bytes of the name mean")
    _later(ledger, runs=False, files=(), series_instance_uid="", input_key="none", reason="two patient ids")
    assert _states(ledger) == [JobState.SUPERSEDED, JobState.SKIPPED]


def test_what_is_held_and_was_read_of_other_bytes_is_read_again_whatever_was_skipped_since(
    ledger: Ledger, held_read: Callable[[], None]
) -> None:
    """Nobody is to release what was read of a damaged file; what an admin has held stays so."""
    del held_read
    by_admin = "held by" in ledger.jobs()[0].reason
    _later(ledger, late_images="ignore")
    _later(ledger, 4, late_images="ignore", input_key="key-1")
    assert _states(ledger) == [JobState.HELD, JobState.SUPERSEDED, JobState.SKIPPED]
    files = tuple(f"s/a/{number + 1}.dcm" for number in range(4))
    mended = replace(assembled(files=files), mended=frozenset(files[:1]))
    ledger.close_revision(mended, {}, [planned(files=files, late_images="ignore", mended_digest="now")])
    again = [JobState.SUPERSEDED, JobState.SUPERSEDED, JobState.SUPERSEDED, JobState.QUEUED]
    assert _states(ledger) == ([JobState.HELD, JobState.SUPERSEDED, JobState.SKIPPED] if by_admin else again)
