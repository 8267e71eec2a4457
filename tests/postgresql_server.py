"""A real PostgreSQL on a free loopback port, for tests that run the ledger on it, stop it, and start it again."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.optional import missing
from tests.stack import tree
from worker.ledger.ledger import Ledger
from worker.ledger.tables import Base, Compatibility

#: As Debian and as others install it.
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
_TEMPLATE = "migrated"


class PostgresqlServer:
    """Starts and stops one PostgreSQL; what it has committed outlives a stop.

    Attributes:
        port: It listens there, on loopback only.
        password: Of the user `wetread`, who may make databases.
    """

    def __init__(self, free_port: Callable[[], int], *, as_installed: bool = False) -> None:
        """Make its files, in a folder that the user whom it runs as can reach: it refuses to run as root.

        `as_installed` it syncs and vacuums, and has its default memory, as at a site.
        """
        self.password = "s3cret-of-the-tests"  # noqa: S105  # of a server that lives as long as the tests
        self._made = 0
        self._empty: list[str] = []
        self._bin = _binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="wetread-postgresql-"))
        self._as_user = _not_root()
        secret = self._folder / "password"
        secret.write_text(self.password)
        if self._as_user:
            for path in (self._folder, secret):
                shutil.chown(path, "postgres")
        self._run(
            "initdb", "--no-sync", "--username=wetread", "--auth=scram-sha-256", f"--pwfile={secret}",
            "--encoding=UTF8", "--no-locale",
        )  # fmt: skip
        self.port = free_port()  # the files took seconds, in which a port may be taken
        lines = f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
        if not as_installed:
            # What is tested is what the ledger does, not what a disk does: its answers need not wait for one.
            lines += (
                "fsync = off\nfull_page_writes = off\nshared_buffers = 32MB\n"
                "max_wal_size = 128MB\nautovacuum = off\nwal_level = minimal\nmax_wal_senders = 0\n"
            )
        (self._folder / "data" / "postgresql.auto.conf").write_text(lines)

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._run("pg_ctl", "start", "--wait", "--timeout=60", f"--log={self._folder / 'log'}")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `immediate` as a crash would, `fast` in order. Connections are cut."""
        self._run("pg_ctl", "stop", f"--mode={mode}", "--wait")

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it stand still, as on a disk that does not answer: connections stay, and nothing is said over them."""
        main = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        pids = list(tree(main))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and remove its files."""
        self.stop("fast")
        shutil.rmtree(self._folder)

    def url(self, database: str, *, password: bool = True) -> str:
        """Return the SQLAlchemy URL of a database."""
        user = f"wetread:{self.password}" if password else "wetread"
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def make_template(self) -> None:
        """Migrate a database that others are copied from."""
        self._execute("postgres", sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        Ledger.open(self.url(_TEMPLATE)).close()

    def ledger(self) -> str:
        """Return the name of a database with empty tables."""
        return self._empty.pop() if self._empty else self.new_database(_TEMPLATE)

    def new_database(self, template: str = "template0") -> str:
        """Return the name of a new database, a copy of a template; without one there is nothing in it."""
        self._made += 1
        name = f"ledger_{self._made}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._execute("postgres", statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def give_back(self, database: str) -> None:
        """Empty a ledger, whoever is still connected to it, for the next test: twenty times as fast as another one."""
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid()"
        statements = [sql.SQL(others).format(database)]
        statements += [
            sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name))
            for table in reversed(Base.metadata.sorted_tables)
            if table is not Compatibility.__table__  # it is the tables' own, not a study's
        ]
        statements.append(sql.SQL("SELECT setval(seqrelid, 1, false) FROM pg_sequence"))
        self._execute(database, sql.SQL(";").join(statements))
        self._empty.append(database)

    def _execute(self, database: str, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, tool: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._bin / tool), "-D", str(self._folder / "data"), *arguments]
        # pg_ctl leaves a server behind that would keep a pipe open.
        with (self._folder / f"{tool}.out").open("wb") as out:
            done = subprocess.run(command, stdout=out, stderr=out, cwd=self._folder, timeout=120, check=False)
        if done.returncode:
            told = [(self._folder / name) for name in (f"{tool}.out", "log")]
            pytest.fail(f"{tool} failed:\n" + "\n".join(file.read_text() for file in told if file.exists()))


def _binaries() -> Path:
    found = [folder for place in _PLACES for folder in sorted(Path("/").glob(place.removeprefix("/")), reverse=True)]
    binary = next((folder for folder in found if (folder / "initdb").exists()), None)
    return binary or missing("PostgreSQL is not installed: apt-get install postgresql")


def _not_root() -> list[str]:
    """Return what runs a command as a user that PostgreSQL agrees to run as; empty where we are one."""
    if os.geteuid() != 0:
        return []
    runuser = shutil.which("runuser")
    return (
        [runuser, "-u", "postgres", "--"] if runuser else missing("runuser is not installed; PostgreSQL refuses root")
    )


def started(free_port: Callable[[], int]) -> PostgresqlServer:
    """Return a server that takes connections and has the template."""
    server = PostgresqlServer(free_port)
    server.start()
    server.make_template()
    return server
