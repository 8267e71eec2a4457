"""Until when a file of certificates or revocation lists is good: the standard library verifies and shows no dates."""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_node.errors import CertificateUnusable

#: Less than this of a certificate, and it is warned of.
WARN_BELOW_DAYS = 30.0
#: Of a revocation list it is a part of its own time: many are made anew each day or week.
_WARN_BELOW_PART = 0.25

#: All that OpenSSL loads as one (openssl(1), "PEM_X509").
_PEM = re.compile("-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----(.*?)-----END \\1-----", re.DOTALL)
_PEM_LIST = re.compile("-----BEGIN X509 CRL-----(.*?)-----END X509 CRL-----", re.DOTALL)
_CONTEXT_0, _INTEGER, _SEQUENCE, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x02, 0x30, 0x17, 0x18
_LONG_FORM = 0x80
_TWO_DIGIT_YEARS_FROM = 1950  # RFC 5280 4.1.2.5.1


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a file has left.

    Attributes:
        days: Until the first of what is in it ends to be valid; then negative.
        soon: Whether something in it ends so soon, or has ended, that somebody must replace it.
    """

    days: float
    soon: bool


def left_of(file: Path, now: datetime) -> Left:
    """Return what a PEM file of certificates or revocation lists has left. Raises CertificateUnusable."""
    spans = _spans_of(file)
    return Left(
        days=(min(end for _, end in spans) - now) / timedelta(days=1), soon=any(warn_at < now for warn_at, _ in spans)
    )


def expiry_of(file: Path) -> datetime:
    """Return when the first of a PEM file's certificates and lists to expire does. Raises CertificateUnusable."""
    return min(end for _, end in _spans_of(file))


def _spans_of(file: Path) -> list[tuple[datetime, datetime]]:
    """Return of each certificate and list from when on it is warned of, and its end. Raises CertificateUnusable."""
    try:
        # What stands between the certificates may be in any encoding.
        return _spans_in(file.read_text(encoding="latin-1"))
    except OSError as error:
        raise CertificateUnusable(f"certificate {file}: {error.strerror}; may this user read it?") from error
    except (ValueError, IndexError) as error:
        raise CertificateUnusable(
            f"{file} is no PEM file of certificates or revocation lists; openssl x509 or crl -in {file} says more"
        ) from error


def _spans_in(text: str) -> list[tuple[datetime, datetime]]:
    ends = [not_after(base64.b64decode(block)) for _, block in _PEM.findall(text)]
    spans = [(end - timedelta(days=WARN_BELOW_DAYS), end) for end in ends]
    for block in _PEM_LIST.findall(text):
        since, end = updates(base64.b64decode(block))
        spans.append((end - _WARN_BELOW_PART * (end - since), end))
    if not spans:
        raise ValueError("nothing that ends")
    return spans


def not_after(certificate: bytes) -> datetime:
    """Return the end of validity of a certificate in DER (RFC 5280 4.1). Raises ValueError, IndexError."""
    _, whole = _elements(certificate)[0]  # of a trusted one, what it is trusted for follows
    _, signed = _elements(whole)[0]
    parts = _elements(signed)
    # version (left out in version 1), serialNumber, signature, issuer, validity
    tag, validity = parts[4 if parts[0][0] == _CONTEXT_0 else 3]
    if tag != _SEQUENCE:
        raise ValueError("a certificate without validity")
    _, (kind, end) = _elements(validity)
    return _time(kind, end.decode("ascii"))


def updates(revocation_list: bytes) -> tuple[datetime, datetime]:
    """Return from when and until when a revocation list in DER counts (RFC 5280 5.1). Raises ValueError, IndexError."""
    ((_, whole),) = _elements(revocation_list)
    _, signed = _elements(whole)[0]
    parts = _elements(signed)
    # version (left out in version 1), signature, issuer, thisUpdate, nextUpdate
    first = 3 if parts[0][0] == _INTEGER else 2
    (since_kind, since), (end_kind, end) = parts[first : first + 2]
    return _time(since_kind, since.decode("ascii")), _time(end_kind, end.decode("ascii"))


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
