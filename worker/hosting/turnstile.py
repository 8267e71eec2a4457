"""Lets a number of models run at once, in the order in which they came: none starves, however busy another is."""

import threading
from collections import deque
from types import TracebackType
from typing import Self


class Turnstile:
    """A semaphore that is fair: Python's own lets whoever is quickest go first."""

    def __init__(self, at_once: int) -> None:
        """Take how many may be inside."""
        self._free = at_once
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        """Wait for one's turn."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            self._changed.wait_for(lambda: self._free > 0 and self._queue[0] is ticket)
            self._queue.popleft()
            self._free -= 1
            self._changed.notify_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one in."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()
