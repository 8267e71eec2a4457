"""What OpenSSL says of a handshake that failed, in words of what the caller did, and what an admin may do."""

import ssl

from dicom_node.errors import HandshakeFailed
from dicom_node.tls.tls_profile import REVOCATION

MEND_CERTIFICATE = "give the caller a certificate of a CA in `node.tls.ca` that is valid today, for TLS clients"
_NEWER = "let the caller speak TLS 1.2 or 1.3 with a cipher suite of BCP 195 (docs/conformance.md)"
_SEES_OURS = (
    "the caller does not take our certificate: does it know our CA, does it call us by a name in our certificate, and "
    "is ours valid today?"
)

#: OpenSSL's reason: what the caller did, and the remedy.
FAILURES: dict[str, tuple[str, str]] = {
    "HTTP_REQUEST": ("plain text on the TLS port: HTTP", "nothing, unless the page is meant: it has another port"),
    "WRONG_VERSION_NUMBER": ("plain text on the TLS port, or no TLS", "let the caller use TLS, or the plain port"),
    "UNSUPPORTED_PROTOCOL": ("TLS older than 1.2", _NEWER),
    "VERSION_TOO_LOW": ("TLS older than 1.2", _NEWER),
    "NO_SHARED_CIPHER": ("no cipher suite in common", _NEWER),
    "NO_SHARED_GROUP": ("no elliptic curve in common", _NEWER),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (
        "no certificate was shown",
        f'{MEND_CERTIFICATE}, or set node.tls.client_certificates = "optional"',
    ),
    "TLSV1_ALERT_UNKNOWN_CA": ("the caller does not know our CA", _SEES_OURS),
    "SSLV3_ALERT_BAD_CERTIFICATE": ("the caller calls our certificate bad", _SEES_OURS),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": ("the caller does not trust our certificate", _SEES_OURS),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": (
        "the caller says that our certificate was revoked",
        "ask the CA for a new one, after finding out why",
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": ("the caller says that our certificate has expired", _SEES_OURS),
}
_CLOSED = ("closed in the middle of the handshake", "nothing, if it was a probe; else see the caller's log")


def translated(error: OSError) -> HandshakeFailed:
    """Return what is told of a handshake that OpenSSL or the system ended."""
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in REVOCATION:
        found, remedy = REVOCATION[error.verify_code]
        return HandshakeFailed(f"its certificate was refused: {found}", remedy)
    if isinstance(error, ssl.SSLCertVerificationError):
        return HandshakeFailed(f"its certificate was refused: {error.verify_message}", MEND_CERTIFICATE)
    if isinstance(error, ssl.SSLEOFError | ConnectionError) or not isinstance(error, ssl.SSLError):
        return HandshakeFailed(*_CLOSED)
    reason = error.reason or ""
    words = reason.lower().replace("_", " ") or "no TLS that can be understood"
    return HandshakeFailed(*FAILURES.get(reason, (words, "see the caller's log; docs/operate.md tells how to try it")))
