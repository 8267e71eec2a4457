"""What every test may use: the shared data, free ports, waiting for a condition."""

import fcntl
import itertools
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import platformdirs
import pytest
import structlog

from tests.certificates import Authority
from tests.longest_first import rank
from tests.node_process import NodeProcess
from tests.optional import missing
from tests.orthanc_server import OrthancServer
from tests.postgresql_server import PostgresqlServer
from tests.postgresql_server import started as started_postgresql
from tests.redis_server import RedisServer, started
from tests.stack import Stack

# A busy machine makes one example take long, and proves nothing by it.
hypothesis.settings.register_profile("wetread", deadline=None)
hypothesis.settings.load_profile("wetread")

_FIRST_PORT, _PORTS_EACH, _BLOCKS = 20000, 500, 24


def _shared_data_source() -> Path | None:
    named = os.environ.get("WETREAD_TEST_DATA")
    candidates = [Path(named)] if named else [Path(__file__).resolve().parents[2] / "shared" / "data"]
    return next((folder for folder in candidates if (folder / "unpack.sh").is_file()), None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; pytest-xdist hands files out in this order (`make test`)."""
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.fixture(autouse=True)
def _logs_of_one_test() -> Iterator[None]:
    """A command run inside a test logs to that test's stderr, which is closed when the next one runs."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of unpacked real series and weights; unpacked once into a cache outside the repository."""
    source = _shared_data_source()
    if source is None:
        missing("real data is missing: set WETREAD_TEST_DATA to the folder that holds its unpack.sh")
    cache = Path(platformdirs.user_cache_dir("wetread-tests"))
    cache.mkdir(parents=True, exist_ok=True)
    # Tests run in several processes; one unpacks, the others wait for it.
    with (cache / ".unpacking").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["bash", str(source / "unpack.sh"), str(cache)], check=True, capture_output=True)
    return cache


@pytest.fixture(scope="session")
def _port_block() -> Iterator[int]:
    """The first of a block of ports that no other process of tests on this machine has, of another run neither."""
    folder = Path(tempfile.gettempdir()) / f"wetread-test-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(_BLOCKS):
        with (folder / f"{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield _FIRST_PORT + _PORTS_EACH * number
            return
    pytest.fail(f"{_BLOCKS} processes of tests run on this machine already: wait for one to end")


@pytest.fixture(scope="session")
def free_port(_port_block: int) -> Callable[[], int]:
    """Return a function that finds a loopback port nobody listens on.

    Each of the processes that run tests has ports of its own, below those that the kernel gives to outgoing
    connections: what is free here stays free until the server that is started next takes it.
    """
    candidates = itertools.cycle(range(_port_block, _port_block + _PORTS_EACH))

    def find() -> int:
        for port in itertools.islice(candidates, _PORTS_EACH):
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
        pytest.fail(f"no free port from {_port_block} on")

    return find


@pytest.fixture
def wait_for(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return a function that polls a condition until it holds or its deadline (seconds) has passed."""

    def wait(condition: Callable[[], object], *, deadline_s: float = 30.0, what: str = "the condition") -> None:
        end = time.monotonic() + deadline_s
        while not condition():
            if time.monotonic() > end:
                told = request.getfixturevalue("stack").diagnosis() if "stack" in request.fixturenames else ""
                pytest.fail(f"{what} did not hold within {deadline_s:g} s\n{told}")
            time.sleep(0.05)

    return wait


@pytest.fixture
def orthanc(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[OrthancServer]:
    """A running Orthanc with nothing in it."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    server = OrthancServer(folder, dicom_port=free_port(), http_port=free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]) -> Iterator[RedisServer]:
    """A running Redis with nothing in it."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = started(folder, free_port, wait_for)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgresql(free_port: Callable[[], int]) -> Iterator[PostgresqlServer]:
    """A running PostgreSQL, one for all tests of a process; each takes databases of its own."""
    server = started_postgresql(free_port)
    yield server
    server.remove()


@pytest.fixture
def postgresql_url(postgresql: PostgresqlServer) -> Iterator[str]:
    """The URL of an empty ledger on PostgreSQL."""
    database = postgresql.ledger()
    yield postgresql.url(database)
    postgresql.give_back(database)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that issues certificates for one run of the tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def node(tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]) -> Iterator[NodeProcess]:
    """A node as a process of its own, not started yet."""
    process = NodeProcess(tmp_path / "node", broker_port=free_port(), wait_for=wait_for)
    yield process
    process.close()


@pytest.fixture
def stack(
    tmp_path: Path, free_port: Callable[[], int], redis_server: RedisServer, orthanc: OrthancServer
) -> Iterator[Stack]:
    """Node, deliverer and worker as real processes over Redis and Orthanc; nothing is started yet.

    Whatever a test has done to them: in the end everything holds in their ledger that must.
    """
    processes = Stack(
        tmp_path / "wetread", port=free_port(), broker_url=redis_server.url, archive_port=orthanc.dicom_port
    )
    yield processes
    processes.end()
    assert processes.flaws() == []
