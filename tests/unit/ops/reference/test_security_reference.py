"""The documentation of who may call, and of TLS, is what the code says."""

import ssl
from pathlib import Path

from ops.reference.security_reference import replaced, tls

DOCUMENT = Path(__file__).parents[4] / "docs" / "conformance.md"


def test_the_document_has_the_tables_of_the_code() -> None:
    """docs/conformance.md is up to date; otherwise: make docs."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert replaced(document) == document


def test_the_cipher_suites_of_tls_1_3_are_openssls() -> None:
    """OpenSSL takes those of TLS 1.3 by itself; the document names them all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_1_3 = {str(cipher["name"]) for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.3"}
    assert of_1_3
    assert all(name in tls() for name in of_1_3)
