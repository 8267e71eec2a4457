"""Which certificates are ours, which CAs and revocation lists we go by, and how many days each of them has left."""

import enum
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.errors import CertificateUnusable
from dicom_node.tls.certificate_file import Left, left_of
from dicom_node.tls.tls_profile import client_context, server_context
from dicom_node.tls_settings import TlsClientSettings
from ops.settings import Settings
from worker.delivery.destination_settings import DicomDestinationSettings, DicomWebDestinationSettings


class Kind(enum.StrEnum):
    """What ends."""

    CERTIFICATE = "certificate"  #: which we show
    CA = "CA certificate"  #: whose certificates we take
    REVOCATION_LIST = "revocation list"  #: without a valid one we take none of its CA


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A file that ends.

    Attributes:
        kind: What is in it.
        use: What for: "node", "audit", or with whom we speak.
        file: It.
    """

    kind: Kind
    use: str
    file: Path


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """What a file has left; `left` is None where it cannot be read."""

    kind: Kind
    use: str
    left: Left | None


Expiries = Callable[[], Sequence[Expiry]]
"""Asked anew each time."""


def watched_files(settings: Settings) -> tuple[Watched, ...]:
    """Return each file of certificates or revocation lists that TLS fails without, once it has ended."""
    node = settings.node.tls
    uses: list[tuple[str, Path | None, Path | None, Path | None]] = []
    if node is not None:
        uses.append(("node", node.certificate, node.ca, node.crl))
    uses += [(name, tls.certificate, tls.ca, tls.crl) for name, tls in _calls(settings)]
    return tuple(
        Watched(kind=kind, use=use, file=file)
        for use, *files in uses
        for kind, file in zip(Kind, files, strict=True)
        if file is not None
    )


def require_usable(settings: Settings) -> None:
    """Load every certificate, key and CA as the parts would. Raises CertificateUnusable."""
    if settings.node.tls is not None:
        server_context(settings.node.tls)
    for _, tls in _calls(settings):
        client_context(tls)


def _calls(settings: Settings) -> Iterator[tuple[str, TlsClientSettings]]:
    """Yield whom we call with TLS: destinations by name, peers that take reports by AE title, and others."""
    yield from _destinations(settings)
    for peer in settings.node.peers:
        if peer.report_to is not None and peer.report_to.tls is not None:
            yield f"reports to {peer.ae_title}", peer.report_to.tls
    if settings.worklist is not None and settings.worklist.tls is not None:
        yield "worklist", settings.worklist.tls
    if settings.broker.ca_file is not None:
        yield "broker", TlsClientSettings(ca=settings.broker.ca_file)
    for channel in settings.notifications:
        if channel.ca_file is not None:
            yield f"notifications {channel.name}", TlsClientSettings(ca=channel.ca_file)
    syslog = settings.audit.syslog
    if settings.audit.to == "syslog" and syslog is not None and syslog.tls is not None:
        yield "audit", syslog.tls


def _destinations(settings: Settings) -> Iterator[tuple[str, TlsClientSettings]]:
    for destination in settings.each_destination:
        if isinstance(destination, DicomWebDestinationSettings):
            tls = TlsClientSettings(ca=destination.ca_file, certificate=destination.certificate, key=destination.key)
            yield destination.name, tls
        elif isinstance(destination, DicomDestinationSettings) and destination.tls is not None:
            yield destination.name, destination.tls


def expiries_of(files: Sequence[Watched]) -> Expiries:
    """Return a function that says how long each file is good from now on."""
    return lambda: [Expiry(kind=watched.kind, use=watched.use, left=_left(watched.file)) for watched in files]


def troubles_of(expiries: Sequence[Expiry]) -> list[str]:
    """Say of each file that ends soon, has ended, or cannot be read, what is wrong. Pure."""
    return [f"the {expiry.kind} of {expiry.use} {words}" for expiry in expiries if (words := _words(expiry.left))]


def _words(left: Left | None) -> str:
    if left is None:
        return "cannot be read"
    if left.days <= 0:
        return "has expired"
    days = math.ceil(left.days)
    return f"expires in {days} day{'s' if days > 1 else ''}" if left.soon else ""


def _left(file: Path) -> Left | None:
    try:
        return left_of(file, datetime.now(UTC))
    except CertificateUnusable:
        return None
