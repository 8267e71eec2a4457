"""What stands in a column and is not of its kind: a sentence for the admin, whoever asks, and never the value."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.unit.worker.conftest import assembled, planned
from worker.errors import LedgerDamaged
from worker.ledger import Ledger


@pytest.mark.parametrize(
    ("statement", "ask"),
    [
        ("UPDATE job SET state = 'DOE^JANE'", lambda ledger: ledger.jobs()),
        ("UPDATE job SET priority = 9", lambda ledger: ledger.jobs()),
        ("UPDATE job SET queued_at = 'DOE^JANE'", lambda ledger: ledger.job(1)),
        ("UPDATE event SET detail = '{DOE^JANE'", lambda ledger: ledger.timeline("1.2.3")),
        ("UPDATE event SET detail = '[\"DOE^JANE\"]'", lambda ledger: ledger.timeline("1.2.3")),
        ("UPDATE series SET manifest = 'DOE^JANE'", lambda ledger: ledger.recorded_files("folder-1.2.3")),
    ],
)
def test_what_wetread_never_wrote_is_told(ledger: Ledger, statement: str, ask: Callable[[Ledger], object]) -> None:
    """States, priorities, dates and JSON: the error names the command that says where, and promises nothing."""
    ledger.close_revision(assembled(), {}, [planned()])
    with ledger.writing() as session:
        session.execute(text(statement))
    with pytest.raises(LedgerDamaged, match="`wetread ledger check` says where") as damaged:
        ask(ledger)
    assert "DOE" not in str(damaged.value)
    assert "tried again" not in str(damaged.value)
