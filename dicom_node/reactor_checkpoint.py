"""Holds the reactor of an association that we requested, so that it takes no answer of ours.

pynetdicom's requestor has a thread of its own, which looks for messages from the peer a thousand times a second. A
request stops it at a checkpoint, `Association._reactor_checkpoint`, and goes on once it was seen there. On a busy
machine it was seen there and had passed already: it then takes the answer for a message from the peer, and the request
waits for its answer until the DIMSE timeout, after which the association is aborted.
"""

import threading
from typing import Any

#: The reactor may end without coming to its checkpoint.
_LOOK_EVERY_S = 0.05


class ReactorCheckpoint(threading.Event):
    """A checkpoint whose `clear` returns when the reactor stands at it, or is over."""

    def __init__(self, reactor: threading.Thread) -> None:
        """Let the reactor pass."""
        super().__init__()
        self._reactor = reactor
        self._change = threading.Condition()
        self._open, self._stands = True, False

    def is_set(self) -> bool:
        """Return whether the reactor may pass."""
        return self._open

    def set(self) -> None:
        """Let the reactor pass."""
        with self._change:
            self._open = True
            self._change.notify_all()

    def clear(self) -> None:
        """Stop the reactor, and wait until it stands; what it is at it ends first."""
        with self._change:
            self._open = False
            if threading.current_thread() is self._reactor:
                return  # one that serves a message does not meet itself
            while not self._stands and self._reactor.is_alive():
                self._change.wait(_LOOK_EVERY_S)

    def wait(self, timeout: float | None = None) -> bool:
        """Stand here until it is open, at most `timeout` seconds; return whether it is."""
        with self._change:
            self._stands = True
            self._change.notify_all()
            try:
                return self._change.wait_for(self.is_set, timeout)
            finally:
                self._stands = False


def hold_firmly(association: Any) -> None:
    """Give an association that was just requested such a checkpoint; nothing was asked of it yet."""
    association._reactor_checkpoint = ReactorCheckpoint(association)  # noqa: SLF001 - watched by the seam's test
