"""A lease is renewed for as long as the work lasts, and no longer."""

import threading
from collections.abc import Callable

import pytest

from worker.errors import LeaseLost, LedgerAway
from worker.heartbeat import Heartbeat

LEASE_S = 0.15


class Renewing:
    """Counts how often it was asked, and then does as it was told."""

    def __init__(self, error: Exception | None = None, *, times: int = 3) -> None:
        """Raise this, if anything; `enough` is set after so many times."""
        self.error = error
        self.times = times
        self.asked = 0
        self.enough = threading.Event()

    def __call__(self) -> None:
        """Renew."""
        self.asked += 1
        if self.asked >= self.times:
            self.enough.set()
        if self.error is not None:
            raise self.error


def beats() -> bool:
    """Say whether a heartbeat's thread runs; where none does, nothing is renewed any more."""
    return any(thread.name == "heartbeat-1" for thread in threading.enumerate())


def test_it_renews_while_the_work_lasts() -> None:
    """Again and again, and never once the work is over."""
    renew = Renewing()
    with Heartbeat(renew, LEASE_S, job_id=1):
        assert renew.enough.wait(10)
        assert beats()
    assert not beats()


def test_it_tries_again_while_the_ledger_is_away() -> None:
    """It may be back before the lease is over."""
    renew = Renewing(LedgerAway("away"))
    with Heartbeat(renew, LEASE_S, job_id=1):
        assert renew.enough.wait(10)


def test_it_stops_once_the_lease_is_lost(wait_for: Callable[..., None]) -> None:
    """Somebody else has the work by now."""
    renew = Renewing(LeaseLost("another has it"), times=1)
    with Heartbeat(renew, LEASE_S, job_id=1):
        wait_for(lambda: not beats(), what="its thread is over while the work goes on")
    assert renew.asked == 1


def test_what_goes_wrong_in_the_work_comes_out() -> None:
    """And the lease is not renewed any more."""
    renew = Renewing()
    with pytest.raises(ZeroDivisionError), Heartbeat(renew, LEASE_S, job_id=1):
        raise ZeroDivisionError
    assert not beats()
    assert renew.asked == 0
