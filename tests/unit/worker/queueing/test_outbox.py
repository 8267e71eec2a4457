"""The reconciler, where the ledger was away."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.unit.worker.conftest import ManualLedgerClock
from tests.unit.worker.reads import claim_next
from worker.errors import LedgerAway
from worker.ledger.ledger import Ledger
from worker.queueing.outbox import Reconciler
from worker.settings import WorkerSettings


class Broker:
    """Takes tokens; nothing waits in it."""

    def __init__(self, published: list[int]) -> None:
        """Take where the jobs of tokens go."""
        self._published = published

    def __call__(self, queue: str, job_id: int) -> None:
        """Take a token."""
        del queue
        self._published.append(job_id)

    def waiting(self, queue: str) -> int:
        """Say that none waits."""
        del queue
        return 0


def test_who_lives_may_renew_a_lease_after_the_ledger_was_away(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases that ran out while nobody could renew them are freed only when their holders have had the time to."""
    now = [100.0]
    published: list[int] = []
    reconciler = Reconciler(
        ledger,
        Broker(published),
        WorkerSettings(lease_s=60.0),
        seconds=lambda: now[0],
    )
    queue_job()
    claim = claim_next(ledger)
    clock.seconds += 600

    @contextmanager
    def away() -> Iterator[None]:
        raise LedgerAway("away")
        yield

    with monkeypatch.context() as while_away:
        while_away.setattr(ledger, "writing", away)
        with pytest.raises(LedgerAway):
            reconciler.once()
    now[0] += 59.0
    reconciler.once()
    ledger.renew(claim, lease_s=60)  # it still holds the job
    clock.seconds += 61
    now[0] += 2.0
    reconciler.once()
    assert [job.attempts for job in ledger.jobs()] == [1]
    assert [job.state.value for job in ledger.jobs()] == ["queued"]
