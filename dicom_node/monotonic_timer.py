"""The timers of an association, by a clock that does not jump.

pynetdicom's go by the wall clock: one that is set forward by a minute, by NTP or after a virtual machine was suspended,
would end every association that is open, in the middle of a study.
"""

import time
from typing import Any

from pynetdicom.timer import Timer


class MonotonicTimer(Timer):
    """pynetdicom's timer (PS3.8 9.1.5), that no change of the wall clock ends or holds."""

    _start_time: float | None
    _end_time: float | None

    def start(self) -> None:
        """Start from now, with the whole timeout before it."""
        self._start_time = time.monotonic()
        self._end_time = None

    def stop(self) -> None:
        """Stop; it stays expired if it was."""
        self._end_time = time.monotonic()

    @property
    def remaining(self) -> float:
        """Seconds until it expires: below 0 after that, 1 where it never does."""
        timeout: float | None = self.timeout
        if timeout is None:
            return 1.0
        if self._start_time is None:
            return timeout
        end = time.monotonic() if self._end_time is None else self._end_time
        return timeout - (end - self._start_time)


def set_timers(upper_layer: Any) -> None:
    """Give an upper layer (`DULServiceProvider`) that runs, or is yet to, such timers in place of its own."""
    idle, artim = MonotonicTimer(upper_layer._idle_timer.timeout), MonotonicTimer(upper_layer.artim_timer.timeout)  # noqa: SLF001 - see `dicom_node.receiving.pynetdicom_seam`
    idle.start()
    upper_layer._idle_timer, upper_layer.artim_timer = idle, artim  # noqa: SLF001
