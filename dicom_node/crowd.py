"""How many connections a receiving process has open, whether or not they ask for an association.

Associations are counted by the doorkeeper, over all processes; but a connection costs threads and a descriptor before
it asks for one, and while it ends.
"""

import threading
from collections.abc import Callable

import structlog

_log = structlog.get_logger()

#: For each connection, and at most; a process wakes up in a tenth of it.
_DEFERENCE_S, _MOST_DEFERENCE_S = 0.0005, 0.008


class Crowd:
    """The connections of one listening socket that are on their way in, with all that run; for many threads."""

    def __init__(self, most: int, running: Callable[[], int], *, shares_port: bool = False) -> None:
        """Take how many there may be, who counts those that are an association's, and whether others accept too."""
        self._most = most
        self._running = running
        self._shares_port = shares_port
        self._entering = 0
        self._crowded = False
        self._lock = threading.Lock()

    @property
    def deference_s(self) -> float:
        """How long to let the other processes of the port accept first: the longer, the more connections are here."""
        if not self._shares_port:
            return 0.0
        with self._lock:
            size = self._entering + self._running()
        # Who is full accepts only to close, and keeps nobody waiting behind those.
        return 0.0 if size >= self._most else min(size * _DEFERENCE_S, _MOST_DEFERENCE_S)

    def enter(self, address: str) -> bool:
        """Say whether a connection from there may come in; then `entered` must follow. It is told when that changes."""
        with self._lock:
            crowded = self._entering + self._running() >= self._most
            self._entering += not crowded
            changed, self._crowded = crowded != self._crowded, crowded
        if changed and crowded:
            _log.warning(
                "connections closed, too many are open",
                most=self._most,
                address=address,
                remedy="who holds connections without an association? Else raise `node.max_associations`",
            )
        elif changed:
            _log.info("connections are taken again", most=self._most)
        return not crowded

    def entered(self) -> None:
        """Hear that a connection is an association's from now on, or closed."""
        with self._lock:
            self._entering -= 1
