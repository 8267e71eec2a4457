"""What is cut off in the middle."""

import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from ops.notifiers.cut_off import cut_off
from tests.notification_servers import certificate, server_context


def test_what_is_cut_off_sends_nothing_in_clear(tmp_path: Path) -> None:
    """The thread that sends may be amid it: what it sends then goes through TLS, or nowhere."""
    files = certificate(tmp_path)
    theirs, ours = socket.socketpair()
    accepted: list[ssl.SSLSocket] = []
    answering = threading.Thread(
        target=lambda: accepted.append(server_context(files).wrap_socket(theirs, server_side=True))
    )
    answering.start()
    context = ssl.create_default_context(cafile=files[0])
    with context.wrap_socket(ours, server_hostname="127.0.0.1") as connection:
        answering.join()
        with accepted[0] as peer, cut_off(0.01) as connections:
            connections.append(lambda: connection)
            peer.settimeout(10)
            with suppress(OSError):  # whichever way TLS tells it
                peer.recv(1)
            assert connection.version() is not None
            with pytest.raises((ssl.SSLError, BrokenPipeError)):
                connection.sendall(b"CRITICAL")
