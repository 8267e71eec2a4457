"""Storage commitment in the ledger, on a real database."""

from collections.abc import Callable

import pytest

from tests.unit.worker.conftest import ManualLedgerClock, assembled, planned
from tests.unit.worker.reads import claim_next, job_of, next_batch, record, result_file
from worker.jobs.job import DeliveryState
from worker.jobs.job_records import Claim, CommitmentBatch
from worker.ledger.deliveries import CommitmentWish
from worker.ledger.ledger import Ledger
from worker.object_kinds import DEFAULT_KINDS

DAY_S = 86400.0


@pytest.fixture
def read_job(ledger: Ledger, queue_job: Callable[..., int]) -> int:
    """A job that was read, with two objects for two destinations."""
    job_id = queue_job()
    claim = claim_next(ledger)
    _finish(ledger, claim)
    return job_id


def _finish(ledger: Ledger, claim: Claim) -> None:
    results = [
        result_file(kind, f"1.2.3.{number}", sop_class_uid=f"1.2.{number}") for number, kind in enumerate(("SEG", "SR"))
    ]
    record(ledger, claim, results, {"near": DEFAULT_KINDS, "far": DEFAULT_KINDS})


def accept(ledger: Ledger, wish: CommitmentWish, destination: str = "near") -> None:
    """Let an archive take what waits for it."""
    batch = next_batch(ledger, destination)
    for item in batch.objects:
        ledger.delivered(item, DeliveryState.ACCEPTED, status=0, commitment=wish)


def ask(ledger: Ledger, destination: str = "near", give_up_after_s: float = DAY_S) -> CommitmentBatch | None:
    """Return the next request."""
    return ledger.claim_commitment(destination, timeout_s=100, give_up_after_s=give_up_after_s)


def report(
    ledger: Ledger, transaction_uid: str, *, failed: dict[str, str] | None = None, give_up_s: float = DAY_S
) -> bool:
    """Report on both objects."""
    failed = failed or {}
    return ledger.commitment_reported(
        transaction_uid,
        committed={"1.2.3.0", "1.2.3.1"} - set(failed),
        failed=failed,
        destinations=["near"],
        first_retry_s=30,
        longest_retry_s=600,
        give_up_after_s=give_up_s,
    )


def states(ledger: Ledger, job_id: int, destination: str = "near") -> list[DeliveryState]:
    """Return the states of a destination's deliveries."""
    return [item.state for item in job_of(ledger, job_id).deliveries if item.destination == destination]


def test_delivered_means_committed_where_that_is_demanded(ledger: Ledger, read_job: int) -> None:
    """Accepted is not enough for the one destination, and is for the other."""
    accept(ledger, "required")
    accept(ledger, "wanted", "far")
    assert states(ledger, read_job) == [DeliveryState.UNCOMMITTED] * 2
    assert states(ledger, read_job, "far") == [DeliveryState.ACCEPTED] * 2
    assert not job_of(ledger, read_job).delivered
    batch = ask(ledger)
    assert batch is not None
    assert batch.instances == (("1.2.0", "1.2.3.0"), ("1.2.1", "1.2.3.1"))
    assert report(ledger, batch.transaction_uid)
    assert states(ledger, read_job) == [DeliveryState.COMMITTED] * 2
    assert job_of(ledger, read_job).delivered
    assert ask(ledger) is None
    assert ask(ledger, "far") is not None


@pytest.mark.parametrize("asked", [True, False])
def test_what_waits_for_a_commitment_that_is_not_required_any_more_has_arrived(
    ledger: Ledger, read_job: int, *, asked: bool
) -> None:
    """An archive that never commits: the admin no longer wants it, and the study must be settled some day."""
    accept(ledger, "required")
    accept(ledger, "required", "far")
    assert ledger.require_no_commitment("near", asked=asked) == 2
    assert ledger.require_no_commitment("near", asked=asked) == 0
    assert states(ledger, read_job) == [DeliveryState.ACCEPTED] * 2
    assert states(ledger, read_job, "far") == [DeliveryState.UNCOMMITTED] * 2
    batch = ask(ledger)
    assert (batch is not None) == asked
    if batch is not None:
        assert report(ledger, batch.transaction_uid)
        assert states(ledger, read_job) == [DeliveryState.COMMITTED] * 2


def test_without_a_wish_nothing_is_asked(ledger: Ledger, read_job: int) -> None:
    """A destination that is not to be asked is not."""
    accept(ledger, "")
    assert ask(ledger) is None


