"""Which certificates are ours, and how many days each of them has left."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.certificate_file import days_left
from dicom_node.errors import CertificateUnusable
from dicom_node.tls import client_context, server_context
from ops.settings import Settings

DaysLeft = Callable[[], Mapping[str, float | None]]
"""Asked anew each time: days by a certificate's use, None where its file cannot be read."""


def own_certificates(settings: Settings) -> dict[str, Path]:
    """Return the file of each certificate of ours, by its use: "node", or who it is shown to."""
    files = {} if settings.node.tls is None else {"node": settings.node.tls.certificate}
    for destination in settings.destinations:
        if destination.tls is not None and destination.tls.certificate is not None:
            files[destination.name] = destination.tls.certificate
    if settings.worklist is not None and settings.worklist.tls is not None and settings.worklist.tls.certificate:
        files["worklist"] = settings.worklist.tls.certificate
    return files


def require_usable(settings: Settings) -> None:
    """Load every certificate, key and CA as the parts would. Raises CertificateUnusable."""
    if settings.node.tls is not None:
        server_context(settings.node.tls)
    shown = [destination.tls for destination in settings.destinations]
    if settings.worklist is not None:
        shown.append(settings.worklist.tls)
    for tls in shown:
        if tls is not None:
            client_context(tls)


def days_left_of(files: Mapping[str, Path]) -> DaysLeft:
    """Return a function that says how long each certificate is good from now on."""
    return lambda: {use: _days(file) for use, file in files.items()}


def _days(file: Path) -> float | None:
    try:
        return days_left(file, datetime.now(UTC))
    except CertificateUnusable:
        return None
