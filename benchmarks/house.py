"""Node, deliverer and worker as real processes, over a real Redis and a real Orthanc, for the time of a measurement."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.orthanc_server import OrthancServer
from tests.redis_server import started
from tests.stack import Stack

_POLL_S = 0.02


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], *, deadline_s: float = 300.0, what: str = "the condition") -> None:
    """Wait until something holds. Raises TimeoutError."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not hold within {deadline_s:g} s")
        time.sleep(_POLL_S)


@contextmanager
def house(folder: Path) -> Iterator[tuple[Stack, OrthancServer]]:
    """Run everything but the page; models are put into the stack's folder before it is started by the caller."""
    (folder / "orthanc").mkdir(parents=True)
    (folder / "redis").mkdir()
    orthanc = OrthancServer(folder / "orthanc", dicom_port=free_port(), http_port=free_port())
    orthanc.start()
    redis = started(folder / "redis", free_port, wait_for)
    stack = Stack(folder / "wetread", port=free_port(), broker_url=redis.url, archive_port=orthanc.dicom_port)
    try:
        yield stack, orthanc
    finally:
        stack.stop()
        redis.stop()
        orthanc.stop()
