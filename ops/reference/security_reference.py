"""The tables of docs/conformance.md about callers and TLS, made from the code, so that they cannot differ."""

from dicom_node.admitting.association import Rejection
from dicom_node.tls.handshake_failures import FAILURES, MEND_CERTIFICATE
from dicom_node.tls.tls_profile import CIPHER_SUITES, MINIMUM_VERSION, REVOCATION
from ops.reference.generated_section import rewrite, with_section

#: OpenSSL's, none of which B.12 forbids.
_OF_1_3 = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256")
# PS3.8 9.3.4.
_RESULTS = {1: "permanent", 2: "transient"}
_REASONS = {
    (1, 1): "service user, no reason given",
    (1, 3): "service user, calling AE title not recognised",
    (1, 7): "service user, called AE title not recognised",
    (3, 2): "service provider (presentation), local limit exceeded",
}


def admission() -> str:
    """Return the table of rejections, in Markdown."""
    rows = []
    for rejection in Rejection:
        result, source, reason = rejection.answer
        rows.append(
            f"| {rejection.found} | {_RESULTS[result]}, {_REASONS[source, reason]} ({result}, {source}, {reason}) "
            f"| {rejection.remedy} |"
        )
    return "\n".join(["| found | rejected with | what to do |", "|---|---|---|", *rows])


def tls() -> str:
    """Return the tables of the profile and of failed handshakes, in Markdown."""
    version = MINIMUM_VERSION.name.removeprefix("TLSv").replace("_", ".")
    causes = dict.fromkeys(FAILURES.values())
    return "\n".join(
        [
            "| | |",
            "|---|---|",
            f"| versions | {version} and newer, 1.3 where the other side offers it |",
            f"| cipher suites of TLS 1.2 | {', '.join(CIPHER_SUITES.values())} |",
            f"| cipher suites of TLS 1.3 | {', '.join(_OF_1_3)} |",
            "",
            "| why a handshake fails, as the log says it | what to do |",
            "|---|---|",
            f"| its certificate was refused: … (expired, not yet valid, of an unknown CA) | {MEND_CERTIFICATE} |",
            *(f"| its certificate was refused: {found} | {remedy} |" for found, remedy in REVOCATION.values()),
            *(f"| {found} | {remedy} |" for found, remedy in causes),
        ]
    )


def replaced(document: str) -> str:
    """Return the document with its tables as they should be."""
    return with_section(with_section(document, "admission", admission()), "tls", tls())


if __name__ == "__main__":
    rewrite(replaced)
