"""Which certificates are ours, and how many days each of them has left."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.errors import CertificateUnusable
from dicom_node.tls.certificate_file import days_left
from dicom_node.tls.tls_profile import client_context, server_context
from dicom_node.tls_settings import TlsClientSettings
from ops.settings import Settings
from worker.delivery.destination_settings import DicomDestinationSettings, DicomWebDestinationSettings

DaysLeft = Callable[[], Mapping[str, float | None]]
"""Asked anew each time: days by a certificate's use, None where its file cannot be read."""


def own_certificates(settings: Settings) -> dict[str, Path]:
    """Return the file of each certificate of ours, by its use: "node", "audit", or whom it is shown to."""
    files = {} if settings.node.tls is None else {"node": settings.node.tls.certificate}
    shown = {name: tls.certificate for name, tls in _calls(settings) if tls.certificate is not None}
    return files | shown


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


def days_left_of(files: Mapping[str, Path]) -> DaysLeft:
    """Return a function that says how long each certificate is good from now on."""
    return lambda: {use: _days(file) for use, file in files.items()}


def _days(file: Path) -> float | None:
    try:
        return days_left(file, datetime.now(UTC))
    except CertificateUnusable:
        return None
