"""Which ends of jobs a radiologist is still to be told of."""

from collections.abc import Callable

import pytest

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.reads import claim_next, job_of, next_batch, record, result_file
from worker.errors import LeaseLost
from worker.jobs.job import DeliveryState, JobState
from worker.ledger.ledger import Ledger
from worker.ledger.tables import ADDENDUM
from worker.object_kinds import DEFAULT_KINDS

FAILED = (JobState.FAILED,)
NOTE = result_file("TEXT-SR", "1.2.7", series_instance_uid="1.2.8", file="f")
WANTED = {"pacs": DEFAULT_KINDS}


def fail(ledger: Ledger) -> None:
    """Fail the job that is next."""
    claim = claim_next(ledger)
    ledger.fail(claim, reason="SeriesRefused: a gap", max_attempts=3, retry_delay_s=0, permanent=True)


def test_a_failure_is_told_once(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """A failed job waits for its note; with the note recorded it does not, and the note waits to be delivered."""
    job_id = queue_job()
    assert ledger.next_unread(["cpu"], FAILED) is None
    fail(ledger)
    unread = ledger.next_unread(["cpu"], FAILED)
    assert unread is not None
    assert (unread.job_id, unread.reason, unread.files) == (job_id, "SeriesRefused: a gap", ("s/a/1.dcm", "s/a/2.dcm"))
    ledger.note_unread(unread, results=[NOTE], destinations=WANTED, why="told")
    assert ledger.next_unread(["cpu"], FAILED) is None
    batch = next_batch(ledger, "pacs")
    assert [item.kind for item in batch.objects] == ["TEXT-SR"]


def test_a_worker_of_another_queue_is_not_asked(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """The model lies on the workers of its queue."""
    queue_job()
    fail(ledger)
    assert ledger.next_unread(["gpu"], FAILED) is None


def test_a_failure_has_a_token_until_it_is_told(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """The token that tells a worker of a failed job is renewed when it goes silent, and not after the note."""
    queue_job()
    fail(ledger)
    assert [job for _, _, job in ledger.waiting_tokens()] != []
    ledger.tokens_published([token for token, _, _ in ledger.waiting_tokens()])
    clock.seconds += 60
    assert ledger.requeue_unread(FAILED, silent_s=15) == 1
    unread = ledger.next_unread(["cpu"], FAILED)
    assert unread is not None
    ledger.note_unread(unread, results=[], destinations=WANTED, why="nobody")
    clock.seconds += 60
    assert ledger.requeue_unread(FAILED, silent_s=15) == 0


def test_each_failure_is_told(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """A job that an admin retried and that fails again is told again."""
    job_id = queue_job()
    fail(ledger)
    unread = ledger.next_unread(["cpu"], FAILED)
    assert unread is not None
    ledger.note_unread(unread, results=[NOTE], destinations=WANTED, why="told")
    ledger.retry(job_id)
    assert ledger.next_unread(["cpu"], FAILED) is None
    fail(ledger)
    assert ledger.next_unread(["cpu"], FAILED) is not None


@pytest.mark.parametrize("was", ["pending", "sending", "refused", "waived"])
def test_a_note_never_stands_beside_the_read(ledger: Ledger, queue_job: Callable[..., int], was: str) -> None:
    """A note that the archive has not taken yet is kept back when the job is read after all, whatever an admin asks."""
    job_id = queue_job()
    fail(ledger)
    unread = ledger.next_unread(["cpu"], FAILED)
    assert unread is not None
    ledger.note_unread(unread, results=[NOTE], destinations=WANTED, why="told")
    sending = ledger.claim_deliveries("pacs", lease_s=60) if was != "pending" else None
    if sending is not None and was != "sending":
        ledger.delivered(sending.objects[0], DeliveryState.REFUSED, reason="no")
    if was == "waived":
        ledger.waive(job_id)
    ledger.retry(job_id)
    claim = claim_next(ledger)
    record(ledger, claim, destinations=WANTED)
    job = job_of(ledger, job_id)
    assert [row.state for row in job.deliveries] == [DeliveryState.REPLACED]
    if was == "sending":
        assert sending is not None
        with pytest.raises(LeaseLost):
            ledger.delivered(sending.objects[0], DeliveryState.ACCEPTED)
        ledger.postpone(sending, reason="away", first_retry_s=1, longest_retry_s=1, give_up_after_s=100)
    assert ledger.send_again(job_id) == 0
    assert ledger.claim_deliveries("pacs", lease_s=60) is None
    assert [event.kind for event in ledger.timeline(job.study_instance_uid)].count("object replaced") == 1


def test_a_late_note_is_not_recorded(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """A worker that was slow to write the note of a job that is queued again records nothing."""
    job_id = queue_job()
    fail(ledger)
    unread = ledger.next_unread(["cpu"], FAILED)
    assert unread is not None
    ledger.retry(job_id)
    ledger.note_unread(unread, results=[NOTE], destinations=WANTED, why="told")
    job = job_of(ledger, job_id)
    assert job.deliveries == ()


def test_the_note_of_another_patients_study_is_refused(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Where the archive's study has changed, a failed job stays failed and its note is not sent."""
    job_id = queue_job()
    fail(ledger)
    unread = ledger.next_unread(["cpu"], FAILED)
    assert unread is not None
    ledger.note_unread(unread, results=[NOTE], destinations=WANTED, why="told")
    batch = next_batch(ledger, "pacs")
    ledger.hold(batch, reason="PatientID differs")
    job = job_of(ledger, job_id)
    assert (job.state, [row.state for row in job.deliveries]) == (JobState.FAILED, [DeliveryState.REFUSED])


def test_an_addendum_is_asked_for_by_the_card(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Later images of a study that was read give a note that knows how many images the read had."""
    queue_job(late_images="addendum")
    claim = claim_next(ledger)
    record(ledger, claim, destinations=WANTED)
    files = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    ledger.close_revision(assembled(files=files), {}, [planned(late_images="addendum", files=files, input_key="key-2")])
    unread = ledger.next_unread(["cpu"], ())
    assert unread is not None
    assert (unread.reason, unread.read_before, len(unread.files)) == (ADDENDUM, 2, 3)
