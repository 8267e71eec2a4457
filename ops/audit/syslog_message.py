"""Audit messages as syslog (RFC 5424), over TLS (RFC 5425) or UDP (RFC 5426), as PS3.15 A.6 and A.7 want it."""

import array
import fcntl
import os
import re
import socket
import ssl
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dicom_node.errors import CertificateUnusable
from dicom_node.tls.tls_profile import client_context, no_tls
from dicom_node.tls_settings import TlsClientSettings
from ops.audit.settings import SyslogSettings

FACILITY = 10  # security/authorization (PS3.15 A.6)
NOTICE, WARNING = 5, 4
_APP_NAME, _MSGID = "wetread", "DICOM+RFC3881"
#: RFC 5424 6.4: what is UTF-8 begins with it.
_BOM = b"\xef\xbb\xbf"
_CONNECT_S, _ANSWER_S = 10.0, 10.0
_LOOK_EVERY_S = 0.005


class AuditAway(Exception):
    """What takes audit messages does not; they wait. The message names the cause and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Outward:
    """A message as it leaves.

    Attributes:
        at: When it was written, UTC.
        pid: Of the process that wrote it.
        severity: RFC 5424 6.2.1.
        host: Of the machine that wrote it.
        xml: The audit message.
    """

    at: datetime
    pid: int
    severity: int
    host: str
    xml: bytes


def frame(message: Outward) -> bytes:
    """Return a SYSLOG-MSG (RFC 5424 6) without framing."""
    at = message.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    host = re.sub("[^!-~]", "", message.host)[:255] or "-"
    header = f"<{FACILITY * 8 + message.severity}>1 {at} {host} {_APP_NAME} {message.pid} {_MSGID} - "
    return header.encode("ascii") + _BOM + message.xml


class TlsSyslog:
    """Sends over TLS, a connection for each batch: RFC 5425 has no acknowledgement, but the connection's end is one."""

    def __init__(self, settings: SyslogSettings) -> None:
        """Take where to."""
        self._settings = settings

    def send(self, messages: Sequence[Outward]) -> None:
        """Send all of them. Raises AuditAway, and then some may have come."""
        settings = self._settings
        framed = (frame(message) for message in messages)
        data = b"".join(b"%d %b" % (len(whole), whole) for whole in framed)  # octet counting, RFC 5425 4.3
        try:
            context = client_context(settings.tls or TlsClientSettings())
            with socket.create_connection((settings.host, settings.to_port), timeout=_CONNECT_S) as connection:
                connection.settimeout(_ANSWER_S)
                with context.wrap_socket(connection, server_hostname=settings.server_name) as secured:
                    secured.sendall(data)
                    _require_read(secured)
        except CertificateUnusable as error:
            raise AuditAway(str(error)) from error
        except ssl.SSLError as error:
            raise AuditAway(f"{settings.host}:{settings.to_port}: {no_tls(error)}") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that can be none
            raise _away(settings, error) from error


class UdpSyslog:
    """Sends a datagram a message; whether it came nobody knows."""

    def __init__(self, settings: SyslogSettings) -> None:
        """Take where to."""
        self._settings = settings

    def send(self, messages: Sequence[Outward]) -> None:
        """Send all of them. Raises AuditAway, and then some may have come."""
        settings = self._settings
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                settings.host, settings.to_port, type=socket.SOCK_DGRAM
            )[0]
            with socket.socket(family, kind, protocol) as sending:
                # Connected, it hears that nobody listens there, where a machine says so.
                sending.connect(address)
                for message in messages:
                    sending.send(frame(message))
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that can be none
            raise _away(settings, error) from error


def _require_read(connection: ssl.SSLSocket) -> None:
    """End a connection; raise OSError where the other side has not read all that was sent over it.

    A peer that closes over unread bytes, or has closed before they came, resets the connection (RFC 9293 3.10.4). So
    all was read where it ends in order, with every byte acknowledged.
    """
    try:
        connection.unwrap()
    except TimeoutError:
        pass  # it keeps its side open; then at least its system must have everything
    except ssl.SSLError as error:
        if "ALERT" in (error.reason or ""):
            raise
        # An end without a word, or (rsyslog's OpenSSL driver) with bytes that are no TLS: it is the end that counts.
    deadline = time.monotonic() + _ANSWER_S
    # Not the methods of the TLS connection, which is over.
    try:
        socket.socket.shutdown(connection, socket.SHUT_WR)
        while socket.socket.recv(connection, 4096) and time.monotonic() < deadline:
            pass  # one that talks on without end
    except TimeoutError:
        pass
    while _unacknowledged(connection) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
    if number := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, os.strerror(number))
    if _unacknowledged(connection):
        raise TimeoutError("not acknowledged")


def _unacknowledged(connection: socket.socket) -> int:
    """Return how many bytes the other side's system has not acknowledged yet (SIOCOUTQ)."""
    held = array.array("i", [0])
    fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, held)
    return held[0]


def _away(settings: SyslogSettings, error: OSError | UnicodeError) -> AuditAway:
    cause = getattr(error, "strerror", None) or type(error).__name__
    return AuditAway(
        f"{settings.host}:{settings.to_port} takes no audit messages over {settings.transport} ({cause}); "
        "is it up, are host and port right, is a firewall between?"
    )
