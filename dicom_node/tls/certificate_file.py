"""Until when a file of certificates or revocation lists is good: the standard library verifies and shows no dates."""

import base64
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_node.errors import CertificateUnusable

#: Less than this, and the log warns at each start.
WARN_BELOW_DAYS = 30.0

_PEM = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PEM_LIST = re.compile("-----BEGIN X509 CRL-----(.*?)-----END X509 CRL-----", re.DOTALL)
_CONTEXT_0, _INTEGER, _SEQUENCE, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x02, 0x30, 0x17, 0x18
_LONG_FORM = 0x80
_TWO_DIGIT_YEARS_FROM = 1950  # RFC 5280 4.1.2.5.1


def days_left(file: Path, now: datetime) -> float:
    """Return the days until the first certificate or revocation list of a PEM file ends to be valid; then negative.

    Raises CertificateUnusable.
    """
    return (expiry_of(file) - now) / timedelta(days=1)


def expiry_of(file: Path) -> datetime:
    """Return when the first of a PEM file's certificates and lists to expire does. Raises CertificateUnusable."""
    try:
        # What stands between the certificates may be in any encoding.
        text = file.read_text(encoding="latin-1")
        ends = [not_after(ssl.PEM_cert_to_DER_cert(block)) for block in _PEM.findall(text)]
        return min([*ends, *(next_update(base64.b64decode(block)) for block in _PEM_LIST.findall(text))])
    except OSError as error:
        raise CertificateUnusable(f"certificate {file}: {error.strerror}; may this user read it?") from error
    except (ValueError, IndexError) as error:
        raise CertificateUnusable(
            f"{file} is no PEM file of certificates or revocation lists; openssl x509 or crl -in {file} says more"
        ) from error


def not_after(certificate: bytes) -> datetime:
    """Return the end of validity of a certificate in DER (RFC 5280 4.1). Raises ValueError, IndexError."""
    ((_, whole),) = _elements(certificate)
    _, signed = _elements(whole)[0]
    parts = _elements(signed)
    # version (left out in version 1), serialNumber, signature, issuer, validity
    tag, validity = parts[4 if parts[0][0] == _CONTEXT_0 else 3]
    if tag != _SEQUENCE:
        raise ValueError("a certificate without validity")
    _, (kind, end) = _elements(validity)
    return _time(kind, end.decode("ascii"))


def next_update(revocation_list: bytes) -> datetime:
    """Return until when a revocation list in DER counts (RFC 5280 5.1). Raises ValueError, IndexError."""
    ((_, whole),) = _elements(revocation_list)
    _, signed = _elements(whole)[0]
    parts = _elements(signed)
    # version (left out in version 1), signature, issuer, thisUpdate, nextUpdate
    kind, end = parts[4 if parts[0][0] == _INTEGER else 3]
    return _time(kind, end.decode("ascii"))


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Return the (tag, content) of each element (X.690 8.1)."""
    found: list[tuple[int, bytes]] = []
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length >= _LONG_FORM:
            count = length - _LONG_FORM
            length = int.from_bytes(data[position : position + count], "big")
            position += count
        if position + length > len(data):
            raise ValueError("an element longer than what holds it")
        found.append((tag, data[position : position + length]))
        position += length
    return found


def _time(kind: int, text: str) -> datetime:
    if kind == _GENERALIZED_TIME:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    if kind != _UTC_TIME:
        raise ValueError("validity is no time")
    century = "19" if int(text[:2]) >= _TWO_DIGIT_YEARS_FROM % 100 else "20"
    return datetime.strptime(century + text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
