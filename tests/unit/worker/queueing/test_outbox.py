"""The reconciler, where the ledger was away, the machine stood still, or a queue is none."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import structlog.testing

from tests.unit.worker.conftest import ManualLedgerClock
from tests.unit.worker.reads import claim_next
from worker.errors import LedgerAway, QueueTaken
from worker.jobs.job import JobState
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


def test_a_queue_that_redis_cannot_keep_holds_up_no_other(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """Its jobs wait, told once; tokens of another queue go out, however many wait before them, and its own later."""
    taken = {"cpu"}

    class Taken(Broker):
        def waiting(self, queue: str) -> int:
            if queue in taken:
                raise QueueTaken("something else is there")
            return 0

    published: list[int] = []
    reconciler = Reconciler(ledger, Taken(published), WorkerSettings())
    blocked, other = queue_job("1.2.3", queue="cpu"), queue_job("1.2.4", queue="gpu")
    with structlog.testing.capture_logs() as told:
        assert reconciler.once() == 1
        assert reconciler.once() == 0
    assert published == [other]
    assert [(line["event"], line["queue"]) for line in told] == [("queue gets no tokens", "cpu")]
    taken.clear()
    assert reconciler.once() == 1
    assert published == [other, blocked]


def test_after_the_machine_stood_still_who_lives_may_renew_a_lease(
    ledger: Ledger, clock: ManualLedgerClock, queue_job: Callable[..., int]
) -> None:
    """It slept for an hour in the middle of a read: the worker gets the time to renew; one that is dead loses it."""
    stop = threading.Event()
    queue_job()
    claim_next(ledger)

    def moments() -> Iterator[float]:
        yield from (100.0, 100.0)  # the first round; the wait begins
        clock.seconds += 3600.0
        yield from (3700.0, 3700.0)  # it ends; the second round
        assert [job.state for job in ledger.jobs()] == [JobState.CLAIMED]
        yield from (3700.0, 3700.1)  # a wait as it should be
        stop.set()
        yield from (3761.0, 3761.0, 3761.1)  # the third round, and its wait

    settings = WorkerSettings(lease_s=60.0, reconcile_every_s=0.01)
    Reconciler(ledger, Broker([]), settings, seconds=moments().__next__).run(stop)
    assert [job.state for job in ledger.jobs()] == [JobState.QUEUED]
