"""Waiting for a ledger that is away."""

import pytest

from worker.errors import LeaseLost, LedgerAway
from worker.outlasting import outlasting


def test_it_goes_on_until_the_ledger_takes_it() -> None:
    """Two refusals are outlasted, each with a pause, and the answer comes back."""
    pauses: list[float] = []

    def action() -> str:
        if len(pauses) < 2:
            raise LedgerAway("away")
        return "recorded"

    assert outlasting(action, sleep=pauses.append) == "recorded"
    assert len(pauses) == 2


def test_other_errors_come_through() -> None:
    """A lost lease is no reason to wait."""

    def action() -> None:
        raise LeaseLost("another worker has it")

    with pytest.raises(LeaseLost):
        outlasting(action)
