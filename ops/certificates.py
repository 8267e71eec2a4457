"""Which certificates are ours, and how many days each of them has left."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.certificate_file import days_left
from dicom_node.errors import CertificateUnusable
from dicom_node.tls import client_context, server_context
from dicom_node.tls_settings import TlsClientSettings
from ops.settings import Settings
from worker.destination_settings import DicomDestinationSettings, DicomWebDestinationSettings, SingleDestination

DaysLeft = Callable[[], Mapping[str, float | None]]
"""Asked anew each time: days by a certificate's use, None where its file cannot be read."""


def own_certificates(settings: Settings) -> dict[str, Path]:
    """Return the file of each certificate of ours, by its use: "node", or the destination that it is shown to."""
    files = {} if settings.node.tls is None else {"node": settings.node.tls.certificate}
    for destination in settings.each_destination:
        shown = _shown_to(destination)
        if shown is not None:
            files[destination.name] = shown
    return files


def require_usable(settings: Settings) -> None:
    """Load every certificate, key and CA as the parts would. Raises CertificateUnusable."""
    if settings.node.tls is not None:
        server_context(settings.node.tls)
    for destination in settings.each_destination:
        if isinstance(destination, DicomWebDestinationSettings):
            client_context(
                TlsClientSettings(ca=destination.ca_file, certificate=destination.certificate, key=destination.key)
            )
        elif isinstance(destination, DicomDestinationSettings) and destination.tls is not None:
            client_context(destination.tls)


def _shown_to(destination: SingleDestination) -> Path | None:
    if isinstance(destination, DicomWebDestinationSettings):
        return destination.certificate
    if isinstance(destination, DicomDestinationSettings) and destination.tls is not None:
        return destination.tls.certificate
    return None


def days_left_of(files: Mapping[str, Path]) -> DaysLeft:
    """Return a function that says how long each certificate is good from now on."""
    return lambda: {use: _days(file) for use, file in files.items()}


def _days(file: Path) -> float | None:
    try:
        return days_left(file, datetime.now(UTC))
    except CertificateUnusable:
        return None
