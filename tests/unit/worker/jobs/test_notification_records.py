"""What the ledger keeps of a critical finding is read back, also where another release has written it."""

import pytest

from models.interpreting.critical_reason import CriticalReason
from tests.readings import PNEUMONIA
from worker.errors import LedgerDamaged
from worker.jobs.notification_records import for_ledger, from_ledger

REASON = CriticalReason(
    kind="certainty", name="Pneumonia", concept=PNEUMONIA, value=91.0, unit="%", at_least=80.0, answer=PNEUMONIA
)


def test_what_is_kept_is_read_back() -> None:
    """All of it."""
    assert from_ledger(for_ledger([REASON])) == (REASON,)


def test_what_a_later_release_says_besides_keeps_nobody_from_hearing_the_rest() -> None:
    """Where machines are updated one after the other, either may tell what the other has found."""
    (kept,) = for_ledger([REASON])
    later = {**kept, "side": "left", "concept": {**kept["concept"], "version": "2027"}}
    assert from_ledger([later]) == (REASON,)


@pytest.mark.parametrize("harmed", [{"concept": "none"}, {"concept": {}}, {"name": "no concept"}, "none"])
def test_what_is_no_reason_is_told(harmed: object) -> None:
    """Nothing is made up."""
    with pytest.raises(LedgerDamaged, match="a reason of a critical finding that is none"):
        from_ledger([harmed])  # type: ignore[list-item]
