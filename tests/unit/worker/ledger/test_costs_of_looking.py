"""What a deliverer asks every second costs the same however much was ever delivered."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from worker.ledger.ledger import Ledger

LOOKS: list[Callable[[Ledger], object]] = [
    lambda ledger: ledger.claim_commitment("pacs", timeout_s=60, give_up_after_s=60),
    lambda ledger: ledger.next_withdrawal("pacs"),
]


@pytest.mark.parametrize("look", LOOKS, ids=["commitment", "withdrawal"])
def test_it_begins_with_the_few_that_wait(ledger: Ledger, ledger_url: str, look: Callable[[Ledger], object]) -> None:
    """Not with all deliveries, nor with all that a destination has accepted."""
    if not ledger_url.startswith("sqlite"):
        pytest.skip("PostgreSQL plans by what it has counted")
    asked: list[tuple[str, Any]] = []
    event.listen(ledger._engine, "before_cursor_execute", lambda _c, _k, sql, given, *_: asked.append((sql, given)))
    look(ledger)
    ((query, given),) = [(sql, values) for sql, values in asked if sql.startswith("SELECT")]
    with ledger.reading() as session:
        outermost = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given).all()[0]
    assert "rowid=?" in outermost[3]


def test_deadlines_that_are_ahead_cost_one_look(ledger: Ledger, queue_job: Callable[..., int]) -> None:
    """The reconciler looks every few seconds, and on SQLite nobody else writes meanwhile."""
    asked: list[str] = []
    event.listen(ledger._engine, "before_cursor_execute", lambda _c, _k, sql, *_: asked.append(sql))

    def statements() -> int:
        asked.clear()
        assert ledger.pass_deadlines() == []
        return len(asked)

    queue_job("1.2.1", deadline_s=120.0)
    alone = statements()
    for number in range(2, 5):
        queue_job(f"1.2.{number}", deadline_s=120.0)
    assert statements() == alone
