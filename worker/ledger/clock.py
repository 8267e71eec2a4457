"""The ledger's own clock, for leases and waits. Wall clocks jump; this one does not.

On SQLite everything that shares the ledger shares the machine, so it is the seconds since boot, marked with the boot's
id: a reading under another mark is from before a reboot, and whatever it waited for has passed. On PostgreSQL machines
share the ledger, and only the database's clock is the same for all: what their own clocks say does not matter.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, text

from worker.ledger.engine import translated

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A reading of the clock.

    Attributes:
        mark: Readings are comparable only under the same mark.
        seconds: Never goes back under one mark.
    """

    mark: str
    seconds: float


class LedgerClock(Protocol):
    """What time it is for leases and waits."""

    def read(self) -> Reading:
        """Return the reading of now."""


class BootClock:
    """Seconds since boot, sleep included (CLOCK_BOOTTIME), marked with the boot's id."""

    def __init__(self) -> None:
        self._mark = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else "one-boot"
        self._source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def read(self) -> Reading:
        """Return the reading of now."""
        return Reading(mark=self._mark, seconds=time.clock_gettime(self._source))


class DatabaseClock:
    """The clock of a PostgreSQL server, in seconds since 1970.

    It has no other than the wall clock of its machine: set back by an hour, the lease of a worker that died in that
    moment lasts an hour longer; set forward, leases end early, and the fence refuses what comes late.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def read(self) -> Reading:
        """Return the reading of now. Raises LedgerAway."""
        # Not now(): that is when the transaction began.
        query = text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")
        with translated(), self._engine.connect() as connection:
            return Reading(mark="postgresql", seconds=float(connection.execute(query).scalar_one()))
