"""The database under the ledger: how it is opened, migrated, and what a transaction is.

On SQLite a writing transaction has the one write lock from its first statement. On PostgreSQL writing transactions of
many machines run beside each other, READ COMMITTED, and these rules make their decisions as sure:

- Whatever a decision rests on is locked while it is read (``with_for_update=LOCK``), so that the decision still holds
  when it is written. Locked rows are read as they are by then, not as they were when the transaction began.
- Locks are taken from the whole to its parts: study, jobs (the newest first), then what hangs on a job. So no
  two transactions wait for each other. Where that happens all the same, the database ends one of them, and it is
  tried again.
- Who looks for work passes over what another has locked (``skip_locked``): it is being taken.
- What has no row yet is locked by its name (`lock_name`).

SQLite leaves FOR UPDATE out of its statements.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from worker.ledger.clock import BootClock, DatabaseClock, LedgerClock
from worker.ledger.engine import make_engine, translated
from worker.ledger.tables import Event
from worker.ledger.versions import migrate

_BUSY_S = 30
#: A row that is decided about: FOR NO KEY UPDATE, since keys never change. So an event may be written about a job that
#: another transaction has locked.
LOCK: Any = {"key_share": True}
_POSTGRESQL = "postgresql"


class Database:
    """An open ledger. One a process: open it after a fork, not before."""

    def __init__(self, engine: Engine, clock: LedgerClock) -> None:
        self._engine = engine
        self.clock = clock
        # One state of the ledger through all of a reader's statements; on SQLite every transaction sees just one.
        self._read_only: dict[str, Any] = {"read_only": True}
        if engine.dialect.name == _POSTGRESQL:
            self._read_only |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: LedgerClock | None = None,
        busy_s: float | None = None,
        password_file: Path | None = None,
    ) -> Self:
        """Open the ledger at a SQLAlchemy URL and bring its tables up to date.

        Raises LedgerAway when the database cannot be reached, LedgerUnusable when it is not one for us.

        Args:
            url: Where it is.
            clock: For leases and waits, where it is not the database's own.
            busy_s: How long to wait for what others have locked, once it is open.
            password_file: With PostgreSQL's password.
        """
        engine = make_engine(url, busy_s=_BUSY_S, password_file=password_file)
        with ExitStack() as failed, translated():
            failed.callback(engine.dispose)
            migrate(engine)
            failed.pop_all()
        if busy_s is not None:
            engine.dispose()
            engine = make_engine(url, busy_s=busy_s, password_file=password_file)
        own_clock = DatabaseClock(engine) if engine.dialect.name == _POSTGRESQL else BootClock()
        return cls(engine, clock or own_clock)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield the session of one writing transaction; on SQLite it holds the write lock from its first statement."""
        with translated(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that sees one state of the ledger and does not write."""
        with (
            translated(),
            self._engine.connect().execution_options(**self._read_only) as connection,
            Session(connection, expire_on_commit=False) as session,
        ):
            yield session

    def finds(self, query: Any) -> bool:
        """Tell whether a Select finds anything: who asks often leaves the ledger's write lock to others."""
        with self.reading() as session:
            return session.scalar(query.limit(1)) is not None


def utc_now() -> datetime:
    """Return the wall clock, for people; nothing waits on it."""
    return datetime.now(UTC)


def lock_name(session: Session, name: str) -> None:
    """Let one transaction at a time go on under a name, up to its end: for what has no row that could be locked."""
    if session.get_bind().dialect.name == _POSTGRESQL:
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def write_event(
    session: Session, kind: str, *, study_id: int | None = None, job_id: int | None = None, **detail: Any
) -> None:
    """Add a line to the timeline, in the transaction of the change that it tells."""
    session.add(Event(at=utc_now(), study_id=study_id, job_id=job_id, kind=kind, detail=detail))
