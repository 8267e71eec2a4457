"""The other sides of notifications, as real servers in threads: a webhook, a mail server, an HL7 interface engine."""

import itertools
import json
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import hl7
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key."""
    crt, key = folder / "server.crt", folder / "server.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(crt), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    return crt, key


def server_context(files: tuple[Path, Path]) -> ssl.SSLContext:
    """Return what a server needs to speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


@dataclass(frozen=True, kw_only=True)
class Posted:
    """What a webhook got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


@dataclass
class WebhookServer:
    """Answers POST with `status`, `answer` and `headers`, and keeps what it got."""

    status: int = 200
    answer: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    posted: list[Posted] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.posted.append(Posted(path=self.path, headers=dict(self.headers), body=body))
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(outer.answer)))
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's word
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}/pager?team=ct"


class MailServer:
    """Takes e-mails, or answers `reply`."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, password: str = "") -> None:
        """Say where to listen; with a password only who logs in may send."""
        self.reply = "250 OK"
        self.mails: list[EmailMessage] = []
        self.port = port
        self._password = password
        secured: dict[str, Any] = {"tls_context": tls, "require_starttls": True} if tls is not None else {}
        if password:
            secured |= {"authenticator": self._known, "auth_required": True, "auth_require_tls": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=port, **secured)

    def __enter__(self) -> Self:
        """Listen."""
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._controller.stop()

    async def handle_DATA(self, server: object, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's
        """Take an e-mail."""
        del server, session
        if self.reply.startswith("250"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.reply

    def _known(self, server: object, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        del server, session, envelope, mechanism
        known = isinstance(data, LoginPassword) and data.password == self._password.encode()
        return AuthResult(success=known, handled=False)


@contextmanager
def trickling(begin: bytes, endless: bytes) -> Iterator[int]:
    """Give the port of a server that says one thing and then, for ever, another, byte by byte."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.sendall(begin)
                for byte in itertools.cycle(endless):
                    if over.wait(0.02):
                        return
                    self.request.sendall(bytes((byte,)))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            over.set()
            server.shutdown()
            thread.join()


@dataclass
class InterfaceEngine:
    """An HL7 listener that acknowledges with `code`; it parses with a library of its own."""

    code: str = "AA"
    other_control_id: str = ""
    tls: ssl.SSLContext | None = None
    #: Sent instead of an ACK where it is set; b"" closes the connection.
    raw_answer: bytes | None = None
    received: list[Any] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen."""
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                connection = self.request
                if outer.tls is not None:
                    connection = outer.tls.wrap_socket(connection, server_side=True)
                data = b""
                while not data.endswith(b"\x1c\x0d"):
                    part = connection.recv(4096)
                    if not part:
                        return
                    data += part
                assert data.startswith(b"\x0b")
                outer.texts.append(data[1:-2].decode())
                outer.received.append(hl7.parse(outer.texts[-1]))
                connection.sendall(outer._answer())
                connection.close()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def _answer(self) -> bytes:
        if self.raw_answer is not None:
            return self.raw_answer
        ack = str(self.received[-1].create_ack(self.code))
        if self.other_control_id:
            ack = ack.replace(str(self.received[-1]["MSH.F10.R1"]), self.other_control_id)
        return b"\x0b" + ack.encode() + b"\x1c\x0d"
