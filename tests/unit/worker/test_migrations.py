"""What the migrations make is what the code expects."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from worker.ledger_database import migrate
from worker.tables import Base


def test_the_migrations_make_the_tables() -> None:
    """Every table, column and index of `tables` is there after the last migration, and nothing else."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()
