"""An archive made of bytes: it accepts an association, then does with its connection what it is told to (PS3.8 9.3)."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dicom_node.settings import Peer
from dicom_node.tls_settings import TlsClientSettings
from tests.faults.wire_bytes import ASSOCIATE_AC, EXPLICIT, pdu

#: Does what it likes with an association that was just accepted, until the test is over.
Then = Callable[[socket.socket, threading.Event], None]


def associate_ac(request: bytes, *, longest_pdu: int = 16384) -> bytes:
    """Return the A-ASSOCIATE-AC that takes the first context of a request (its whole PDU) in Explicit VR."""
    titles = request[10:74]
    context = bytes((1, 0, 0, 0)) + _item(0x40, EXPLICIT.encode())
    user = _item(0x51, struct.pack(">I", longest_pdu)) + _item(0x52, b"1.2.3.4")
    items = _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x21, context) + _item(0x50, user)
    return pdu(ASSOCIATE_AC, struct.pack(">HH", 1, 0) + titles + items)


def read_pdu(connection: socket.socket) -> bytes:
    """Return the next PDU, header and body; less at the end."""
    data = _exactly(connection, 6)
    return data if len(data) < 6 else data + _exactly(connection, struct.unpack(">I", data[2:])[0])


@contextmanager
def stalling_archive(
    then: Then,
    *,
    tls: ssl.SSLContext | None = None,
    client: TlsClientSettings | None = None,
    buffer_bytes: int = 0,
    longest_pdu: int = 16384,
    answer: bytes = b"",
) -> Iterator[Peer]:
    """Give the archive as a peer.

    `buffer_bytes`: what its system takes that it has not read; 0: as usual. `longest_pdu`: what it says that it takes.
    `answer`: to the request for an association, where it is to be another one.
    """
    with socket.socket() as listening:
        if buffer_bytes:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        connections: list[socket.socket] = []
        over = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                connections.append(connection)
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                    connections[0] = connection
                request = read_pdu(connection)
                connection.sendall(answer or associate_ac(request, longest_pdu=longest_pdu))
                then(connection, over)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield Peer(ae_title="RAW", host="127.0.0.1", port=listening.getsockname()[1], tls=client)
        finally:
            over.set()
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            thread.join(10)


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            break
        data += piece
    return data
