"""The servers that `wetread up` brings along are real ones, and private."""

import re
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from kombu import Connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from dicom_node.archives.archive import DicomArchive
from dicom_node.archives.sender import OutcomeKind, send
from ops.assembly_line import broker_url, prepare_data
from ops.embedded import EmbeddedArchive, EmbeddedRedis
from ops.settings import Settings
from ops.supervisor import Part
from worker.testing import write_mr_series


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose data directory has a name that servers' configuration files do not like."""
    found = Settings(data=tmp_path / "My 'data' % #1")
    prepare_data(found)
    return found


@contextmanager
def running(part: Part, wait_for: Callable[..., None]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part until it answers, and end it with SIGKILL."""
    assert part.ready is not None
    process = subprocess.Popen(list(part.argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(part.ready, what=f"{part.name} answers")
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def connected(url: str) -> Iterator[redis.Redis]:
    """Yield a client of the server that Celery's URL names."""
    with Connection(url) as connection:
        yield connection.default_channel.client


def mode_of(file: Path) -> int:
    """Return a file's permissions."""
    return stat.S_IMODE(file.stat().st_mode)


def test_the_server_is_valkeys_own(settings: Settings) -> None:
    """The binary out of the package runs, not a Python wrapper: a signal reaches the server itself."""
    binary = Path(EmbeddedRedis(settings).part().argv[0])
    assert (binary.name, binary.parent.parent.name) == ("valkey-server", "_binaries")
    assert binary.read_bytes()[:4] == b"\x7fELF"


def test_it_answers_celery(settings: Settings, wait_for: Callable[..., None]) -> None:
    """Under the URL that the parts derive from the settings alone."""
    with running(EmbeddedRedis(settings).part(), wait_for), Connection(broker_url(settings)) as connection:
        queue = connection.SimpleQueue("cpu")
        queue.put({"job": 7})
        assert queue.get(timeout=10).payload == {"job": 7}
        queue.close()


def test_it_wants_its_password(settings: Settings, wait_for: Callable[..., None]) -> None:
    """Another process of this user that finds the socket gets nothing without it."""
    with running(EmbeddedRedis(settings).part(), wait_for):
        socket_file = str(settings.run / "redis.sock")
        for password in (None, "wrong"):
            with (
                redis.Redis(unix_socket_path=socket_file, password=password, retry=Retry(NoBackoff(), 0)) as stranger,
                pytest.raises((redis.AuthenticationError, redis.ResponseError)),
            ):
                stranger.keys("*")


def test_it_is_private(settings: Settings, wait_for: Callable[..., None]) -> None:
    """No port; the socket, the password and the configuration are for their owner, and no argument tells a secret."""
    part = EmbeddedRedis(settings).part()
    with running(part, wait_for) as process, connected(broker_url(settings)) as client:
        password = (settings.data / "redis-password").read_text()
        assert client.config_get("port") == {"port": "0"}
        assert mode_of(settings.run / "redis.sock") == 0o600
        assert mode_of(settings.data / "redis-password") == 0o600
        assert mode_of(settings.data / "redis" / "redis.conf") == 0o600
        assert password not in Path(f"/proc/{process.pid}/cmdline").read_text()
    assert len(password) >= 24


def test_it_keeps_nothing_that_could_stop_it(settings: Settings, wait_for: Callable[..., None]) -> None:
    """Its tokens are made again: no file of them can be damaged or fill the disk, nor an emptied password lock it."""
    with running(EmbeddedRedis(settings).part(), wait_for), connected(broker_url(settings)) as client:
        client.rpush("cpu", "token")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert [file.name for file in (settings.data / "redis").rglob("*")] == ["redis.conf"]
    (settings.data / "redis-password").write_text("")  # as a power cut may leave it
    with running(EmbeddedRedis(settings).part(), wait_for), connected(broker_url(settings)) as client:
        assert client.llen("cpu") == 0
    assert len((settings.data / "redis-password").read_text()) >= 24


def test_nobody_answers_before_it_runs(settings: Settings) -> None:
    """Not ready, and no exception: the supervisor asks again."""
    assert not EmbeddedRedis(settings).answers()


def test_the_password_stays(settings: Settings) -> None:
    """Parts that start at different times agree on it."""
    assert EmbeddedRedis(settings).url == EmbeddedRedis(settings).url


def test_a_long_data_directory_has_its_socket(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """The kernel takes socket names of 107 bytes; a longer data directory works all the same."""
    settings = Settings(data=tmp_path / ("d" * 120))
    prepare_data(settings)
    with running(EmbeddedRedis(settings).part(), wait_for):
        assert settings.data not in (settings.run / "redis.sock").parents
    (settings.run / "redis.sock").unlink()
    settings.run.rmdir()


def test_the_archive_keeps_what_is_sent(
    settings: Settings, tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """It answers C-ECHO and C-STORE; its files lie in the data directory, and are there after a kill."""
    archive = EmbeddedArchive(settings, free_port())
    files = write_mr_series(tmp_path / "study", slices=3)
    with running(archive.part(), wait_for):
        outcomes = [outcome.kind for _, outcome in send(files, archive.peer, "TEST")]
    assert outcomes == [OutcomeKind.ACCEPTED] * 3
    kept = [file for file in (settings.data / "archive" / "instances").rglob("*") if file.is_file()]
    assert len(kept) == 3
    assert (settings.data / "archive" / "instances.sqlite").is_file()
    with running(archive.part(), wait_for):
        DicomArchive(archive.peer, "TEST").echo()


def test_the_archive_is_for_this_machine_only(
    settings: Settings, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """It listens on loopback, whatever addresses the machine has."""
    port = free_port()
    with running(EmbeddedArchive(settings, port).part(), wait_for):
        listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        bound = re.findall(rf"([0-9A-F]+):{port:04X} [0-9A-F]+:0000 0A", listening)
    assert bound == [f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}"]
