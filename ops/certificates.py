"""Which certificates are ours, and how many days each of them has left."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.certificate_file import days_left
from dicom_node.errors import CertificateUnusable
from dicom_node.tls import client_context, server_context
from dicom_node.tls_settings import TlsClientSettings
from ops.settings import Settings

DaysLeft = Callable[[], Mapping[str, float | None]]
"""Asked anew each time: days by a certificate's use, None where its file cannot be read."""


def own_certificates(settings: Settings) -> dict[str, Path]:
    """Return the file of each certificate of ours, by its use: "node", or the destination that it is shown to."""
    files = {} if settings.node.tls is None else {"node": settings.node.tls.certificate}
    for destination in settings.destinations:
        if destination.tls is not None and destination.tls.certificate is not None:
            files[destination.name] = destination.tls.certificate
    audit = _of_audit(settings)
    if audit is not None and audit.certificate is not None:
        files["audit"] = audit.certificate
    return files


def require_usable(settings: Settings) -> None:
    """Load every certificate, key and CA as the parts would. Raises CertificateUnusable."""
    if settings.node.tls is not None:
        server_context(settings.node.tls)
    for destination in settings.destinations:
        if destination.tls is not None:
            client_context(destination.tls)
    audit = _of_audit(settings)
    if audit is not None:
        client_context(audit)


def _of_audit(settings: Settings) -> TlsClientSettings | None:
    syslog = settings.audit.syslog
    return syslog.tls if settings.audit.to == "syslog" and syslog is not None else None


def days_left_of(files: Mapping[str, Path]) -> DaysLeft:
    """Return a function that says how long each certificate is good from now on."""
    return lambda: {use: _days(file) for use, file in files.items()}


def _days(file: Path) -> float | None:
    try:
        return days_left(file, datetime.now(UTC))
    except CertificateUnusable:
        return None
