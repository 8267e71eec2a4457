"""Who may call the node: application entities by AE title and host together, and by certificate where one is pinned."""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)([.](?!-)[A-Za-z0-9_-]{1,63}(?<!-))*[.]?")
_FINGERPRINT = re.compile("[0-9a-f]{64}")
_LONGEST_NAME = 253  # RFC 1035 2.3.4


def network_of(host: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network that an entry of `hosts` means, None for a host name."""
    try:
        return ipaddress.ip_network(host, strict=False)
    except ValueError:
        return None


def _host(value: str) -> str:
    if network_of(value) is not None:
        return value
    numeric = value.rstrip(".").rpartition(".")[2].isdigit()
    if numeric or len(value) > _LONGEST_NAME or not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no address, no network (192.0.2.0/24) and no host name")
    return value


def _fingerprint(value: str) -> str:
    digits = value.replace(":", "").lower()
    if not _FINGERPRINT.fullmatch(digits):
        raise ValueError(
            "a SHA-256 fingerprint has 64 hexadecimal digits: openssl x509 -in CERTIFICATE -noout -fingerprint -sha256"
        )
    return digits


AETitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[!-\[\]-~]([ -\[\]-~]*[!-\[\]-~])?$")]
"""PS3.5 6.2, value representation AE: 1 to 16 characters, no backslash, no control characters, no space at the ends."""

Host = Annotated[str, AfterValidator(_host)]
"""``192.0.2.7``, ``192.0.2.0/24``, ``2001:db8::/32`` or ``ct1.example.org``."""

Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
"""SHA-256 of a certificate, with or without colons; kept as 64 lower-case digits."""


PriorityName = Literal["stat", "urgent", "routine", "backlog"]
"""How urgent a study is, in the settings and on the command line."""


class PeerSettings(BaseModel):
    """An application entity that may call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ae_title: AETitle = Field(description="under which it calls; no other host may call under it")
    hosts: tuple[Host, ...] = Field(
        min_length=1, description="from where: addresses, networks such as 192.0.2.0/24, or host names"
    )
    max_associations: int | None = Field(
        default=None, ge=1, le=1024, description="more at once than these are rejected for the moment"
    )
    priority: PriorityName | None = Field(
        default=None, description="of the studies that it sends: stat, urgent, routine or backlog"
    )
    certificate_sha256: tuple[Fingerprint, ...] = Field(
        default=(), description="fingerprints of its certificates (two while one is renewed); then it must use TLS"
    )
    certificate_name: str | None = Field(
        default=None,
        min_length=1,
        description="common name, or DNS name (subjectAltName), that its certificate must have; then it must use TLS",
    )

    @property
    def pinned(self) -> bool:
        """Whether it must show a certificate of its own."""
        return bool(self.certificate_sha256) or self.certificate_name is not None
