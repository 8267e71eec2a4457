"""Who may call the node: application entities by AE title and host together, and by certificate where one is pinned."""

import functools
import ipaddress
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dicom_node.datasets.character_sets import terms_of, why_not_terms
from dicom_node.tls_settings import TlsClientSettings

_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)([.](?!-)[A-Za-z0-9_-]{1,63}(?<!-))*[.]?")
_FINGERPRINT = re.compile("[0-9a-f]{64}")
_LONGEST_NAME = 253  # RFC 1035 2.3.4
_REMEMBERED_HOSTS = 4096
_MAPPED_BITS = 96  # ::ffff:0:0/96, RFC 4291 2.5.5.2


@functools.lru_cache(maxsize=_REMEMBERED_HOSTS)  # each connection is compared with all that are listed
def network_of(host: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network that an entry of `hosts` means, None for a host name.

    ::ffff:192.0.2.7 is 192.0.2.7: so a log shows an IPv4 caller that came over a socket for both families.
    """
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


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


def _as_terms(value: object) -> object:
    return terms_of(value.split("\\")) if isinstance(value, str) else value


def _defined(value: tuple[str, ...]) -> tuple[str, ...]:
    problem = why_not_terms(value)
    if problem:
        raise ValueError(problem)
    return value


AETitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[!-\[\]-~]([ -\[\]-~]*[!-\[\]-~])?$")]
"""PS3.5 6.2, value representation AE: 1 to 16 characters, no backslash, no control characters, no space at the ends."""

Host = Annotated[str, AfterValidator(_host)]
"""``192.0.2.7``, ``192.0.2.0/24``, ``2001:db8::/32`` or ``ct1.example.org``."""

Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
"""SHA-256 of a certificate, with or without colons; kept as 64 lower-case digits."""


class ReportToSettings(BaseModel):
    """Where a peer takes reports of storage commitment, under its AE title."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1, description="address or host name")
    port: int = Field(ge=1, le=65535, description="port")
    tls: TlsClientSettings | None = None


CountsFrom = Annotated[str, Field(pattern=r"^([a-z0-9]+(-[a-z0-9]+)*|[^@]{1,16}@.+:[0-9]{1,5})?$", max_length=255)]
"""An archive: the name of a destination, ``AE@host:port``, or nothing."""


CharacterSet = Annotated[tuple[str, ...], BeforeValidator(_as_terms), AfterValidator(_defined)]
"""Values of Specific Character Set, as a list or as DICOM writes them: ``"ISO_IR 100"``, ``"\\\\ISO 2022 IR 87"``."""


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
    max_bytes: int | None = Field(
        default=None,
        ge=1,
        description="bytes of the spool that its instances may fill; more are refused (A700) until there is room again",
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
    quiet_time_s: float | None = Field(
        default=None, gt=0, description="instead of `node.quiet_time_s`; of several senders of a study the longest"
    )
    hard_cap_s: float | None = Field(
        default=None, gt=0, description="instead of `node.hard_cap_s`; of several senders of a study the longest"
    )
    counts_from: CountsFrom | None = Field(
        default=None,
        description='instead of `node.counts_from`, while the latest instance of a study is of this peer; "": nobody',
    )

    storage_commitment: bool = Field(
        default=False,
        description="whether it may ask the node to take responsibility for instances; it may then delete its only "
        "copy, so each start warns of it",
    )
    report_to: ReportToSettings | None = None

    assume_character_set: CharacterSet = Field(
        default=(),
        description="Specific Character Set that its objects are in, where what they declare is missing or cannot "
        'decode their names: Defined Terms, such as "ISO_IR 100" or ["", "ISO 2022 IR 87"]',
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.storage_commitment and self.report_to is None:
            raise ValueError(
                f"storage_commitment of {self.ae_title} needs [node.peers.report_to] with host and port: what it does "
                "not hear where it asked, it is told there"
            )
        return self

    @property
    def pinned(self) -> bool:
        """Whether it must show a certificate of its own."""
        return bool(self.certificate_sha256) or self.certificate_name is not None
