"""Keeps a claim's lease alive while its job is worked on."""

import threading
from types import TracebackType
from typing import Self

import structlog

from worker.errors import LeaseLost, LedgerAway
from worker.job import Claim
from worker.ledger import Ledger

_log = structlog.get_logger()


class Heartbeat:
    """A thread that renews the lease three times within its length, as long as the block runs."""

    def __init__(self, ledger: Ledger, claim: Claim, lease_s: float) -> None:
        self._ledger = ledger
        self._claim = claim
        self._lease_s = lease_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{claim.job_id}", daemon=True)

    def __enter__(self) -> Self:
        """Start renewing."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing."""
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._lease_s / 3):
            try:
                self._ledger.renew(self._claim, lease_s=self._lease_s)
            except LeaseLost:
                return  # the job's own writes will be refused by the fence
            except LedgerAway as error:
                _log.warning("lease not renewed", job=self._claim.job_id, cause=str(error))
