"""An association's timer goes by the clock that does not jump."""

import time

import pytest

from dicom_node.monotonic_timer import MonotonicTimer


class Clocks:
    """The wall clock and the monotonic one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of the real ones."""
        self.wall, self.monotonic = 1_000_000.0, 50.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.monotonic)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Clocks that a test sets."""
    return Clocks(monkeypatch)


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_the_wall_clock_neither_ends_nor_holds_it(clocks: Clocks, jump_s: float) -> None:
    """Set forward it does not expire; set back it still does."""
    timer = MonotonicTimer(60)
    timer.start()
    clocks.wall += jump_s
    clocks.monotonic += 59
    assert (timer.expired, timer.remaining) == (False, 1)
    clocks.monotonic += 2
    assert (timer.expired, timer.remaining) == (True, -1)


def test_it_is_otherwise_pynetdicom_s(clocks: Clocks) -> None:
    """Not started, stopped, started again, and without a timeout."""
    timer = MonotonicTimer(60)
    assert (timer.expired, timer.remaining) == (False, 60)
    timer.start()
    clocks.monotonic += 10
    timer.stop()
    clocks.monotonic += 100
    assert (timer.expired, timer.remaining) == (False, 50)
    timer.restart()
    assert timer.remaining == 60
    timer.timeout = None
    clocks.monotonic += 1000
    assert (timer.expired, timer.remaining) == (False, 1)
