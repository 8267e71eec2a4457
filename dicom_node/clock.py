"""Seconds that never run backwards."""

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock."""

    def now(self) -> float:
        """Return seconds since some moment."""


class _Monotonic:
    def now(self) -> float:
        return time.monotonic()


MONOTONIC: Clock = _Monotonic()
