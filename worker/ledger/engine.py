"""Connections to the ledger's database: SQLite in a file by default, PostgreSQL where several machines share it."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from worker.errors import LedgerAway, LedgerBroken, LedgerRefused, LedgerUnusable
from worker.settings import LEDGER_SCHEMES

#: What tells in SQL whether bytes are a text; on SQLite.
WELL_FORMED = "well_formed"
#: Between two attempts at a file that another process writes to.
_AGAIN_S = 0.02
#: What of the write-ahead log is kept on the disk: while somebody reads for hours it grows, and SQLite keeps it so.
_LOG_BYTES = 16 << 20
_CONNECT_WITHIN_S = 5
#: A statement of ours takes milliseconds; who waits less for locks (`busy_s`) waits less for the rest too, but never
#: less than this.
_LEAST_STATEMENT_S = 10
_IDLE_WITHIN_S = 30
#: A server whose machine or cable is gone is noticed after about so long, though nothing says so.
_SILENCE_S = 15
#: PostgreSQL's: undefined_table, undefined_column; data_corrupted, index_corrupted.
_UNDEFINED = frozenset({"42P01", "42703"})
_CORRUPTED = frozenset({"XX001", "XX002"})
_READ_ONLY = (
    "Its server takes no writes: it is a standby, or was set to read only. `ledger.url` must name the one that is "
    "written to"
)
_NOT_OURS = "The ledger's file or its folder cannot be written: give both to the user that wetread runs as"
_IS_STANDBY = text("SELECT pg_is_in_recovery()")
#: What mends it, by PostgreSQL's code or SQLite's result code.
_REMEDIES: dict[object, str] = {
    "25006": _READ_ONLY,
    "53100": "The disk of its server is full: make room there",
    "53300": "Its server takes no more connections: raise `max_connections`, or see who has them (pg_stat_activity)",
    "42501": "Its user lacks rights: let it own the database (ALTER DATABASE ... OWNER TO ...)",
    sqlite3.SQLITE_FULL: "The disk of the data directory is full: make room there",
    sqlite3.SQLITE_READONLY: _NOT_OURS,
    sqlite3.SQLITE_CANTOPEN: _NOT_OURS,
}


def make_engine(url: str, *, busy_s: float, password_file: Path | None = None) -> Engine:
    """Return what makes connections to the ledger at a SQLAlchemy URL. Nothing is connected yet.

    Raises LedgerUnusable; its message never holds the URL, which may hold a password.

    Args:
        url: ``sqlite:///…`` or ``postgresql://…``; what stands behind ``?`` goes to libpq and counts before ours.
        busy_s: How long to wait for what another transaction has locked.
        password_file: Holds PostgreSQL's password; read for each connection, so that it may be changed at any time.
    """
    try:
        where = make_url(url)
    except (ArgumentError, ValueError):
        raise LedgerUnusable(
            "`ledger.url` is no URL; write sqlite:///PATH or postgresql://USER@HOST:PORT/DATABASE, the password best "
            "in `ledger.password_file` (inside a URL its characters @ : / ? # must be %-encoded)"
        ) from None
    if where.drivername not in LEDGER_SCHEMES:
        raise LedgerUnusable(f"`ledger.url` begins with {where.drivername}://; allowed are {', '.join(LEDGER_SCHEMES)}")
    if where.drivername == "sqlite":
        engine = create_engine(where, json_serializer=_as_json)
        _make_durable(engine, busy_s)
        return engine
    return _postgresql(where, busy_s, password_file)


@contextmanager
def translated() -> Iterator[None]:
    """Raise LedgerAway for whatever a database says when it cannot be asked now."""
    try:
        yield
    except DataError as error:
        # Its words would quote the value.
        raise LedgerRefused(
            f"the ledger's database refuses a value ({type(error.orig).__name__}): a defect of wetread; please report "
            "it"
        ) from None
    except DBAPIError as error:
        if what := _damage(error.orig):
            raise LedgerBroken(what) from error
        raise LedgerAway(
            f"the ledger's database answered: {type(error.orig).__name__}: {' '.join(str(error.orig).split())}. "
            f"{_remedy(error.orig)} Nothing is lost: parts that run try again"
        ) from error
    except NoConnectionFree as error:
        raise LedgerAway(
            "every connection of this process to the ledger's database is busy. Does the server hang? It is tried again"
        ) from error


def _damage(error: object) -> str:
    """Say what is broken where a database says so; empty where it may only be away."""
    # SQLite's primary result code is in the lower byte.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_CORRUPT:
        return "the ledger's file is malformed"
    if code == sqlite3.SQLITE_NOTADB:
        return "the ledger's file is no database"
    if getattr(error, "sqlstate", None) in _CORRUPTED:
        return "the ledger's server says that its data are corrupted"
    lacks = getattr(error, "sqlstate", None) in _UNDEFINED or str(error).startswith(("no such table", "no such column"))
    return "the ledger lacks a table or column" if lacks else ""


def _remedy(error: object) -> str:
    # SQLite's primary result code is in the lower byte.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    state = getattr(error, "sqlstate", None)
    if state == "0A000" and "recovery" in str(error):
        state = "25006"  # so says a standby to a connection that has read before
    for known in (state, code):
        if known in _REMEDIES:
            return f"{_REMEDIES[known]}."
    return "Is the disk full, the server down, or the file locked by another program?"


def require_writes(connection: Connection) -> None:
    """Raise LedgerAway where a PostgreSQL answers and is a standby; all else is said where it is written to."""
    if connection.dialect.name == "postgresql" and connection.scalar(_IS_STANDBY):
        raise LedgerAway(f"the ledger's database answers. {_READ_ONLY}. Nothing is lost: parts that run try again")


def _as_json(value: Any) -> str:
    """Write JSON that every database takes: headers may hold numbers that are none, which PostgreSQL refuses."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(json.loads(json.dumps(value), parse_constant=str))


