"""Tokens go out, and what has gone silent is published again. Any number of reconcilers may run."""

import math
import threading
from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

import structlog

from worker.errors import BrokerAway, LedgerAway, LedgerDamaged, QueueTaken
from worker.jobs.job import JobState
from worker.ledger.clock import BootClock
from worker.ledger.ledger import Ledger
from worker.settings import WorkerSettings

_log = structlog.get_logger()

Answer = TypeVar("Answer")


class Publish(Protocol):
    """Hands a token to the broker."""

    def __call__(self, queue: str, job_id: int) -> None:
        """Say "there is work in this queue". Raises BrokerAway, QueueTaken."""

    def waiting(self, queue: str) -> int:
        """Return how many tokens wait in a queue for a worker. Raises BrokerAway, QueueTaken."""


class Reconciler:
    """Publishes waiting tokens at once, and every few seconds mends what was lost."""

    def __init__(
        self,
        ledger: Ledger,
        publish: Publish,
        settings: WorkerSettings,
        told_of: Collection[JobState] = (JobState.FAILED,),
        *,
        seconds: Callable[[], float] = lambda: BootClock().read().seconds,
    ) -> None:
        """Take the ledger, the broker, the waits, the ends of jobs that somebody is to be told of, and a clock.

        The clock goes on while the machine sleeps.
        """
        self._seconds = seconds
        self._ledger = ledger
        self._told_of = told_of
        self._publish = publish
        self._settings = settings
        self._wake = threading.Event()
        self._unrenewed_until = -math.inf
        self._damage = set[str]()
        self._taken = set[str]()

    def wake(self) -> None:
        """Publish now: a study was just closed."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop; a ledger or broker that is away is asked again."""
        away = ""
        while not stop.is_set():
            try:
                self.once()
                away = ""
            except (LedgerAway, BrokerAway) as error:
                if str(error) != away:
                    _log.warning("reconciler waits", cause=str(error))
                away = str(error)
            self._pause()

    def _pause(self) -> None:
        """Wait for the next round, and notice where this machine stood still meanwhile: it slept, or was halted."""
        before = self._seconds()
        self._wake.wait(self._settings.reconcile_every_s)
        self._wake.clear()
        after = self._seconds()
        # Leases are renewed three times in their time.
        if after - before > self._settings.reconcile_every_s + self._settings.lease_s / 3:
            _log.warning("this machine stood still", seconds=round(after - before))
            self._unrenewed_until = after

    def once(self) -> int:
        """Free dead leases, renew silent tokens, publish what waits; return how many tokens went out."""
        try:
            return self._round()
        except LedgerAway:
            self._unrenewed_until = self._seconds()
            raise

    def _round(self) -> int:
        freed, freed_deliveries = self._free_expired()
        passed: list[int] = []
        for job_id in self._apart(self._ledger.pass_deadlines, passed):
            _log.warning("deadline passed", job=job_id, remedy="is a worker running, and has it enough processes?")
        silent_s = 3 * self._settings.reconcile_every_s
        busy = self._busy()
        silent = self._ledger.requeue_silent(silent_s=silent_s, busy=busy)
        silent += self._ledger.requeue_unread(self._told_of, silent_s=silent_s, busy=busy)
        if freed or freed_deliveries or silent:
            _log.info("reconciled", freed_jobs=freed, freed_deliveries=freed_deliveries, renewed_tokens=silent)
        return self._publish_waiting()

    def _busy(self) -> list[str]:
        """Return the queues that need no new tokens; one that can get none is told, and keeps no other waiting."""
        busy, taken = [], set[str]()
        for queue in self._ledger.queues():
            try:
                # Without this a long line would get new tokens again and again, faster than workers use them up.
                if self._publish.waiting(queue) == 0:
                    continue
            except QueueTaken as error:
                if queue not in self._taken:
                    _log.error("queue gets no tokens", queue=queue, cause=str(error))
                taken.add(queue)
            busy.append(queue)
        self._taken = taken
        return busy

    def _free_expired(self) -> tuple[int, int]:
        """Free jobs and deliveries whose worker or deliverer is dead; return how many of each."""
        # While the ledger was away, or all stood still, nobody could renew a lease: who lives gets the time to do so.
        if self._seconds() - self._unrenewed_until < self._settings.lease_s:
            return 0, 0
        settings = self._settings
        jobs = self._apart(
            lambda: self._ledger.free_expired(max_attempts=settings.max_attempts, retry_delay_s=settings.retry_delay_s),
            0,
        )
        return jobs, self._apart(self._ledger.free_expired_deliveries, 0)

    def _apart(self, part: Callable[[], Answer], nothing: Answer) -> Answer:
        """Do a part of a round: rows that cannot be read must not keep all others waiting for their tokens."""
        try:
            return part()
        except LedgerDamaged as damaged:
            if str(damaged) not in self._damage:
                _log.error("reconciler passes over what it cannot read", cause=str(damaged))
                self._damage.add(str(damaged))
            return nothing

    def _publish_waiting(self) -> int:
        published = []
        try:
            for token_id, queue, job_id in self._ledger.waiting_tokens(without=self._taken):
                self._publish(queue, job_id)
                published.append(token_id)
        finally:
            # A crash before this line publishes a token twice, which does no harm.
            if published:
                self._ledger.tokens_published(published)
        return len(published)
