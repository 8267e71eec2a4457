"""Connections to a ledger: lost and found again, bounded in time, and silent about passwords."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg.errors import FeatureNotSupported
from sqlalchemy import create_engine, text
from sqlalchemy.exc import NotSupportedError

from tests.postgresql_server import PostgresqlServer
from tests.unit.worker.conftest import assembled, planned
from worker.errors import LedgerAway, LedgerBroken, LedgerUnusable
from worker.ledger import engine
from worker.ledger.database import LOCK
from worker.ledger.engine import make_engine, translated
from worker.ledger.ledger import Ledger
from worker.ledger.postgresql_connection import BoundedConnection
from worker.ledger.tables import Job


def test_a_file_that_is_no_ledger_any_more_is_told(tmp_path: Path) -> None:
    """Waiting helps against neither of these, so the error does not say that it is tried again."""
    other = tmp_path / "other.sqlite3"
    other.write_text("somebody's notes, longer than SQLite's header is" * 10)
    with pytest.raises(LedgerBroken, match="no database"):
        Ledger.open(f"sqlite:///{other}")
    torn = tmp_path / "torn.sqlite3"
    Ledger.open(f"sqlite:///{torn}").close()
    torn.write_bytes(torn.read_bytes()[:100] + b"\xff" * (torn.stat().st_size - 100))
    with pytest.raises(LedgerBroken, match="malformed") as damaged:
        Ledger.open(f"sqlite:///{torn}")
    assert "put a backup back" in str(damaged.value)
    assert "tried again" not in str(damaged.value)


def test_a_file_without_a_write_ahead_log_is_waited_for(tmp_path: Path) -> None:
    """A backup that was put back has none, and somebody may be writing to it; SQLite says at once that it is locked."""
    file = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as somebody:
        somebody.execute("CREATE TABLE note (text)")
        somebody.execute("BEGIN IMMEDIATE")
        end = threading.Timer(0.5, somebody.execute, ["COMMIT"])
        end.start()
        Ledger.open(f"sqlite:///{file}").close()
        end.join()


def test_a_log_that_has_grown_gives_its_disk_back(tmp_path: Path) -> None:
    """As it does while a shell that somebody has forgotten reads from the ledger."""
    file = tmp_path / "ledger.sqlite3"
    ledger = Ledger.open(f"sqlite:///{file}")
    for size in (32 << 20, 1):
        with ledger.writing() as session:
            session.execute(text(f"CREATE TABLE big_{size} AS SELECT zeroblob({size}) AS held"))
    assert Path(f"{file}-wal").stat().st_size <= 16 << 20
    ledger.close()


def test_a_table_that_is_gone_is_told(postgresql_url: str, tmp_path: Path) -> None:
    """On either database somebody has removed it, or put a part of a backup back."""
    for url in (postgresql_url, f"sqlite:///{tmp_path}/ledger.sqlite3"):
        ledger = Ledger.open(url)
        with ledger.writing() as session:
            session.execute(text("ALTER TABLE commitment RENAME TO gone"))
        with pytest.raises(LedgerBroken, match="lacks a table"):
            ledger.claim_commitment("pacs", timeout_s=1, give_up_after_s=1)
        with ledger.writing() as session:
            session.execute(text("ALTER TABLE gone RENAME TO commitment"))
        ledger.close()


def test_a_file_that_cannot_be_written_is_told_as_such(tmp_path: Path) -> None:
    """Nobody looks for a full disk where another user's file, or a read-only disk, is in the way."""
    Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite3").close()
    readers = create_engine(f"sqlite:///file:{tmp_path}/ledger.sqlite3?mode=ro&uri=true")
    with readers.connect() as connection, pytest.raises(LedgerAway, match="give both to the user"), translated():
        connection.execute(text("DELETE FROM job"))
    readers.dispose()


@pytest.fixture
def here(postgresql_url: str) -> Iterator[Ledger]:
    """A ledger on PostgreSQL with its own clock."""
    opened = Ledger.open(postgresql_url, busy_s=0.2)
    yield opened
    opened.close()


def test_a_server_that_comes_back_is_met_again(postgresql: PostgresqlServer, here: Ledger) -> None:
    """While it is away every question is LedgerAway, without the password; then the same ledger goes on."""
    here.close_revision(assembled(), {}, [planned()])
    postgresql.stop()
    try:
        for ask in (here.jobs, here.clock.read, lambda: here.claim(["cpu"], worker="w", lease_s=60)):
            with pytest.raises(LedgerAway) as away:
                ask()
            assert postgresql.password not in str(away.value)
    finally:
        postgresql.start()
    claim = here.claim(["cpu"], worker="w", lease_s=60)
    assert claim is not None
    here.renew(claim, lease_s=60)


