"""A delivery whose rows are damaged leaves, and nobody forgets what may be there already."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from tests.unit.worker.conftest import ManualLedgerClock
from tests.unit.worker.reads import claim_next, next_batch, record, result_file
from worker.errors import LedgerDamaged
from worker.jobs.job import DeliveryState
from worker.jobs.job_records import OutgoingBatch
from worker.ledger.deliveries import CommitmentWish
from worker.ledger.ledger import Ledger
from worker.ledger.tables import Delivery
from worker.object_kinds import DEFAULT_KINDS

REPLACED = "damaged row replaced"


@pytest.fixture(autouse=True)
def two(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Two jobs, each with an object for the same archive."""
    for number in (1, 2):
        queue_job(f"1.2.{number}")
        claim = claim_next(ledger)
        made = result_file("SR", f"1.9.{number}", file="f")
        record(ledger, claim, [made], {"pacs": DEFAULT_KINDS})


def harm(ledger: Ledger, statement: str) -> None:
    """Do what somebody else has done, where this database takes it."""
    with ledger.writing() as session:
        if session.get_bind().dialect.name == "postgresql":
            pytest.skip("PostgreSQL does not take that")
        session.execute(text(statement))


def claimed(ledger: Ledger) -> OutgoingBatch:
    """Claim what must be there."""
    return next_batch(ledger, "pacs")


def put_back(ledger: Ledger, batch: OutgoingBatch, *, in_vain: bool) -> None:
    """Let it wait for its next attempt."""
    ledger.postpone(
        batch,
        reason="away",
        first_retry_s=1,
        longest_retry_s=1,
        give_up_after_s=3600,
        in_vain=batch.objects if in_vain else (),
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE delivery SET attempts = 'many' WHERE id = 1",
        "UPDATE delivery SET attempts = 'many', in_vain = 3 WHERE id = 1",
        "UPDATE delivery SET in_vain = 'all' WHERE id = 1",
    ],
)
def test_what_may_have_arrived_is_not_forgotten(ledger: Ledger, clock: ManualLedgerClock, statement: str) -> None:
    """It was not answered once; the attempt after the damage has certainly left nothing."""
    put_back(ledger, claimed(ledger), in_vain=False)
    harm(ledger, statement)
    clock.seconds += 5
    put_back(ledger, claimed(ledger), in_vain=True)
    with ledger.reading() as session:
        delivery = session.get_one(Delivery, 1)
        assert delivery.sendings > 0
        assert delivery.attempts > 0


def test_what_was_never_sent_is_known_not_to_be_there(ledger: Ledger) -> None:
    """Where its attempts can be read."""
    harm(ledger, "UPDATE delivery SET created_at = 'yesterday' WHERE id = 1")
    put_back(ledger, claimed(ledger), in_vain=True)
    with ledger.reading() as session:
        assert session.get_one(Delivery, 1).sendings == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE delivery SET created_at = 'yesterday' WHERE id = 1",
        "UPDATE result_object SET created_at = 'yesterday' WHERE id = 1",
    ],
)
def test_a_damaged_row_keeps_no_other_and_is_told_once(ledger: Ledger, statement: str) -> None:
    """That of an object, too."""
    harm(ledger, statement)
    sent = []
    with capture_logs() as logs:
        while (batch := ledger.claim_deliveries("pacs", lease_s=60)) is not None:
            sent += [item.sop_instance_uid for item in batch.objects]
            ledger.delivered(batch.objects[0], DeliveryState.ACCEPTED)
    assert sent == ["1.9.1", "1.9.2"]
    assert [event.kind for event in ledger.timeline("1.2.1")].count(REPLACED) == 1
    assert [log["event"] for log in logs].count(REPLACED) == 1


def test_what_was_not_mended_is_not_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction has come to nothing."""

    def damaged(*_: object) -> None:
        raise LedgerDamaged("the ledger holds a date that is none")

    monkeypatch.setattr("worker.ledger.deliveries.claimed_batch", damaged)
    with capture_logs() as logs, pytest.raises(LedgerDamaged):
        ledger.claim_deliveries("pacs", lease_s=60)
    assert logs == []
    assert REPLACED not in [event.kind for event in ledger.timeline("1.2.1")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE delivery SET created_at = 'yesterday' WHERE id = 1",
        "UPDATE delivery SET fence = 'high' WHERE id = 1",
        "UPDATE delivery SET attempts = 'many' WHERE id = 1",
    ],
)
def test_what_is_damaged_frees_others(ledger: Ledger, clock: ManualLedgerClock, statement: str) -> None:
    """A deliverer was sending it when it died, and another one."""
    first, second = claimed(ledger), claimed(ledger)
    harm(ledger, statement)
    clock.seconds += 61
    assert ledger.free_expired_deliveries() == 2
    assert [claimed(ledger).job_id for _ in range(2)] == [first.job_id, second.job_id]


BEGINNINGS: dict[CommitmentWish, Callable[[Ledger], int]] = {
    "required": lambda ledger: ledger.require_no_commitment("pacs", asked=False),
    "": lambda ledger: ledger.want_commitments("pacs"),
}


@pytest.mark.parametrize("before", BEGINNINGS)
def test_what_a_deliverer_begins_with_passes_over_damaged_times(ledger: Ledger, before: CommitmentWish) -> None:
    """Settings that ask for commitment, or do so no more: a destination is served only after that."""
    for _ in range(2):
        ledger.delivered(claimed(ledger).objects[0], DeliveryState.ACCEPTED, status=0, commitment=before)
    harm(ledger, "UPDATE delivery SET created_at = 'yesterday' WHERE id = 1")
    assert BEGINNINGS[before](ledger) == 2
    with ledger.reading() as session:
        assert set(session.scalars(select(Delivery.state))) == {DeliveryState.ACCEPTED}