def test_a_request_waits_for_the_rest_of_the_job(ledger: Ledger, read_job: int, clock: ManualLedgerClock) -> None:
    """One request a job: while an object is still on its way there nothing is asked."""
    batch = next_batch(ledger)
    ledger.delivered(batch.objects[0], DeliveryState.ACCEPTED, commitment="wanted")
    assert ask(ledger) is None
    ledger.delivered(batch.objects[1], DeliveryState.REFUSED, status=0xA900, reason="no")
    asked = ask(ledger)
    assert asked is not None
    assert [uid for _, uid in asked.instances] == ["1.2.3.0"]


def test_a_report_that_never_comes_is_asked_for_again(ledger: Ledger, read_job: int, clock: ManualLedgerClock) -> None:
    """After its time, which doubles, under another transaction; a late report on the first one still counts."""
    accept(ledger, "required")
    first = ask(ledger)
    assert first is not None
    clock.seconds += 99
    assert ask(ledger) is None
    clock.seconds += 2
    second = ask(ledger)
    assert second is not None
    assert second.transaction_uid != first.transaction_uid
    clock.seconds += 101
    assert ask(ledger) is None
    assert report(ledger, first.transaction_uid)
    assert job_of(ledger, read_job).deliveries[0].state is DeliveryState.COMMITTED
    assert report(ledger, second.transaction_uid), "a second report is taken, and changes nothing"


def test_what_was_not_committed_to_is_sent_again_and_asked_for_again(
    ledger: Ledger, read_job: int, clock: ManualLedgerClock
) -> None:
    """A partial failure costs the failed object a second delivery, the other one nothing."""
    accept(ledger, "required")
    first = ask(ledger)
    assert first is not None
    report(ledger, first.transaction_uid, failed={"1.2.3.1": "status 0112, no such object instance"})
    assert states(ledger, read_job) == [DeliveryState.COMMITTED, DeliveryState.PENDING]
    assert "no such object instance" in job_of(ledger, read_job).deliveries[2].reason
    assert ledger.claim_deliveries("near", lease_s=60) is None, "not before its wait"
    clock.seconds += 31
    again = next_batch(ledger)
    assert [item.kind for item in again.objects] == ["SR"]
    ledger.delivered(again.objects[0], DeliveryState.ACCEPTED, status=0x0111, commitment="required")
    second = ask(ledger)
    assert second is not None
    assert second.instances == (("1.2.1", "1.2.3.1"),)
    report(ledger, second.transaction_uid)
    assert states(ledger, read_job) == [DeliveryState.COMMITTED] * 2


def test_a_report_that_says_both_counts_as_failed(ledger: Ledger, read_job: int) -> None:
    """An object that is listed as committed and as failed is sent again: believing the better of both may lose it."""
    accept(ledger, "required")
    batch = ask(ledger)
    assert batch is not None
    ledger.commitment_reported(
        batch.transaction_uid,
        committed={"1.2.3.0", "1.2.3.1"},
        failed={"1.2.3.1": "no such object"},
        destinations=["near"],
        first_retry_s=30,
        longest_retry_s=600,
        give_up_after_s=DAY_S,
    )
    assert states(ledger, read_job) == [DeliveryState.COMMITTED, DeliveryState.PENDING]


def test_what_is_never_committed_to_is_given_up(ledger: Ledger, read_job: int) -> None:
    """After the last day what demands a commitment is abandoned, and what only wished for one stays accepted."""
    accept(ledger, "required")
    accept(ledger, "wanted", "far")
    for destination in ("near", "far"):
        batch = ask(ledger, destination, give_up_after_s=-1)
        assert batch is not None
        assert not batch.instances
        assert ask(ledger, destination, give_up_after_s=-1) is None
    assert states(ledger, read_job) == [DeliveryState.ABANDONED] * 2
    assert states(ledger, read_job, "far") == [DeliveryState.ACCEPTED] * 2
    assert ledger.send_again(read_job) == 2


def test_what_was_taken_before_is_asked_for_too(ledger: Ledger, read_job: int) -> None:
    """A site that switches commitment on has it for what is there, once; what was given up is asked for by hand."""
    accept(ledger, "")
    assert ask(ledger) is None
    assert ledger.want_commitments("near") == 2
    assert ledger.want_commitments("near") == 0
    first = ask(ledger)
    assert first is not None
    assert len(first.instances) == 2
    given_up = ask(ledger, give_up_after_s=-1)
    assert given_up is None or not given_up.instances
    assert states(ledger, read_job) == [DeliveryState.ACCEPTED] * 2


