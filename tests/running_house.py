"""Node, deliverer, worker, Redis and Orthanc for all tests of a file: starting them takes longer than a read."""

from collections.abc import Callable
from pathlib import Path

from pydicom import dcmread

from tests.orthanc_server import OrthancServer
from tests.redis_server import RedisServer
from tests.stack import Stack


class RunningHouse:
    """The stack over its own Redis and Orthanc.

    Attributes:
        stack: Node, deliverer and worker.
        orthanc: Its archive.
        redis: Its broker.
    """

    def __init__(self, folder: Path, free_port: Callable[[], int]) -> None:
        """Prepare it; nothing is started yet."""
        for name in ("orthanc", "redis"):
            (folder / name).mkdir()
        self.orthanc = OrthancServer(folder / "orthanc", dicom_port=free_port(), http_port=free_port())
        self.redis = RedisServer(folder / "redis", free_port())
        self.stack = Stack(
            folder / "wetread", port=free_port(), broker_url=self.redis.url, archive_port=self.orthanc.dicom_port
        )

    def start(self, wait_for: Callable[..., None]) -> None:
        """Start what does not run, whatever the test before has left, and wait until the node listens."""
        self.orthanc.start()
        self.redis.start()
        wait_for(self.redis.answers, what="redis-server answers")
        self.stack.start()
        wait_for(self.stack.listening, what="the node listens", deadline_s=60)

    def end(self) -> None:
        """Kill all of it."""
        self.stack.end()
        self.redis.stop()
        self.orthanc.stop()


def uid_of(study: list[Path]) -> str:
    """Return the Study Instance UID of its files."""
    return str(dcmread(study[0], stop_before_pixels=True).StudyInstanceUID)
