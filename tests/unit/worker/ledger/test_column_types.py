"""What stands in a column and is not of its kind: a sentence for the admin, whoever asks, and never the value."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, text

from tests.unit.worker.conftest import assembled, planned
from worker.errors import LedgerDamaged
from worker.ledger.ledger import Ledger
from worker.ledger.tables import Base, Event, Job

#: A column's type is a wish to SQLite, and a law to PostgreSQL.
SQLITE = frozenset(
    {
        "UPDATE job SET queued_at = 'DOE^JANE'",
        "UPDATE event SET detail = '{DOE^JANE'",
        "UPDATE series SET manifest = 'DOE^JANE'",
    }
)


def rows_of(table: type[Base]) -> Callable[[Ledger], object]:
    """Return what reads the rows as they are; what lists them for people shows the damaged ones too."""

    def read(ledger: Ledger) -> object:
        with ledger.reading() as session:
            return session.scalars(select(table)).all()

    return read


@pytest.mark.parametrize(
    ("statement", "ask"),
    [
        ("UPDATE job SET queued_at = 'DOE^JANE'", rows_of(Job)),
        ("UPDATE event SET detail = '{DOE^JANE'", rows_of(Event)),
        ("UPDATE event SET detail = '[\"DOE^JANE\"]'", rows_of(Event)),
        ("UPDATE series SET manifest = 'DOE^JANE'", lambda ledger: ledger.recorded_files("folder-1.2.3")),
    ],
)
def test_what_wetread_never_wrote_is_told(ledger: Ledger, statement: str, ask: Callable[[Ledger], object]) -> None:
    """Dates and JSON: the error names the command that says where, and promises nothing."""
    ledger.close_revision(assembled(), {}, [planned()])
    with ledger.writing() as session:
        if session.get_bind().dialect.name == "postgresql" and statement in SQLITE:
            pytest.skip("PostgreSQL does not take that")
        session.execute(text(statement))
    with pytest.raises(LedgerDamaged, match="`wetread ledger check` says where") as damaged:
        ask(ledger)
    assert "DOE" not in str(damaged.value)
    assert "tried again" not in str(damaged.value)
