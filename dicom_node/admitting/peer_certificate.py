"""What a caller's certificate says of it, read from a TLS connection after its handshake."""

import hashlib
import ssl
from typing import Any

from dicom_node.admitting.association import Certificate


def shown_by(connection: object) -> Certificate | None:
    """Return the verified certificate of a connection's other side; None where there is none."""
    if not isinstance(connection, ssl.SSLSocket):
        return None
    encoded, told = connection.getpeercert(binary_form=True), connection.getpeercert()
    # OpenSSL shows one without its contents where nobody asked to verify it.
    if not encoded or not told:
        return None
    return Certificate(sha256=hashlib.sha256(encoded).hexdigest(), names=_names(dict(told)))


def _names(told: dict[str, Any]) -> frozenset[str]:
    common = (value for part in told.get("subject", ()) for kind, value in part if kind == "commonName")
    dns = (value for kind, value in told.get("subjectAltName", ()) if kind == "DNS")
    return frozenset((*common, *dns))
