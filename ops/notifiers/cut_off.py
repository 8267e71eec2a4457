"""A limit for all of a conversation: the timeouts of smtplib and urllib begin anew with each byte that comes."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: Of the time that each step has. Slow is allowed; a channel that never ends would keep all messages behind it.
STEPS = 10
_AGAIN_S = 1.0

#: Returns the socket of a conversation as it is now; None before there is one and after its end.
SocketNow = Callable[[], socket.socket | None]


@contextmanager
def cut_off(seconds: float) -> Iterator[list[SocketNow]]:
    """Give a list for connections; what is in it after so many seconds is shut until the block ends."""
    connections: list[SocketNow] = []
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(connections, over, seconds), name="cut-off", daemon=True)
    watch.start()
    try:
        yield connections
    finally:
        over.set()
        watch.join()


def _watch(connections: list[SocketNow], over: threading.Event, seconds: float) -> None:
    wait_s = seconds
    # Again and again: a connection may have opened only then.
    while not over.wait(wait_s):
        for now in tuple(connections):
            connection = now()
            if connection is not None:
                with suppress(OSError, ValueError):  # it has just ended by itself
                    # Not its own `shutdown`, which takes TLS away first: who sends at this moment would send in clear.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        wait_s = _AGAIN_S
