"""Audit record repositories: syslog over TLS (RFC 5425) and UDP (RFC 5426), on real sockets of this machine."""

import contextlib
import re
import socket
import ssl
import threading
from typing import Literal, Self

from tests.audit_schema import Told
from tests.certificates import Authority, Pair

_HEADER = re.compile(rb"<(\d+)>1 (\S+) (\S+) wetread (\d+) DICOM\+RFC3881 - \xef\xbb\xbf(<.*)", re.DOTALL)

#: How the other side ends a connection: as TLS wants it, by closing it, with bytes that are no TLS (rsyslog does),
#: by closing it before it has read everything, or not at all, with bytes without end.
Ending = Literal["notify", "close", "garble", "reset", "talk"]


def opened(framed: bytes) -> tuple[int, Told]:
    """Return priority and audit message of a SYSLOG-MSG (RFC 5424)."""
    match = _HEADER.fullmatch(framed)
    assert match is not None, framed[:200]
    return int(match[1]), Told(match[5])


class _Receiver:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._socket: socket.socket
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run_until_it_ends, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    def told(self, event: str = "") -> list[Told]:
        """Return the messages that it has, all or those of an event."""
        found = [opened(framed)[1] for framed in list(self.received)]
        return [one for one in found if event in ("", one.event)]

    def __enter__(self) -> Self:
        self._socket.settimeout(0.05)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._socket.close()

    def _run_until_it_ends(self) -> None:
        while not self._ends.is_set():
            with contextlib.suppress(TimeoutError):
                self._take_one()

    def _take_one(self) -> None:
        raise NotImplementedError


class UdpReceiver(_Receiver):
    """A datagram a message."""

    def __init__(self, port: int = 0) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))

    def _take_one(self) -> None:
        self.received.append(self._socket.recv(65536))


class TlsReceiver(_Receiver):
    """Octet counted messages over TLS with client certificates."""

    def __init__(self, own: Pair, authority: Authority, *, port: int = 0, ending: Ending = "notify") -> None:
        super().__init__()
        self.ending = ending
        self.connections = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(own.certificate, own.key)
        self._context.load_verify_locations(authority.file)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._socket = socket.create_server(("127.0.0.1", port))

    def _take_one(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.settimeout(30)
            self.connections += 1
            with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as secured:
                self._take(secured)

    def _take(self, connection: ssl.SSLSocket) -> None:
        if self.ending == "reset":
            return
        with connection.makefile("rb") as stream:
            while length := self._length(stream.read(1), stream):
                self.received.append(stream.read(length))
        if self.ending == "notify":
            connection.unwrap()
        if self.ending == "garble":
            socket.socket.sendall(connection, b"no TLS at all")
        while self.ending == "talk" and not self._ends.wait(0.01):
            socket.socket.sendall(connection, b"no TLS at all")

    @staticmethod
    def _length(digits: bytes, stream: object) -> int:
        while digits and not digits.endswith(b" "):
            digits += stream.read(1)  # type: ignore[attr-defined]
        return int(digits or 0)
