"""Where callers become TLS connections: handshakes with a deadline, each in its connection's thread.

The files of certificate, key, CAs and revocation lists are looked at before each handshake: new ones count from then
on, and where they cannot be used the old ones stay.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from dicom_node.clock import MONOTONIC, Clock
from dicom_node.errors import CertificateUnusable, HandshakeFailed, Interrupted
from dicom_node.tls.certificate_file import left_of
from dicom_node.tls.handshake_failures import translated
from dicom_node.tls.tls_profile import server_context
from dicom_node.tls_settings import NodeTlsSettings
from dicom_node.turned_away import Stage, TurnedAway, Witness, log

_log = structlog.get_logger()

#: How long a wait may last before it is asked whether the node stops meanwhile.
_SLICE_S = 0.25

#: A node may run for longer than its files are good, and they are told of again.
_TELL_EVERY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class _Use:
    """How a file of ours is told of in the log.

    Attributes:
        name: What it is.
        soon: How it is put right before it ends.
        over: What its end means, and how it is put right then.
    """

    name: str
    soon: str
    over: str


_CERTIFICATE = _Use(
    name="certificate",
    soon="put a new one in its place; it counts from the next connection on, without a restart",
    over="put a new one in its place; until then callers do not trust us",
)
_CA = _Use(
    name="CA certificate",
    soon="put the CA's new one into the file beside it, or take out one that is not used; it counts from the next "
    "connection on",
    over="put the CA's present one into the file, or take out one that is not used: whose certificate hangs on it does "
    "not come in",
)
_REVOCATION_LIST = _Use(
    name="revocation list",
    soon="put the CA's next one in its place; it counts from the next connection on, and once this one has expired no "
    "caller with a certificate comes in",
    over="put the CA's present one in its place: until then no caller with a certificate comes in",
)

_Stamp = tuple[tuple[int, int, int] | None, ...]


class OwnCertificate:
    """The node's certificate, the CAs of its callers and their revocation lists; safe for many threads."""

    def __init__(self, settings: NodeTlsSettings, clock: Clock = MONOTONIC) -> None:
        """Read the files. Raises CertificateUnusable."""
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = self._refused = self._files()
        self._context = server_context(settings)
        self._tell()

    def context(self) -> ssl.SSLContext:
        """Return what the next connection is made with: of the files as they are now, if they can be used."""
        with self._lock:
            stamp = self._files()
            if stamp != self._stamp:
                self._reload(stamp)
            if self._clock.now() >= self._tell_again_at:
                self._tell()
            return self._context

    def _reload(self, stamp: _Stamp) -> None:
        try:
            self._context = server_context(self._settings)
        except CertificateUnusable as error:
            # Tried again at the next connection: a certificate and its key seldom change in the same moment.
            if stamp != self._refused:
                self._refused = stamp
                _log.error(
                    "new certificate not used",
                    cause=str(error),
                    remedy="mend the files; the certificate from before is used until then",
                )
            return
        self._stamp = self._refused = stamp
        self._tell()

    def _tell(self) -> None:
        """Tell what each file has left: here, since it may be looked at for as long as the node runs."""
        self._tell_again_at = self._clock.now() + _TELL_EVERY_S
        settings = self._settings
        _tell_of(_CERTIFICATE, settings.certificate)
        if settings.ca is not None:
            _tell_of(_CA, settings.ca)
        if settings.crl is not None:
            _tell_of(_REVOCATION_LIST, settings.crl)

    def _files(self) -> _Stamp:
        settings = self._settings
        files = (settings.certificate, settings.key, settings.ca, settings.crl)
        return tuple(_stamp(file) for file in files if file is not None)


class TlsDoor:
    """Makes TLS connections of accepted ones."""

    def __init__(self, settings: NodeTlsSettings, *, stopping: Callable[[], bool], witness: Witness) -> None:
        """Take the settings, who says that the node stops, and who hears of failures. Raises CertificateUnusable."""
        self._own = OwnCertificate(settings)
        self._within_s = settings.handshake_timeout_s
        self._stopping = stopping
        self._witness = witness

    def admit(self, connection: socket.socket, address: str) -> ssl.SSLSocket | None:
        """Shake hands; return the connection to speak over, or None where that failed and it is closed."""
        deadline = time.monotonic() + self._within_s
        secured: ssl.SSLSocket | None = None
        try:
            connection.settimeout(0.0)
            self._wait(connection, select.POLLIN, deadline)
            if connection.recv(1, socket.MSG_PEEK):
                secured = self._own.context().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                self._shake_hands(secured, deadline)
                return secured
            # Connected and closed without a word: a load balancer asks every second whether somebody listens.
        except HandshakeFailed as failure:
            self._turn_away(address, failure)
        except OSError as error:
            self._turn_away(address, translated(error))
        except Interrupted:
            pass
        (secured or connection).close()
        return None

    def _shake_hands(self, connection: ssl.SSLSocket, deadline: float) -> None:
        while True:
            try:
                connection.do_handshake()
            except ssl.SSLWantReadError:
                self._wait(connection, select.POLLIN, deadline)
            except ssl.SSLWantWriteError:
                self._wait(connection, select.POLLOUT, deadline)
            else:
                return

    def _wait(self, connection: socket.socket, what: int, deadline: float) -> None:
        """Wait for the other side. Raises HandshakeFailed at the deadline, also where it still sends, Interrupted."""
        poll = select.poll()
        poll.register(connection, what)
        ready: object = []
        while not ready or time.monotonic() >= deadline:
            if self._stopping():
                raise Interrupted("the node stops in the middle of a handshake")
            left = deadline - time.monotonic()
            if left <= 0:
                raise HandshakeFailed(
                    f"no handshake within {self._within_s:g} s",
                    "nothing, if it was a probe; else does the caller use TLS at all?",
                )
            ready = poll.poll(min(_SLICE_S, left) * 1000)

    def _turn_away(self, address: str, failure: HandshakeFailed) -> None:
        caller = TurnedAway(stage=Stage.HANDSHAKE, address=address, found=str(failure), remedy=failure.remedy)
        log(caller)
        self._witness(caller)


def _tell_of(use: _Use, file: Path) -> None:
    try:
        left = left_of(file, datetime.now(UTC))
    except CertificateUnusable as error:
        _log.warning(f"expiry of our {use.name} not known", cause=str(error))
        return
    facts = {"file": str(file), "days_left": round(left.days, 1)}
    _log.info(f"{use.name} in use", **facts)
    if left.days <= 0:
        _log.error(f"{use.name} has expired", **facts, remedy=use.over)
    elif left.soon:
        _log.warning(f"{use.name} expires soon", **facts, remedy=use.soon)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
