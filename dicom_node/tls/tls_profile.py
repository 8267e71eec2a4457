"""TLS as PS3.15 B.12 wants it (BCP 195: RFC 8996, RFC 9325), for the node and for its calls to others."""

import ssl
from pathlib import Path
from typing import Any

from dicom_node.errors import CertificateUnusable
from dicom_node.tls_settings import NodeTlsSettings, TlsClientSettings

#: 1.0 and 1.1 are forbidden (RFC 8996); 1.3 is taken where the other side offers it.
MINIMUM_VERSION = ssl.TLSVersion.TLSv1_2
#: The four that B.12 names for TLS 1.2, by their names in OpenSSL and in the standard; those of 1.3 are all allowed.
CIPHER_SUITES = {
    "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
}
_VERIFY = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}


#: OpenSSL's verify_code (X509_V_ERR_...), where a revocation list decides: what was found, and the remedy.
REVOCATION = {
    23: ("it was revoked", "a new one of its CA helps, if its owner should have one"),
    12: ("the revocation list of its CA has expired", "put the CA's present one into the file that `crl` names"),
    3: ("the file that `crl` names has no revocation list of its CA", "add the list of that CA to the file"),
    11: ("the revocation list of its CA is not valid yet", "compare the clocks of this machine and of the CA"),
}


class ClosingSocket(ssl.SSLSocket):
    """A connection that says that it ends (close_notify, RFC 8446 6.1) before it is shut down."""

    def shutdown(self, how: int) -> None:
        """Say it, without waiting for an answer, and shut the connection down. Raises OSError."""
        try:
            self.settimeout(0.0)
            self.unwrap()
        except (OSError, ValueError):
            pass  # the other side has gone, or does not answer at once: either way it was told if it could be
        super().shutdown(how)


class ClientContext(ssl.SSLContext):
    """A context for one call, which keeps what went wrong: pynetdicom drops it.

    Attributes:
        failure: Why the connection failed; None while it did not.
    """

    failure: OSError | None = None


class _CallingSocket(ClosingSocket):
    def connect(self, address: Any) -> None:
        try:
            super().connect(address)
        except OSError as error:
            context = self.context
            if isinstance(context, ClientContext):
                context.failure = error
            raise


def server_context(settings: NodeTlsSettings) -> ssl.SSLContext:
    """Return what the node's connections are made with. Raises CertificateUnusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _restrict(context)
    context.sslsocket_class = ClosingSocket
    # A resumed session keeps a certificate that may no longer be valid; associations are few and long.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.verify_mode = _VERIFY[settings.client_certificates]
    _load_own(context, settings.certificate, settings.key)
    if settings.ca is not None:
        _load_ca(context, settings.ca)
    if settings.crl is not None:
        _load_crl(context, settings.crl)
    return context


def client_context(settings: TlsClientSettings) -> ClientContext:
    """Return what one call is made with; it verifies certificate and name. Raises CertificateUnusable."""
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    _restrict(context)
    context.sslsocket_class = _CallingSocket
    if settings.ca is not None:
        _load_ca(context, settings.ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if settings.crl is not None:
        _load_crl(context, settings.crl)
    if settings.certificate is not None and settings.key is not None:
        _load_own(context, settings.certificate, settings.key)
    return context


def no_tls(error: ssl.SSLError) -> str:
    """Return why a call did not come to speak TLS, and what helps."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in REVOCATION:
            found, remedy = REVOCATION[error.verify_code]
            return f"its certificate is not trusted: {found}; {remedy}"
        return (
            f"its certificate is not trusted ({error.verify_message}); does `tls.ca` name its CA, and is its host, or "
            "`tls.server_name`, a name in its certificate?"
        )
    return f"TLS failed ({_words(error)}); is that its TLS port, and does it take our certificate?"


def _restrict(context: ssl.SSLContext) -> None:
    context.minimum_version = MINIMUM_VERSION
    context.set_ciphers(":".join(CIPHER_SUITES))


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        # Without a function for the password OpenSSL would ask for one on the terminal, and wait.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ValueError) as error:
        raise CertificateUnusable(
            f"certificate {certificate} with key {key}: {_words(error)}; are both PEM files that this user may read, "
            "does the key belong to the first certificate in the file, and is it stored without a password?"
        ) from error


def _load_ca(context: ssl.SSLContext, file: Path) -> None:
    try:
        context.load_verify_locations(file)
    except (OSError, ValueError) as error:
        raise CertificateUnusable(
            f"CA certificates {file}: {_words(error)}; is it a PEM file that this user may read?"
        ) from error


def _load_crl(context: ssl.SSLContext, file: Path) -> None:
    """Let certificates of the file's revocation lists be refused, and those of CAs without one (RFC 5280 6.3)."""
    before = context.cert_store_stats()
    try:
        context.load_verify_locations(file)
    except (OSError, ValueError) as error:
        raise CertificateUnusable(
            f"revocation lists {file}: {_words(error)}; is it a PEM file that this user may read?"
        ) from error
    after = context.cert_store_stats()
    if after["x509"] != before["x509"]:
        # What is loaded is trusted, and nobody who names a revocation list means that.
        raise CertificateUnusable(f"revocation lists {file}: there are certificates in it; they belong into `ca`")
    if after["crl"] == before["crl"]:
        raise CertificateUnusable(f"revocation lists {file}: there is none in it; a PEM file of them says X509 CRL")
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not usable").lower().replace("_", " ")
    return (isinstance(error, OSError) and error.strerror) or "not usable"