def _postgresql(where: URL, busy_s: float, password_file: Path | None) -> Engine:
    statement_s = max(_LEAST_STATEMENT_S, round(busy_s))
    defaults = {
        "application_name": "wetread",
        "connect_timeout": _CONNECT_WITHIN_S,
        # Both ends notice one that vanished: we, so that the node goes on receiving into its backlog; the server, so
        # that a worker that lost its power does not keep its locks.
        "keepalives": 1,
        "keepalives_idle": _SILENCE_S // 3,
        "keepalives_interval": _SILENCE_S // 3,
        "keepalives_count": 2,
        "tcp_user_timeout": _SILENCE_S * 1000,
        "options": _server_options(
            lock_timeout=f"{round(busy_s * 1000)}ms",
            statement_timeout=f"{statement_s}s",
            # A process that is stopped in the middle of a transaction, by SIGSTOP or a debugger, holds up nobody.
            idle_in_transaction_session_timeout=f"{_IDLE_WITHIN_S}s",
            tcp_keepalives_idle=_SILENCE_S // 3,
            tcp_keepalives_interval=_SILENCE_S // 3,
            tcp_keepalives_count=2,
            tcp_user_timeout=f"{_SILENCE_S}s",
        ),
    }
    try:
        from worker.ledger.postgresql_connection import BoundedConnection  # noqa: PLC0415  # psycopg is an extra

        engine = create_engine(
            where.set(drivername="postgresql+psycopg"),
            connect_args={key: value for key, value in defaults.items() if key not in where.query},
            # Decisions rest on rows that are locked while they are made, not on snapshots (`worker.ledger.database`).
            isolation_level="READ COMMITTED",
            # A server that was started again is met by a new connection, not by an error a connection in the pool.
            pool_pre_ping=True,
            pool_timeout=_CONNECT_WITHIN_S,
            json_serializer=_as_json,
            # Values are UIDs and reasons, no patient's; still, nobody needs them in a message.
            hide_parameters=True,
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise LedgerUnusable(
            "`ledger.url` names PostgreSQL, whose driver is not installed: pip install 'wetread[postgres]'"
        ) from error

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
        if password_file is not None:
            parameters["password"] = _password(password_file)
        connection = BoundedConnection.connect(*arguments, **parameters)
        # After the server had its chance to end the statement and say so.
        connection.answer_within_s = statement_s + _CONNECT_WITHIN_S
        return connection

    return engine


def _server_options(**values: object) -> str:
    return " ".join(f"-c {name}={value}" for name, value in values.items())


def _password(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no text"
        raise LedgerAway(f"`ledger.password_file`: {file} cannot be read ({cause})") from None


def _write_ahead(connection: sqlite3.Connection, busy_s: float) -> None:
    """Have a write-ahead log; where another process writes to a file that has none yet, SQLite itself does not wait."""
    until = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


def _as_text(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")


def _is_well_formed(stored: bytes | None) -> bool:
    return stored is None or _as_text(stored).encode() == stored


def _make_durable(engine: Engine, busy_s: float) -> None:
    """Set SQLite up so that a commit survives a power cut and writers wait for each other."""

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: it would begin them without the write lock.
        connection.isolation_level = None
        # A bit that its disk has turned in one text must not make everything look as if the ledger were away.
        connection.text_factory = _as_text
        connection.create_function(WELL_FORMED, 1, _is_well_formed, deterministic=True)
        connection.execute(f"PRAGMA busy_timeout = {round(busy_s * 1000)}")
        _write_ahead(connection, busy_s)
        for pragma in ("synchronous = FULL", "foreign_keys = ON", f"journal_size_limit = {_LOG_BYTES}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        # A deferred transaction that reads first and writes later fails with "database is locked" at once, whatever
        # the busy timeout, when another has written in between.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
