"""What the migrations make is what the code expects."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import StaticPool

from worker.ledger_database import MIGRATIONS, latest_version, migrate
from worker.tables import Base


def test_the_migrations_make_the_tables() -> None:
    """Every table, column and index of `tables` is there after the last migration, and nothing else."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
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
