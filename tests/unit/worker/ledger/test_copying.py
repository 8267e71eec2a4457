"""A ledger goes to another database whole, and work goes on there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from benchmarks.ledger_cost import one_study
from worker.errors import LedgerUnusable
from worker.jobs.job import JobState
from worker.ledger.copying import copy_ledger
from worker.ledger.ledger import Ledger
from worker.ledger.tables import Base


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger on SQLite that five studies have been through."""
    ledger = Ledger.open(f"sqlite:///{tmp_path}/lite.sqlite3")
    for number in range(5):
        one_study(ledger, number)
    yield ledger
    ledger.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger on SQLite without a row."""
    ledger = Ledger.open(f"sqlite:///{tmp_path}/empty.sqlite3")
    yield ledger
    ledger.close()


@pytest.fixture
def postgres(postgresql_url: str) -> Iterator[Ledger]:
    """A ledger on PostgreSQL without a row."""
    ledger = Ledger.open(postgresql_url)
    yield ledger
    ledger.close()


def rows(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a ledger says, by table."""
    with ledger.reading() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))]
            for table in Base.metadata.sorted_tables
        }


def test_every_row_arrives_on_postgresql_and_comes_back(lite: Ledger, postgres: Ledger, empty: Ledger) -> None:
    """With its id, its times and its types."""
    before, told = rows(lite), list[tuple[str, int]]()
    count = copy_ledger(lite, postgres, say=lambda table, number: told.append((table, number)))
    assert rows(postgres) == before == rows(lite)
    assert count == sum(number for _, number in told) == sum(len(found) for found in before.values())
    assert dict(told)["job"] == 15
    copy_ledger(postgres, empty, say=lambda _table, _number: None)
    assert rows(empty) == before


def test_work_goes_on_behind_what_was_copied(lite: Ledger, postgres: Ledger) -> None:
    """New rows are numbered behind the old ones, and the copied ones are found."""
    copy_ledger(lite, postgres, say=lambda _table, _number: None)
    last = max(job.id for job in postgres.jobs())
    one_study(postgres, 6)
    assert min(job.id for job in postgres.jobs() if job.id > last) == last + 1
    assert postgres.overview().jobs[JobState.READ] == 6
    assert postgres.orphans() == []


def test_a_ledger_with_rows_is_not_copied_into(lite: Ledger, empty: Ledger) -> None:
    """Two ledgers in one would have each other's ids."""
    one_study(empty, 9)
    before = rows(empty)
    with pytest.raises(LedgerUnusable, match="name an empty database"):
        copy_ledger(lite, empty, say=lambda _table, _number: None)
    assert rows(empty) == before
