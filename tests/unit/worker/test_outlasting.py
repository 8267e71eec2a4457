"""Waiting for a ledger that is away."""

import pytest

from worker.errors import LeaseLost, LedgerAway, LedgerRefused
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


@pytest.mark.parametrize("error", [LeaseLost, LedgerRefused])
def test_other_errors_come_through(error: type[Exception]) -> None:
    """A lost lease is no reason to wait, and a value that is refused will be refused again."""

    def action() -> None:
        raise error("no")

    with pytest.raises(error):
        outlasting(action)
