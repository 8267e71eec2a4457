"""A file that was damaged and came again: what met the damaged one is read again, and nothing else is."""

from dataclasses import replace

import pytest

from tests.unit.worker.conftest import assembled, planned
from tests.unit.worker.reads import claim_next, next_batch, record, result_file
from worker.errors import LeaseLost
from worker.jobs.job import DeliveryState, JobState
from worker.ledger.ledger import Ledger

STUDY = "1.2.3"
FILES = ("s/a/1.dcm", "s/a/2.dcm")
WHOLE = assembled(STUDY, FILES)
MENDED = replace(WHOLE, mended=frozenset(FILES[:1]))
NOW = planned(mended_digest="now")


def read(ledger: Ledger, digest: str) -> None:
    """Let a worker read what waits."""
    record(ledger, claim_next(ledger), inputs_digest=digest)


def jobs(ledger: Ledger) -> list[tuple[int, JobState]]:
    """Return the jobs' revisions and states, oldest first."""
    return [(job.revision, job.state) for job in reversed(ledger.jobs())]


@pytest.mark.parametrize("late_images", ["rerun", "addendum", "ignore"])
def test_what_was_read_of_other_bytes_is_read_again(ledger: Ledger, late_images: str) -> None:
    """Whatever the card says of later images: none has come, the read was of something else."""
    plan = [planned(mended_digest="now", late_images=late_images)]
    ledger.close_revision(WHOLE, {}, [planned()])
    read(ledger, "damaged")
    assert ledger.close_revision(MENDED, {}, plan) == 2
    assert jobs(ledger) == [(1, JobState.READ), (2, JobState.QUEUED)]
    (_, told) = [event.detail for event in ledger.timeline(STUDY) if event.kind == "study complete"]
    assert (told["instances"], told["mended"]) == (2, 1)
    read(ledger, "now")
    assert jobs(ledger) == [(1, JobState.SUPERSEDED), (2, JobState.READ)]
    # The node may have died before it noted that the ledger knows.
    assert ledger.close_revision(MENDED, {}, plan) == 2


def test_what_was_read_of_the_same_bytes_stays(ledger: Ledger) -> None:
    """The file was damaged after it had been read: nothing is read twice, and there is no other revision."""
    ledger.close_revision(WHOLE, {}, [planned()])
    read(ledger, "now")
    assert ledger.close_revision(MENDED, {}, [NOW]) == 1
    assert jobs(ledger) == [(1, JobState.READ)]
    row = ledger.study(STUDY)
    assert row is not None
    assert not row.receiving


def test_what_failed_is_tried_again(ledger: Ledger) -> None:
    """A file that cannot be parsed fails its job for good; an admin need not know that it is a good one by now."""
    ledger.close_revision(WHOLE, {}, [planned()])
    ledger.fail(claim_next(ledger), reason="unreadable", max_attempts=3, retry_delay_s=1.0, permanent=True)
    assert ledger.close_revision(WHOLE, {}, [planned()]) == 1
    assert ledger.close_revision(MENDED, {}, [NOW]) == 2
    assert jobs(ledger) == [(1, JobState.SUPERSEDED), (2, JobState.QUEUED)]


def test_what_waits_reads_what_is_here_by_then(ledger: Ledger) -> None:
    """It needs no other job."""
    ledger.close_revision(WHOLE, {}, [planned()])
    assert ledger.close_revision(MENDED, {}, [NOW]) == 1
    assert jobs(ledger) == [(1, JobState.QUEUED)]


@pytest.mark.parametrize("noted", ["", "damaged"])
def test_what_is_being_read_of_other_bytes_starts_over(ledger: Ledger, noted: str) -> None:
    """Or perhaps of others, where it has not said yet what it read: of the damaged file nothing is told to anybody."""
    ledger.close_revision(WHOLE, {}, [planned()])
    first = claim_next(ledger)
    if noted:
        ledger.note_inputs(first, noted)
    assert ledger.close_revision(MENDED, {}, [replace(NOW, model_digest="b" * 64)]) == 1
    assert jobs(ledger) == [(1, JobState.QUEUED)]
    with pytest.raises(LeaseLost):
        ledger.note_inputs(first, "damaged")
    with pytest.raises(LeaseLost):
        record(ledger, first, inputs_digest="damaged")
    second = claim_next(ledger)
    assert (second.job_id, second.attempt, second.model_digest) == (first.job_id, first.attempt, "b" * 64)
    ledger.note_inputs(second, "now")
    assert ledger.close_revision(MENDED, {}, [NOW]) == 1
    record(ledger, second, inputs_digest="now")
    assert ledger.close_revision(MENDED, {}, [NOW]) == 1
    assert jobs(ledger) == [(1, JobState.READ)]
    assert ledger.claim(["cpu"], worker="w", lease_s=60) is None
    told = [event.detail["reason"] for event in ledger.timeline(STUDY) if event.kind == "job queued" and event.detail]
    assert any("damaged, and has come again" in str(reason) for reason in told)


