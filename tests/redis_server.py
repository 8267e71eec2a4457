"""A real Redis on a free loopback port, for tests that flush, stop and lose it."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import redis

from tests.optional import missing


class RedisServer:
    """Starts and stops one `redis-server` with the durability that the documentation asks for."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it unless it runs; what its append-only file holds is there again."""
        if self._process is not None:
            return
        binary = shutil.which("redis-server")
        if binary is None:
            missing("redis-server is not installed: apt-get install redis-server")
        command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Of its process, which must run."""
        assert self._process is not None
        return self._process.pid

    def answers(self) -> bool:
        """Say whether it answers."""
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def tokens(self, queue: str) -> int:
        """Return how many tokens wait in a queue."""
        with redis.Redis(port=self.port) as client:
            return int(client.llen(queue))

    def flush(self) -> int:
        """Forget everything; return how many keys there were."""
        with redis.Redis(port=self.port) as client:
            keys = int(client.dbsize())
            client.flushall()
            return keys

    def order_all(self, commands: Sequence[Sequence[str]]) -> None:
        """Have it do what an admin types, over one connection."""
        with redis.Redis(port=self.port, single_connection_client=True) as client:
            for command in commands:
                client.execute_command(*command)


def started(folder: Path, free_port: Callable[[], int], wait_for: Callable[..., None]) -> RedisServer:
    """Return a server that answers."""
    server = RedisServer(folder, free_port())
    server.start()
    wait_for(server.answers, what="redis-server answers")
    return server
