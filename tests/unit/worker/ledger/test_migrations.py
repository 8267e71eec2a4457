"""What the migrations make is what the code expects."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import StaticPool

from worker.errors import LedgerUnusable
from worker.jobs.job import Priority
from worker.jobs.turn import rank_s
from worker.ledger.engine import make_engine
from worker.ledger.ledger import Ledger
from worker.ledger.tables import UNRANKED_S, Base
from worker.ledger.versions import MIGRATIONS, latest_version, migrate


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


def test_what_was_refused_before_is_known_to_be_nowhere() -> None:
    """Of all other attempts before, nobody has noted whether anything was sent."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine, to="0013")
    ways = [
        ("refused", None, 3),  # no such SOP class there
        ("waived", 0xA900, 3),
        ("waived", 0x0111, 0),  # it has it already
        ("replaced", None, 0),
        ("abandoned", None, 0),
        ("accepted", 0, 0),
    ]
    with engine.begin() as connection:
        connection.execute(text("PRAGMA foreign_keys = OFF"))
        insert = (
            "INSERT INTO delivery (id, result_object_id, destination, state, attempts, fence, clock, lease_until_s, "
            "not_before_s, status, reason, created_at, updated_at) VALUES (:id, :id, 'pacs', :state, 3, 3, '', 0, 0, "
            ":status, '', '2026-03-01 12:00:00.000000', '2026-03-01 12:00:00.000000')"
        )
        rows = [{"id": number, "state": state, "status": status} for number, (state, status, _) in enumerate(ways)]
        connection.execute(text(insert), rows)
    migrate(engine)
    with engine.begin() as connection:
        in_vain = connection.scalars(text("SELECT in_vain FROM delivery ORDER BY id")).all()
    assert in_vain == [expected for *_, expected in ways]
    engine.dispose()


def test_jobs_of_before_get_their_rank_and_their_turn() -> None:
    """What was queued before there were priorities and turns stands where it would stand now, its sender in line.

    What a node of the version before still queues comes last of its sender, and is in line where its queue is known.
    """
    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine, to="0003")
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
