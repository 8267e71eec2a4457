"""What the migrations make is what the code expects."""

from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import StaticPool

import worker.migrations
from worker.job import Priority
from worker.ledger_database import migrate
from worker.tables import UNRANKED_S, Base
from worker.turn import rank_s


def test_the_migrations_make_the_tables() -> None:
    """Every table, column and index of `tables` is there after the last migration, and nothing else."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_jobs_of_before_get_their_rank_and_their_turn() -> None:
    """What was queued before there were priorities and turns stands where it would stand now, its sender in line.

    What a node of the version before still queues comes last of its sender, and is in line where its queue is known.
    """
    engine = create_engine("sqlite://", poolclass=StaticPool)
    _upgrade(engine, "0003")
    queued_at = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    insert_job = (
        "INSERT INTO job (id, revision_id, model_digest, queue, state, priority, input_key, attempts, fence, "
        "lease_owner, clock, lease_until_s, not_before_s, reason, runtime, inputs_digest, recipe_digest, "
        "identity_confirmed, queued_at) VALUES ({id}, 1, '{id}', 'gpu', '{state}', {priority}, 'k', 0, 0, '', '', 0, "
        "0, '', '', '', '', 0, '2026-03-01 12:30:00.000000')"
    )
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO study VALUES (1, '1.2', 'f', 'CT1', 0, '2026-03-01 12:00:00.000000', "
                "'2026-03-01 12:00:00.000000')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO revision VALUES (1, 1, 1, 'quiet time', 'd', '2026-03-01 12:00:00.000000', "
                "'2026-03-01 12:00:00.000000')"
            )
        )
        connection.execute(text(insert_job.format(id=1, state="queued", priority=2)))
        connection.execute(text(insert_job.format(id=2, state="read", priority=0)))
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text(insert_job.format(id=3, state="queued", priority=2)))
        rows = connection.execute(text("SELECT sender, rank_s FROM job ORDER BY id")).all()
        turns = connection.execute(text("SELECT queue, sender FROM turn ORDER BY sender")).all()
    assert [tuple(row) for row in rows] == [
        ("CT1", rank_s(Priority.ROUTINE, queued_at)),
        ("CT1", rank_s(Priority.STAT, queued_at)),
        ("", UNRANKED_S),
    ]
    assert [tuple(row) for row in turns] == [("gpu", ""), ("gpu", "CT1")]
    engine.dispose()


def _upgrade(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(worker.migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