def test_a_server_that_hangs_is_away(
    postgresql: PostgresqlServer, here: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine confirms what it gets, and it answers nothing: that ends in time, and it is met again afterwards."""
    # What a connection of the pool has: fifteen seconds in the node, here one.
    monkeypatch.setattr(BoundedConnection, "answer_within_s", property(lambda _one: 1.0, lambda _one, _s: None))
    here.ping()
    with postgresql.hanging(), pytest.raises(LedgerAway, match=r"no answer within 1 s|timeout"):
        here.ping()
    here.ping()


def test_a_connection_that_is_cut_in_a_transaction_is_told(here: Ledger) -> None:
    """What was written is not there afterwards, and the next transaction has a new connection."""

    def cut() -> None:
        with here.writing() as session:
            session.execute(text("DELETE FROM alembic_version"))
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(LedgerAway):
        cut()
    with here.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM alembic_version")) == 1


def test_nobody_waits_for_a_lock_for_ever(postgresql_url: str, here: Ledger) -> None:
    """A row that another transaction keeps is LedgerAway after `busy_s`."""
    here.close_revision(assembled(), {}, [planned()])
    other = Ledger.open(postgresql_url)
    with other.writing() as session:
        session.get_one(Job, here.jobs()[0].id, with_for_update=LOCK)
        assert here.claim(["cpu"], worker="w", lease_s=60) is None  # it is passed over
        with pytest.raises(LedgerAway, match="lock timeout"):
            here.cancel(here.jobs()[0].id)
    other.close()


def test_the_clock_is_the_databases(here: Ledger) -> None:
    """Leases go by the server's clock, and it runs on inside of nobody's transaction."""
    first = here.clock.read()
    with here.reading() as session:
        began = float(session.scalar(text("SELECT CAST(extract(epoch FROM now()) AS double precision)")) or 0)
    second = here.clock.read()
    assert (first.mark, second.mark) == ("postgresql", "postgresql")
    assert first.seconds <= began <= second.seconds


def test_readers_see_one_state(postgresql_url: str, here: Ledger) -> None:
    """What is written between two questions of one reader is not seen by the second, and a reader cannot write."""
    other = Ledger.open(postgresql_url)
    with here.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM job")) == 0
        other.close_revision(assembled(), {}, [planned()])
        assert session.scalar(text("SELECT count(*) FROM job")) == 0
    with pytest.raises(LedgerAway, match="read-only"), here.reading() as session:
        session.execute(text("DELETE FROM job"))
    other.close()


def test_a_server_that_takes_no_writes_is_told_as_such(
    postgresql_url: str, here: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers, and no job could be claimed: a standby is not ready, one that was set to read only says so."""
    here.close_revision(assembled(), {}, [planned()])
    readers = Ledger.open(f"{postgresql_url}?options=-c%20default_transaction_read_only%3Don")
    with pytest.raises(LedgerAway, match=r"read-only transaction\. Its server takes no writes"):
        readers.claim(["cpu"], worker="w", lease_s=60)
    readers.close()
    refusal = FeatureNotSupported("cannot set transaction read-write mode during recovery")
    with pytest.raises(LedgerAway, match="takes no writes: it is a standby"), translated():
        raise NotSupportedError("BEGIN READ WRITE", {}, refusal)
    here.ping()
    monkeypatch.setattr(engine, "_IS_STANDBY", text("SELECT true"))
    with pytest.raises(LedgerAway, match="takes no writes: it is a standby"):
        here.ping()


def test_the_password_comes_from_a_file(postgresql: PostgresqlServer, postgresql_url: str, tmp_path: Path) -> None:
    """It is read at each connection, and a wrong one is told without it."""
    url = postgresql.url(postgresql_url.rpartition("/")[2], password=False)
    secret = tmp_path / "password"
    secret.write_text("wr0ng\n")
    with pytest.raises(LedgerAway, match="password authentication failed") as away:
        Ledger.open(url, password_file=secret)
    assert "wr0ng" not in str(away.value)
    secret.write_text(f"{postgresql.password}\n")
    Ledger.open(url, password_file=secret).close()
    secret.unlink()
    with pytest.raises(LedgerAway, match="password_file"):
        Ledger.open(url, password_file=secret)


@pytest.mark.parametrize(
    "url",
    ["postgresql//u:s3cret@host/db", "postgresql://u:s3cret@host:s3cret/db", "mysql://u:s3cret@host/db", "s3cret"],
)
def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    """Whatever is wrong with it, the message names the setting and not the URL."""
    with pytest.raises(LedgerUnusable, match=r"ledger\.url") as told:
        make_engine(url, busy_s=1)
    assert "s3cret" not in str(told.value)
    assert told.value.__suppress_context__ or told.value.__context__ is None
