"""What the migrations make is what the code expects."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from worker.errors import LedgerUnusable
from worker.ledger import Ledger
from worker.ledger_engine import make_engine
from worker.tables import Base


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database in which nothing is yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite3"
    server = request.getfixturevalue("postgresql")
    return str(server.url(server.new_database()))


def test_the_migrations_make_the_tables(empty_url: str) -> None:
    """Processes that start together migrate once; every table, column and index of `tables` is there, nothing else."""
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(Ledger.open, [empty_url] * 4):
            opened.close()
    engine = make_engine(empty_url, busy_s=5)
    with engine.connect() as connection:
        different = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert different == []


def test_tables_of_a_newer_version_are_left_alone(empty_url: str) -> None:
    """A wetread that is older than its ledger says so and changes nothing."""
    Ledger.open(empty_url).close()
    engine = make_engine(empty_url, busy_s=5)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerUnusable, match="newer"):
        Ledger.open(empty_url)
    engine.dispose()
