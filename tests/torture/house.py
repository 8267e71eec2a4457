"""Node, workers, deliverer, page, Redis and archive as real processes, and the harm that is done to them."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.orthanc_server import OrthancServer
from tests.redis_server import RedisServer
from tests.stack import PARTS, Stack, tree
from tests.torture.refusing_archive import RefusingArchive
from tests.torture.schedule import Fault, Harm

ALL_PARTS = (*PARTS, "web")


class TorturedHouse:
    """A house under faults.

    Attributes:
        stack: Our own parts.
        orthanc: The archive.
    """

    def __init__(
        self,
        stack: Stack,
        orthanc: OrthancServer,
        redis: RedisServer,
        wait_for: Callable[..., None],
    ) -> None:
        """Take the parts, and how a condition is waited for."""
        self.stack = stack
        self.orthanc = orthanc
        self._redis = redis
        self._refusing = RefusingArchive(orthanc.dicom_port)
        self._wait_for = wait_for

    def start(self) -> None:
        """Start our parts and wait until the node listens."""
        self.stack.start(*ALL_PARTS)
        self._wait_for(self.stack.listening, what="the node listens", deadline_s=90)

    def suffer(self, fault: Fault) -> None:
        """Do it, and end it."""
        time.sleep(fault.after_s)  # the moment is the test
        with self._harmed(fault):
            time.sleep(fault.lasts_s)

    @contextmanager
    def _harmed(self, fault: Fault) -> Iterator[None]:
        match fault.harm:
            case Harm.KILL:
                self._kill(fault.part)
                yield
                self._start(fault.part)
            case Harm.KILL_CHILD:
                self._kill_child(fault)
                yield
            case Harm.PAUSE:
                stopped = self._pids(fault.part)
                _signal(stopped, signal.SIGSTOP)
                yield
                _signal(stopped, signal.SIGCONT)
            case Harm.FLUSH:
                self._redis.flush()
                yield
            case Harm.REFUSE:
                self.orthanc.stop()
                self._refusing.start()
                yield
                self._refusing.stop()
                self.orthanc.start()

    def _kill(self, part: str) -> None:
        servers = {"redis": self._redis.stop, "archive": self.orthanc.stop}
        servers.get(part, lambda: self.stack.kill(part))()

    def _start(self, part: str) -> None:
        servers = {"redis": self._redis.start, "archive": self.orthanc.start}
        servers.get(part, lambda: self.stack.start(part))()

    def _kill_child(self, fault: Fault) -> None:
        _, *children = self._pids(fault.part)
        if children:
            _signal([children[fault.draw % len(children)]], signal.SIGKILL)

    def _pids(self, part: str) -> list[int]:
        servers = {"redis": self._redis, "archive": self.orthanc}
        if part in servers:
            return list(tree(servers[part].pid))
        return self.stack.pids(part)


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # a child that has ended by itself, or was replaced meanwhile
            os.kill(pid, number)
