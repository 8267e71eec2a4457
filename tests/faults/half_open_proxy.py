"""A TCP proxy that can let its connections go half-open: they stay, and whatever is sent over them is swallowed."""

import socket
import threading
from contextlib import suppress
from typing import Self


class HalfOpenProxy:
    """Forwards loopback connections to a port.

    Attributes:
        port: It listens there.
    """

    def __init__(self, target_port: int) -> None:
        """Listen on a port of the kernel's choice."""
        self._target = target_port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._swallow = threading.Event()
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        """Forward from now on."""
        self._accepting.start()
        return self

    def __exit__(self, *_ignored: object) -> None:
        """Close everything."""
        # Else accept() goes on waiting on a socket that has no number any more.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def freeze(self) -> int:
        """Swallow what comes over the connections that are open now, both ways; new ones work. Return how many."""
        self._swallow.set()
        self._swallow = threading.Event()
        return len(self._open) // 2

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                caller, _ = self._listening.accept()
                called = socket.create_connection(("127.0.0.1", self._target))
                self._open += [caller, called]
                for source, sink in ((caller, called), (called, caller)):
                    threading.Thread(target=_pump, args=(source, sink, self._swallow), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, swallow: threading.Event) -> None:
    with suppress(OSError):  # closed by either side
        while data := source.recv(65536):
            if not swallow.is_set():
                sink.sendall(data)
        if not swallow.is_set():
            sink.shutdown(socket.SHUT_WR)
