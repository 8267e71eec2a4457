"""What a deliverer, a worker and the reconciler ask every few seconds costs the same however much there ever was."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from worker.ledger.ledger import Ledger
from worker.ledger.tables import Base, Model
from worker.ledger.unread import UNREAD

LOOKS: list[Callable[[Ledger], object]] = [
    lambda ledger: ledger.claim_commitment("pacs", timeout_s=60, give_up_after_s=60),
    lambda ledger: ledger.next_withdrawal("pacs"),
    lambda ledger: ledger.next_unread(["cpu"], UNREAD),
]


@pytest.mark.parametrize("look", LOOKS, ids=["commitment", "withdrawal", "unread"])
def test_it_begins_with_the_few_that_wait(ledger: Ledger, ledger_url: str, look: Callable[[Ledger], object]) -> None:
    """Not with all deliveries, nor with all that a destination has accepted."""
    assert "rowid=?" in steps(ledger, ledger_url, look)[0]


def test_what_was_skipped_long_ago_is_not_looked_at(ledger: Ledger, ledger_url: str) -> None:
    """Nor by the reconciler, on SQLite with the write lock."""
    found = steps(ledger, ledger_url, lambda ledger: ledger.requeue_unread(UNREAD, silent_s=15))
    assert any("job_by_age (state=? AND queued_at>?)" in step for step in found)


def test_a_folder_is_found_by_an_index(ledger: Ledger, ledger_url: str) -> None:
    """At its start the node asks for each that the spool has."""
    found = steps(ledger, ledger_url, lambda ledger: ledger.recorded_files("a folder"))
    assert any("study_by_folder (folder=?)" in step for step in found)


def test_a_study_is_forgotten_without_a_look_at_all_others() -> None:
    """Where a row is removed the database itself looks for those that point to it; models are never removed."""
    for table in Base.metadata.sorted_tables:
        led_to = {next(iter(index.columns)).name for index in (*table.indexes, table.primary_key)}
        pointing = {key.parent.name for key in table.foreign_keys if key.column.table is not Model.__table__}
        assert pointing <= led_to, table.name


def steps(ledger: Ledger, ledger_url: str, look: Callable[[Ledger], object]) -> list[str]:
    """Return how the database finds what the last query of a look asks for."""
    if not ledger_url.startswith("sqlite"):
        pytest.skip("PostgreSQL plans by what it has counted")
    asked: list[tuple[str, Any]] = []
    event.listen(ledger._engine, "before_cursor_execute", lambda _c, _k, sql, given, *_: asked.append((sql, given)))
    look(ledger)
    query, given = [(sql, values) for sql, values in asked if sql.startswith("SELECT")][-1]
    with ledger.reading() as session:
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given).all()
    return [step[3] for step in plan]


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
