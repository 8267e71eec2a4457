"""The version of a ledger's tables: one behind ours is brought up to it, one ahead is worked with if it says so.

Where machines are updated one after the other, the first new one migrates the ledger under the old ones' hands. So
migrations add: tables, and columns that the version before need not fill. One that does more writes into
`worker.ledger.tables.Compatibility` which versions can no longer work with what it leaves.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy.orm import Session

from worker.errors import LedgerUnusable

_log = structlog.get_logger()

#: Where Alembic finds them.
MIGRATIONS = Path(__file__).parent / "migrations"
#: Any number, but the same in all versions of wetread.
_MIGRATING = 7_738_253_401


def migrate(engine: Engine, to: str | None = None) -> None:
    """Run the migrations that this database has not seen, all or none, up to a version, by default the latest.

    Raises LedgerUnusable.
    """
    wanted = to or latest_version()
    version = _version_of(engine)
    if version == wanted:
        return
    if version is not None and version not in known_versions():
        _require_compatible(engine, version)
        return
    # Imported here: it is a tenth of the time that a daemon needs to start, and seldom needed.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    # One transaction under a lock (SQLite's write lock): two processes that start together do not both migrate.
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            _migrate_alone(connection)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, wanted)
        except CommandError as error:
            raise LedgerUnusable(
                f"the ledger's tables cannot be brought up to date ({error}): has another version of wetread just done "
                "it? Start again"
            ) from error


@cache
def latest_version() -> str:
    """Return the version to which the migrations lead: the one that no other follows."""
    (latest,) = known_versions() - set(_named("down_revision"))
    return latest


@cache
def known_versions() -> frozenset[str]:
    """Return every version that there is a migration to."""
    return frozenset(_named("revision"))


def is_ahead(session: Session) -> bool:
    """Tell whether a later wetread has migrated the ledger: what this one does not know may be that one's.

    So whatever brings a new state brings a migration too.
    """
    return session.scalar(text("select version_num from alembic_version")) not in known_versions()


def _named(variable: str) -> Iterator[str]:
    for file in (MIGRATIONS / "versions").glob("*.py"):
        yield from re.findall(rf'^{variable}\b.*= "(\w+)"$', file.read_text(encoding="utf-8"), re.MULTILINE)


def _version_of(engine: Engine) -> str | None:
    """Return the version of a database; none where no migration has run."""
    with engine.connect().execution_options(read_only=True) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.scalar(text("select version_num from alembic_version"))
        return version


def _require_compatible(engine: Engine, version: str) -> None:
    with engine.connect().execution_options(read_only=True) as connection:
        there = inspect(connection).has_table("compatibility")
        oldest = connection.scalar(text("select oldest_version from compatibility")) if there else None
    ours = latest_version()
    if oldest is None or oldest > ours:
        raise LedgerUnusable(
            f"the ledger's tables are those of a newer wetread ({version}; this one knows {ours}), and it has changed "
            "what this one needs: run the newer one here too, or put a backup of the ledger back"
        )
    _log.warning(
        "ledger is ahead", tables=version, known=ours, remedy="update wetread here too; until then both work with it"
    )


def _migrate_alone(connection: Connection) -> None:
    # As long as it takes: for others that migrate just now, for tables that are in use, and to change large ones.
    for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {name} = 0")
    connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