def test_what_is_asked_for_in_vain_is_asked_for_again_by_hand(
    ledger: Ledger, read_job: int, clock: ManualLedgerClock
) -> None:
    """It stays accepted when it is given up, and no restart asks again; an admin may."""
    accept(ledger, "wanted")
    ask(ledger)
    clock.seconds += 1e6
    given_up = ask(ledger, give_up_after_s=-1)
    assert given_up is not None
    assert not given_up.instances
    assert ledger.want_commitments("near") == 0
    assert ledger.send_again(read_job) == 0
    assert ledger.send_again(read_job, committing=["near"]) == 2
    clock.seconds += 1e6
    again = ask(ledger)
    assert again is not None
    assert len(again.instances) == 2


def test_what_keeps_failing_is_given_up(ledger: Ledger, read_job: int) -> None:
    """An archive that takes an object and never keeps it does not get it for ever."""
    accept(ledger, "required")
    batch = ask(ledger)
    assert batch is not None
    report(ledger, batch.transaction_uid, failed={"1.2.3.0": "status 0213, resource limitation"}, give_up_s=-1)
    assert states(ledger, read_job) == [DeliveryState.ABANDONED, DeliveryState.COMMITTED]


def test_only_the_one_that_was_asked_may_report(ledger: Ledger, read_job: int) -> None:
    """A report on an unknown transaction, or by another destination, changes nothing and is told apart."""
    accept(ledger, "required", "far")
    batch = ask(ledger, "far")
    assert batch is not None
    assert not report(ledger, batch.transaction_uid)
    assert not report(ledger, "2.25.1")
    assert states(ledger, read_job, "far") == [DeliveryState.UNCOMMITTED] * 2


def test_a_request_that_could_not_be_made_is_made_again(
    ledger: Ledger, read_job: int, clock: ManualLedgerClock
) -> None:
    """After the wait of a retry, not of a report; the reason is shown."""
    accept(ledger, "required")
    batch = ask(ledger)
    assert batch is not None
    ledger.postpone_commitment(batch, reason="it offers none", first_retry_s=30, longest_retry_s=600)
    assert job_of(ledger, read_job).deliveries[0].reason == "it offers none"
    clock.seconds += 31
    assert ask(ledger) is not None


@pytest.mark.parametrize("wish", ["wanted", "required"])
@pytest.mark.parametrize("meanwhile", ["held", "queued", "claimed"])
def test_what_is_lost_while_its_job_is_held_or_read_again_is_sent_when_that_goes_on(
    ledger: Ledger, read_job: int, clock: ManualLedgerClock, meanwhile: str, wish: CommitmentWish
) -> None:
    """The archive does not have it: a job that goes on has it sent again, and has not delivered till then."""
    accept(ledger, wish)
    accept(ledger, "", "far")
    batch = ask(ledger)
    assert batch is not None
    ledger.hold_job(read_job)
    if meanwhile != "held":
        ledger.retry(read_job)
    claim = ledger.claim(["cpu"], worker="w", lease_s=60) if meanwhile == "claimed" else None
    report(ledger, batch.transaction_uid, failed={"1.2.3.1": "status 0112, no such object instance"})
    assert states(ledger, read_job) == [DeliveryState.COMMITTED, DeliveryState.PENDING]
    clock.seconds += 31
    assert ledger.claim_deliveries("near", lease_s=60) is None, "not while it is held, or read"
    if meanwhile == "held":
        ledger.resume_job(read_job)
    else:
        claim = claim or ledger.claim(["cpu"], worker="w", lease_s=60)
        assert claim is not None
        _finish(ledger, claim)
    assert not job_of(ledger, read_job).delivered
    again = next_batch(ledger)
    assert [item.sop_instance_uid for item in again.objects] == ["1.2.3.1"]


@pytest.mark.parametrize("end", ["cancelled", "superseded"])
def test_what_is_lost_of_a_job_that_never_goes_on_is_given_up(ledger: Ledger, read_job: int, end: str) -> None:
    """Nothing of it leaves any more."""
    accept(ledger, "required")
    batch = ask(ledger)
    assert batch is not None
    if end == "cancelled":
        ledger.hold_job(read_job)
        ledger.cancel(read_job)
    else:
        files = ("s/a/1.dcm", "s/a/2.dcm", "s/a/3.dcm")
        ledger.close_revision(assembled(files=files), {}, [planned(files=files, input_key="key-2")])
        claim = claim_next(ledger)
        record(ledger, claim)
    report(ledger, batch.transaction_uid, failed={"1.2.3.1": "status 0112, no such object instance"})
    assert states(ledger, read_job) == [DeliveryState.COMMITTED, DeliveryState.ABANDONED]
