"""TLS in front of a server that speaks none, on this machine: what a site's reverse proxy does."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.certificates import Pair

_PIECE = 1 << 16


@contextmanager
def tls_proxy(pair: Pair, port: int, behind: int) -> Iterator[None]:
    """Listen on a loopback port with this certificate, and pass what comes on to the port behind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    listener = socket.create_server(("127.0.0.1", port))
    accepting = threading.Thread(target=_accept, args=(listener, context, behind), daemon=True)
    accepting.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()


def _accept(listener: socket.socket, context: ssl.SSLContext, behind: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, context, behind), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, behind: int) -> None:
    # A client that does not trust the certificate hangs up in the handshake.
    with (
        suppress(OSError),
        plain,
        context.wrap_socket(plain, server_side=True) as client,
        socket.create_connection(("127.0.0.1", behind)) as server,
    ):
        back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
        back.start()
        _pass_on(client, server)
        back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