def test_what_is_being_read_of_the_same_bytes_goes_on(ledger: Ledger) -> None:
    """The file was mended before the worker came to it: one read, and the input is known as the same."""
    ledger.close_revision(WHOLE, {}, [planned()])
    first = claim_next(ledger)
    ledger.note_inputs(first, "now")
    assert ledger.close_revision(MENDED, {}, [NOW]) == 1
    record(ledger, first, inputs_digest="now")
    assert ledger.close_revision(MENDED, {}, [NOW]) == 1
    assert jobs(ledger) == [(1, JobState.READ)]


def test_what_a_read_before_has_noted_says_nothing_of_the_next(ledger: Ledger) -> None:
    """A job that is read again may meet other bytes than the first time."""
    ledger.close_revision(WHOLE, {}, [planned()])
    read(ledger, "now")
    (job,) = ledger.jobs()
    ledger.hold_job(job.id)
    ledger.retry(job.id)
    claim_next(ledger)
    assert ledger.close_revision(MENDED, {}, [NOW]) == 1
    assert jobs(ledger) == [(1, JobState.QUEUED)]


def test_other_series_do_not_have_it_start_over(ledger: Ledger) -> None:
    """What is being read of them is what it was."""
    ledger.close_revision(WHOLE, {}, [planned()])
    claim_next(ledger)
    assert ledger.close_revision(MENDED, {}, [planned()]) == 1
    assert jobs(ledger) == [(1, JobState.CLAIMED)]


@pytest.mark.parametrize(("digest", "again"), [("damaged", True), ("now", False)])
def test_what_is_held_and_was_read_of_other_bytes_is_read_again(ledger: Ledger, digest: str, *, again: bool) -> None:
    """For its patient, say: whoever releases it must not let go what was read of the damaged file."""
    ledger.close_revision(WHOLE, {}, [planned()])
    made = result_file("SR", "1.2.9", file="f/1.dcm")
    record(ledger, claim_next(ledger), [made], {"pacs": ("SR",)}, inputs_digest=digest)
    batch = next_batch(ledger, "pacs")
    ledger.hold(batch, reason="PatientID differs")
    assert ledger.close_revision(MENDED, {}, [NOW]) == (2 if again else 1)
    (held, *later) = jobs(ledger)
    assert held == (1, JobState.SUPERSEDED if again else JobState.HELD)
    assert later == ([(2, JobState.QUEUED)] if again else [])
    assert [row.state for row in ledger.jobs()[-1].deliveries] == [
        DeliveryState.REPLACED if again else DeliveryState.PENDING
    ]


@pytest.mark.parametrize("before", [JobState.QUEUED, JobState.READ])
def test_what_an_admin_has_held_stays_so(ledger: Ledger, before: JobState) -> None:
    """Who held it says when it goes on."""
    ledger.close_revision(WHOLE, {}, [planned()])
    if before is JobState.READ:
        read(ledger, "damaged")
    ledger.hold_job(ledger.jobs()[0].id)
    assert ledger.close_revision(MENDED, {}, [NOW]) == 1
    assert jobs(ledger) == [(1, JobState.HELD)]


def test_what_an_admin_has_cancelled_stays_so(ledger: Ledger) -> None:
    """That a file is mended says nothing of why."""
    ledger.close_revision(WHOLE, {}, [planned()])
    ledger.cancel(ledger.jobs()[0].id)
    assert ledger.close_revision(MENDED, {}, [NOW]) == 1
    assert jobs(ledger) == [(1, JobState.CANCELLED)]


def test_a_model_that_reads_another_series_does_not_read_again(ledger: Ledger) -> None:
    """Its input has no digest of what is mended, and is what it was."""
    ledger.close_revision(WHOLE, {}, [planned()])
    read(ledger, "other")
    assert ledger.close_revision(MENDED, {}, [planned()]) == 1
    assert jobs(ledger) == [(1, JobState.READ)]
