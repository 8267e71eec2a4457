"""The database under the ledger: how it is opened, migrated, and what a transaction is."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from worker.errors import LedgerAway
from worker.ledger_clock import BootClock, LedgerClock
from worker.tables import Event

_BUSY_S = 30
#: Where Alembic finds them.
MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """An open ledger. One a process: open it after a fork, not before."""

    def __init__(self, engine: Engine, clock: LedgerClock) -> None:
        self._engine = engine
        self.clock = clock

    @classmethod
    def open(cls, url: str, *, clock: LedgerClock | None = None, busy_s: float | None = None) -> Self:
        """Open the ledger at a SQLAlchemy URL and bring its tables up to date.

        Raises LedgerAway when the database cannot be reached.

        Args:
            url: Where it is.
            clock: For leases and waits, where it is not the machine's.
            busy_s: How long to wait for a SQLite file that others write, once it is open.
        """
        engine = _engine(url, _BUSY_S)
        with _translated():
            migrate(engine)
        if busy_s is not None:
            engine.dispose()
            engine = _engine(url, busy_s)
        return cls(engine, clock or BootClock())

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield the session of one writing transaction; it holds the write lock from its first statement."""
        with _translated(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that sees one state of the ledger and does not write."""
        with (
            _translated(),
            self._engine.connect().execution_options(read_only=True) as connection,
            Session(connection, expire_on_commit=False) as session,
        ):
            yield session


def utc_now() -> datetime:
    """Return the wall clock, for people; nothing waits on it."""
    return datetime.now(UTC)


def write_event(
    session: Session, kind: str, *, study_id: int | None = None, job_id: int | None = None, **detail: Any
) -> None:
    """Add a line to the timeline, in the transaction of the change that it tells."""
    session.add(Event(at=utc_now(), study_id=study_id, job_id=job_id, kind=kind, detail=detail))


def migrate(engine: Engine, to: str | None = None) -> None:
    """Run the migrations that this database has not seen, up to a version, by default the latest."""
    wanted = to or latest_version()
    if _version_of(engine) == wanted:
        return
    # Imported here: it is a tenth of the time that a daemon needs to start, and seldom needed.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    # One transaction with the write lock: two processes that start together do not both migrate.
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, wanted)


@cache
def latest_version() -> str:
    """Return the version to which the migrations lead: the one that no other follows."""
    files = [file.read_text(encoding="utf-8") for file in (MIGRATIONS / "versions").glob("*.py")]
    (latest,) = set(_named("revision", files)) - set(_named("down_revision", files))
    return latest


def _named(variable: str, files: Sequence[str]) -> Iterator[str]:
    for content in files:
        yield from re.findall(rf'^{variable}\b.*= "(\w+)"$', content, re.MULTILINE)


def _version_of(engine: Engine) -> str | None:
    """Return the version of a database; none where no migration has run."""
    with engine.connect().execution_options(read_only=True) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.scalar(text("select version_num from alembic_version"))
        return version


def _engine(url: str, busy_s: float) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        _make_durable(engine, busy_s)
    return engine


def _make_durable(engine: Engine, busy_s: float) -> None:
    """Set SQLite up so that a commit survives a power cut and writers wait for each other."""

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: it would begin them without the write lock.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {round(busy_s * 1000)}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        # A deferred transaction that reads first and writes later fails with "database is locked" at once, whatever
        # the busy timeout, when another has written in between.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise LedgerAway(
            f"the ledger's database answered: {type(error.orig).__name__}: {error.orig}. Is the disk full, the server "
            "down, or the file locked by another program? Nothing is lost: it is tried again"
        ) from error
