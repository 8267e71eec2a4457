"""What the migrations make is what the code expects."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from worker.errors import LedgerUnusable
from worker.ledger import Ledger
from worker.ledger_engine import make_engine
from worker.ledger_versions import MIGRATIONS, latest_version, migrate
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


@pytest.mark.parametrize(("oldest", "works"), [("0001", True), (latest_version(), True), ("9998", False)])
def test_tables_of_a_newer_version(empty_url: str, oldest: str, works: bool) -> None:  # noqa: FBT001
    """A wetread that is older than its ledger works with it if the ledger says that it can, and changes no table."""
    Ledger.open(empty_url).close()
    engine = make_engine(empty_url, busy_s=5)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("UPDATE compatibility SET oldest_version = :oldest"), {"oldest": oldest})
    if works:
        Ledger.open(empty_url).close()
    else:
        with pytest.raises(LedgerUnusable, match="newer"):
            Ledger.open(empty_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    engine.dispose()


def test_the_latest_version_is_known_without_alembic() -> None:
    """It is what Alembic calls the head, so a ledger that is up to date is opened without Alembic."""
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [latest_version()]


def test_a_ledger_that_is_behind_is_migrated(tmp_path: Path) -> None:
    """One of the first version gets the tables that came later; opened again it stays as it is."""
    engine = create_engine(f"sqlite:///{tmp_path}/ledger.sqlite3")
    migrate(engine, to="0001")
    assert not inspect(engine).has_table("job_patient")
    for _ in range(2):
        migrate(engine)
        assert inspect(engine).has_table("job_patient")
    engine.dispose()
