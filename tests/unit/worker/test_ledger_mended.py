"""A file that was damaged and came again: what met the damaged one is read again, and nothing else is."""

from dataclasses import replace

import pytest

from tests.unit.worker.conftest import assembled, planned
from worker.job import Claim, JobState
from worker.ledger import Ledger

STUDY = "1.2.3"
FILES = ("s/a/1.dcm", "s/a/2.dcm")
WHOLE = assembled(STUDY, FILES)
MENDED = replace(WHOLE, mended=frozenset(FILES[:1]))
NOW = planned(mended_digest="now")


def claim(ledger: Ledger) -> Claim:
    """Claim what must be there."""
    claimed = ledger.claim(["cpu"], worker="w", lease_s=60)
    assert claimed is not None
    return claimed


def read(ledger: Ledger, digest: str) -> None:
    """Let a worker read what waits."""
    ledger.finish(claim(ledger), results=[], destinations={}, runtime="r", inputs_digest=digest, recipe_digest="c")


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
    ledger.fail(claim(ledger), reason="unreadable", max_attempts=3, retry_delay_s=1.0, permanent=True)
    assert ledger.close_revision(WHOLE, {}, [planned()]) == 1
    assert ledger.close_revision(MENDED, {}, [NOW]) == 2
    assert jobs(ledger) == [(1, JobState.SUPERSEDED), (2, JobState.QUEUED)]


def test_what_waits_reads_what_is_here_by_then(ledger: Ledger) -> None:
    """It needs no other job."""
    ledger.close_revision(WHOLE, {}, [planned()])
    assert ledger.close_revision(MENDED, {}, [NOW]) == 1
    assert jobs(ledger) == [(1, JobState.QUEUED)]


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
