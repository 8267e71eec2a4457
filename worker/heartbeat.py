"""Keeps a lease alive while what was claimed is worked on: a job, deliveries, a notice."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from worker.errors import LeaseLost, LedgerAway

_log = structlog.get_logger()


class Heartbeat:
    """A thread that renews the lease three times within its length, as long as the block runs."""

    def __init__(self, renew: Callable[[], None], lease_s: float, *, job_id: int) -> None:
        """Take what renews the lease (it raises LeaseLost, LedgerAway), its length, and the job for the log."""
        self._renew = renew
        self._job_id = job_id
        self._lease_s = lease_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{job_id}", daemon=True)

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
                self._renew()
            except LeaseLost:
                return  # the writes of who works will be refused by the fence
            except LedgerAway as error:
                _log.warning("lease not renewed", job=self._job_id, cause=str(error))
