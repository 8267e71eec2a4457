"""Claims, leases, fences and attempts on a real database."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.reads import claim_next, job_of, next_batch, record, result_file
from worker.errors import IllegalTransition, LeaseLost, UnknownJob
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.job_records import Claim, ModelVersion, ResultFile
from worker.ledger.ledger import Ledger
from worker.object_kinds import DEFAULT_KINDS
from worker.selecting.other_series import OtherSeries

RESULT = result_file("SEG", "1.2.9", series_instance_uid="1.2.8", file="f/1/seg.dcm")


def finish(ledger: Ledger, claimed: Claim) -> None:
    """Record one result for one destination."""
    record(ledger, claimed, [RESULT], {"pacs": DEFAULT_KINDS})


def state(ledger: Ledger, job_id: int) -> JobState:
    """Return the state of a job that exists."""
    row = job_of(ledger, job_id)
    return row.state


def test_a_job_is_claimed_once(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Two workers cannot hold one job."""
    job_id = queue_job()
    assert claim_next(ledger).job_id == job_id
    assert ledger.claim(["cpu"], worker="w2", lease_s=60) is None


def test_only_jobs_of_the_workers_queues_are_claimed(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """A worker without a GPU never gets a GPU's job."""
    queue_job(queue="gpu")
    assert ledger.claim(["cpu"], worker="w1", lease_s=60) is None
    assert ledger.claim(["cpu", "gpu"], worker="w1", lease_s=60) is not None


def test_the_oldest_job_is_claimed_first(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Of jobs with one priority the oldest runs first, whatever a token hints."""
    first = queue_job("1.2.3")
    second = queue_job("1.2.4")
    assert [claim_next(ledger).job_id, claim_next(ledger).job_id] == [first, second]


def test_fence_refuses_a_late_worker(ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]) -> None:
    """When a lease ran out and another worker has read the job, the late worker's results are refused."""
    queue_job()
    late = claim_next(ledger)
    clock.seconds += 61
    assert ledger.free_expired(max_attempts=3, retry_delay_s=0) == 1
    second = claim_next(ledger, worker="w2")
    with pytest.raises(LeaseLost):
        finish(ledger, late)
    finish(ledger, second)
    with pytest.raises(LeaseLost):
        ledger.renew(late, lease_s=60)
    row = job_of(ledger, second.job_id)
    assert (row.state, row.attempts, len(row.deliveries)) == (JobState.READ, 2, 1)


def test_a_renewed_lease_does_not_run_out(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """A heartbeat keeps the job with its worker."""
    queue_job()
    claimed = claim_next(ledger)
    clock.seconds += 50
    ledger.renew(claimed, lease_s=60)
    clock.seconds += 50
    assert ledger.free_expired(max_attempts=3, retry_delay_s=0) == 0


def test_a_reboot_ends_every_lease(ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]) -> None:
    """Readings from before a reboot are not compared with those after it: the lease is over."""
    queue_job()
    claim_next(ledger)
    clock.mark, clock.seconds = "boot-2", 5.0
    assert ledger.free_expired(max_attempts=3, retry_delay_s=0) == 1


def test_a_study_that_kills_its_workers_ends_failed(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """A lease that ran out counts as an attempt, and after the last one the job is failed with the reason."""
    job_id = queue_job()
    for _ in range(3):
        claim_next(ledger)
        clock.seconds += 61
        ledger.free_expired(max_attempts=3, retry_delay_s=0)
    row = job_of(ledger, job_id)
    assert row.state is JobState.FAILED
    assert "lease" in row.reason


def test_a_hand_back_does_not_count(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """A worker that is stopped costs the study no attempt."""
    queue_job()
    for _ in range(10):
        ledger.hand_back(claim_next(ledger), reason="the worker was stopped")
    assert claim_next(ledger).attempt == 1


def test_what_waits_for_a_word_of_the_admins_is_held(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """It is not read again by itself, has its reason, is nobody's any more, and goes on when it is retried."""
    job_id = queue_job()
    held = claim_next(ledger)
    ledger.hold_unread(held, reason="which character set?")
    row = job_of(ledger, job_id)
    assert (row.state, row.reason) == (JobState.HELD, "which character set?")
    with pytest.raises(LeaseLost):
        finish(ledger, held)
    ledger.free_expired(max_attempts=3, retry_delay_s=0.0)
    assert ledger.claim(["cpu"], worker="w2", lease_s=60) is None
    ledger.retry(job_id)
    assert claim_next(ledger).job_id == job_id


def test_a_failed_attempt_waits(ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]) -> None:
    """After a failed attempt nobody gets the job before the delay has passed."""
    job_id = queue_job()
    after = ledger.fail(claim_next(ledger), reason="host gone", max_attempts=3, retry_delay_s=5, permanent=False)
    assert after is JobState.QUEUED
    assert ledger.claim(["cpu"], worker="w1", lease_s=60) is None
    clock.seconds += 6
    assert claim_next(ledger).job_id == job_id


def test_retry_gives_a_failed_job_its_attempts_back(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """An admin's retry queues a failed job as if it were new; a read one is refused."""
    job_id = queue_job()
    ledger.fail(claim_next(ledger), reason="no", max_attempts=3, retry_delay_s=0, permanent=True)
    ledger.retry(job_id)
    claimed = claim_next(ledger)
    assert claimed.attempt == 1
    finish(ledger, claimed)
    with pytest.raises(IllegalTransition):
        ledger.retry(job_id)
    with pytest.raises(UnknownJob):
        ledger.retry(99)


def test_retry_takes_the_model_as_it_is_now(ledger: Ledger) -> None:
    """A job that was skipped because its weights were missing runs with the complete model once they are there."""
    ledger.close_revision(assembled(), {}, [planned(runs=False, reason="the model is not ready")])
    job_id = ledger.jobs()[0].id
    ledger.retry(
        job_id,
        model=ModelVersion(model_id="constant-answer", model_digest="b" * 64, name="Constant answer", version="2"),
    )
    claimed = claim_next(ledger)
    assert (claimed.job_id, claimed.model_digest) == (job_id, "b" * 64)
    assert ledger.jobs()[0].model_version == "2"


def test_what_selection_refused_is_not_retried(ledger: Ledger) -> None:
    """A job without images has nothing to read, and the refusal repeats why."""
    ledger.close_revision(assembled(), {}, [planned(runs=False, files=(), reason="12 slices, at least 60 needed")])
    with pytest.raises(IllegalTransition, match="12 slices"):
        ledger.retry(ledger.jobs()[0].id)


def test_the_same_files_again_change_nothing(ledger: Ledger) -> None:
    """Closing a revision is idempotent: a crash between the commit and its answer doubles nothing."""
    assert ledger.close_revision(assembled(), {}, [planned()]) == 1
    assert ledger.close_revision(assembled(), {}, [planned()]) == 1
    assert len(ledger.jobs()) == 1


def test_later_images_replace_a_waiting_job(ledger: Ledger) -> None:
    """A revision with another input set supersedes the job that was not yet claimed."""
    ledger.close_revision(assembled(), {}, [planned()])
    more = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    assert ledger.close_revision(assembled(files=more), {}, [planned(files=more, input_key="key-2")]) == 2
    assert [(job.revision, job.state) for job in ledger.jobs()] == [(2, JobState.QUEUED), (1, JobState.SUPERSEDED)]


def test_a_read_job_is_superseded_when_the_newer_one_is_read(ledger: Ledger) -> None:
    """Until the newer read is there the older one stays valid."""
    ledger.close_revision(assembled(), {}, [planned()])
    first = claim_next(ledger)
    finish(ledger, first)
    more = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    ledger.close_revision(assembled(files=more), {}, [planned(files=more, input_key="key-2")])
    assert state(ledger, first.job_id) is JobState.READ
    second = claim_next(ledger)
    record(
        ledger,
        second,
        [ResultFile(**{**vars(RESULT), "sop_instance_uid": "1.2.10"})],
        {"pacs": DEFAULT_KINDS},
        inputs_digest="i2",
    )
    assert state(ledger, first.job_id) is JobState.SUPERSEDED


def test_one_read_stands_though_the_one_between_failed(ledger: Ledger) -> None:
    """A third revision's read takes the place of the first one's, when the second, which was to, came to nothing."""
    claims = []
    for number in range(3):
        files = tuple(f"s/a/{file}.dcm" for file in range(number + 1))
        ledger.close_revision(assembled(files=files), {}, [planned(files=files, input_key=f"key-{number}")])
        claims.append(claim_next(ledger))
        if number == 0:
            finish(ledger, claims[0])
    ledger.fail(claims[1], reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    finish(ledger, claims[2])
    assert [job.state for job in ledger.jobs()] == [JobState.READ, JobState.SUPERSEDED, JobState.SUPERSEDED]


@pytest.mark.parametrize("policy", ["ignore", "addendum"])
def test_late_images_follow_the_card(ledger: Ledger, policy: str) -> None:
    """A card that does not want to read again is not read again, and the ledger says so."""
    ledger.close_revision(assembled(), {}, [planned(late_images=policy)])
    finish(ledger, claim_next(ledger))
    more = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    ledger.close_revision(assembled(files=more), {}, [planned(files=more, input_key="key-2", late_images=policy)])
    newest = ledger.jobs()[0]
    assert newest.state is JobState.SKIPPED
    assert policy in newest.reason


def test_unchanged_inputs_are_not_read_again(ledger: Ledger) -> None:
    """A revision that brings images the model does not use makes no job for it."""
    ledger.close_revision(assembled(), {}, [planned()])
    ledger.close_revision(assembled(files=("s/a/1.dcm", "s/a/2.dcm", "s/b/1.dcm")), {}, [planned()])
    assert len(ledger.jobs()) == 1


WITH_ANOTHER_SERIES = ("s/a/1.dcm", "s/a/2.dcm", "s/b/1.dcm")


@pytest.mark.parametrize("was", [JobState.READ, JobState.CLAIMED, JobState.HELD, JobState.CANCELLED])
def test_a_series_of_its_own_does_not_bring_an_updated_model(ledger: Ledger, was: JobState) -> None:
    """What was read of unchanged images, is being read, or was stopped by an admin, stays as it is."""
    ledger.close_revision(assembled(), {}, [planned()])
    if was in (JobState.READ, JobState.CLAIMED):
        working = claim_next(ledger)
        if was is JobState.READ:
            finish(ledger, working)
    elif was is JobState.HELD:
        ledger.hold_job(ledger.jobs()[0].id)
    else:
        ledger.cancel(ledger.jobs()[0].id)
    ledger.close_revision(assembled(files=WITH_ANOTHER_SERIES), {}, [planned(model_digest="b" * 64, version="2")])
    assert [(job.state, job.model_version) for job in ledger.jobs()] == [(was, "1")]


@pytest.mark.parametrize("was", [JobState.QUEUED, JobState.FAILED])
def test_what_was_not_read_yet_is_read_by_the_model_that_is_here(ledger: Ledger, was: JobState) -> None:
    """The version that it was queued for is no longer on the machine."""
    ledger.close_revision(assembled(), {}, [planned()])
    if was is JobState.FAILED:
        ledger.fail(claim_next(ledger), reason="no", max_attempts=1, retry_delay_s=0, permanent=True)
    ledger.close_revision(assembled(files=WITH_ANOTHER_SERIES), {}, [planned(model_digest="b" * 64, version="2")])
    assert [(job.state, job.model_version) for job in ledger.jobs()] == [
        (JobState.QUEUED, "2"),
        (JobState.SUPERSEDED, "1"),
    ]


def test_one_addendum_tells_of_the_same_images(ledger: Ledger) -> None:
    """Not another for each series that the model does not read."""
    ledger.close_revision(assembled(), {}, [planned(late_images="addendum")])
    finish(ledger, claim_next(ledger))
    more = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
    again = planned(files=more, input_key="key-2", late_images="addendum")
    ledger.close_revision(assembled(files=more), {}, [again])
    ledger.close_revision(assembled(files=(*more, "s/b/1.dcm")), {}, [again])
    assert [job.state for job in ledger.jobs()] == [JobState.SKIPPED, JobState.READ]


def test_why_a_model_does_not_run_is_kept(ledger: Ledger) -> None:
    """The ledger says for every model why it does not read a study."""
    ledger.close_revision(assembled(), {}, [planned(runs=False, files=(), reason="12 slices, at least 60 needed")])
    (row,) = ledger.jobs()
    assert (row.state, row.reason) == (JobState.SKIPPED, "12 slices, at least 60 needed")


def test_a_silent_job_gets_a_new_token(ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]) -> None:
    """When the broker forgot its tokens, each claimable job has a new one after a while; a claimed job has not."""
    job_id = queue_job()
    ((token, queue, hinted),) = ledger.waiting_tokens()
    assert (queue, hinted) == ("cpu", job_id)
    ledger.tokens_published([token])
    assert ledger.requeue_silent(silent_s=15) == 0
    clock.seconds += 16
    assert ledger.requeue_silent(silent_s=15) == 1
    assert [job for _, _, job in ledger.waiting_tokens()] == [job_id]
    claim_next(ledger)
    clock.seconds += 16
    assert ledger.requeue_silent(silent_s=15) == 0


def test_words_from_outside_are_kept_as_far_as_a_database_can(ledger: Ledger) -> None:
    """NUL, half characters, numbers that are none and titles that are too long stop no study and no job."""
    odd = "\0half \udc80"
    study = replace(assembled(), calling_ae_title=f"{odd}{'x' * 20}")
    ledger.close_revision(study, {"1.2.3.1": {"SliceThickness": float("nan"), "SeriesDescription": odd}}, [planned()])
    ledger.fail(claim_next(ledger, "w" * 200), reason=odd, max_attempts=1, retry_delay_s=0, permanent=True)
    (row,) = ledger.jobs()
    assert (row.state, row.reason) == (JobState.FAILED, "\N{REPLACEMENT CHARACTER}half ?")
    (kept,) = ledger.studies()
    assert kept.calling_ae_title == "\N{REPLACEMENT CHARACTER}half ?xxxxxxxxx"


def test_the_ledger_survives_being_opened_again(ledger_url: str, clock: ManualLedgerClock) -> None:
    """Migrations run once, and what was committed is there."""
    first = Ledger.open(ledger_url, clock=clock)
    first.close_revision(assembled(), {}, [planned()])
    first.close()
    second = Ledger.open(ledger_url, clock=clock)
    assert len(second.jobs()) == 1
    assert second.recorded_files("folder-1.2.3") == {"s/a/1.dcm", "s/a/2.dcm"}
    second.close()


def test_a_job_knows_what_fits_as_well(ledger: Ledger) -> None:
    """Whoever reads it can say so; what becomes known while it waits counts."""
    ledger.close_revision(assembled(), {}, [planned(others=OtherSeries(series=1, images=1))])
    more = OtherSeries(series=2, images=3)
    ledger.close_revision(assembled(files=("s/a/1.dcm", "s/a/2.dcm", "s/b/1.dcm")), {}, [planned(others=more)])
    assert claim_next(ledger).others == more


def test_what_comes_after_a_read_and_fits_as_well_is_told(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Once, also while it is read; its results do not count it, and the job is not read again for it."""
    job_id = queue_job()
    first = claim_next(ledger)
    later = [("s/a/1.dcm", "s/a/2.dcm", *(f"s/b/{number}.dcm" for number in range(more))) for more in (1, 2, 3)]
    one, two = OtherSeries(series=1, images=1), OtherSeries(series=1, images=2)
    ledger.close_revision(assembled(files=later[0]), {}, [planned(others=one)])
    finish(ledger, first)
    for files in later[1:]:
        ledger.close_revision(assembled(files=files), {}, [planned(others=two)])
    told = [event for event in ledger.timeline("1.2.3") if event.kind == "more that fits came"]
    assert [(event.job_id, event.detail["not_read"]) for event in told] == [
        (job_id, "1 other series, 1 images"),
        (job_id, "1 other series, 2 images"),
    ]
    assert [job.state for job in ledger.jobs()] == [JobState.READ]
    ledger.hold_job(job_id)
    ledger.retry(job_id)
    assert claim_next(ledger).others == two


def test_the_text_sr_of_a_job_is_that_of_its_latest_read(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Also where that has made again what stood in the ledger before the one between."""
    job_id = queue_job()
    first = replace(RESULT, kind="TEXT-SR")
    for told in (first, replace(first, sop_instance_uid="1.2.10", file="f/1/other.dcm"), first):
        held = claim_next(ledger)
        record(ledger, held, [told])
        assert ledger.text_report(job_id) == told.file
        ledger.hold_job(job_id)
        ledger.retry(job_id)


def test_what_an_earlier_read_had_made_leaves_when_the_latest_has_made_it_again(
    ledger: Ledger, queue_job: Callable[..., int]
) -> None:
    """An admin has tried another version while the archive was away, and gone back: nothing would ever have left."""
    job_id = queue_job()
    first, other = RESULT, replace(RESULT, sop_instance_uid="1.2.10", file="f/1/other.dcm")
    for number, made in enumerate((first, other, first)):
        if number:
            ledger.hold_job(job_id)
            ledger.retry(job_id)
        held = claim_next(ledger)
        record(ledger, held, [made], {"pacs": DEFAULT_KINDS})
    batch = next_batch(ledger, "pacs")
    assert [item.sop_instance_uid for item in batch.objects] == [first.sop_instance_uid]
    ledger.delivered(batch.objects[0], DeliveryState.ACCEPTED, status=0)
    row = job_of(ledger, job_id)
    assert {item.sop_instance_uid: item.state for item in row.deliveries} == {
        first.sop_instance_uid: DeliveryState.ACCEPTED,
        other.sop_instance_uid: DeliveryState.REPLACED,
    }
