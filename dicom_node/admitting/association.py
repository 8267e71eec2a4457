"""Who may talk to us: a pure decision, with the standard's reasons (PS3.8 9.3.4)."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from dicom_node.peer_settings import PeerSettings, network_of
from dicom_node.settings import NodeSettings

#: Of callers that no entry lists, who may only ask C-ECHO: they take no place from those who bring images.
MOST_OPEN_ECHOES = 4


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a caller's certificate, verified in the TLS handshake, says of it.

    Attributes:
        sha256: Fingerprint, 64 lower-case hexadecimal digits.
        names: Common names of its subject, and DNS names of its subjectAltName.
    """

    sha256: str
    names: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks for an association.

    Attributes:
        calling_ae_title: As it names itself, without padding.
        called_ae_title: As it names us, without padding.
        address: Numeric, of the connection.
        certificate: That it showed; None over plain TCP, or where it showed none.
    """

    calling_ae_title: str
    called_ae_title: str
    address: str
    certificate: Certificate | None = None


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """Who is admitted now, the one that asks left out.

    Attributes:
        associations: All of them but the echoes.
        of_peer: By the AE title of a listed peer.
        echoes: Of callers that no entry lists.
    """

    associations: int = 0
    of_peer: Mapping[str, int] = field(default_factory=dict)
    echoes: int = 0


@dataclass(frozen=True, kw_only=True)
class Admission:
    """As whom a caller is admitted.

    Attributes:
        peer: AE title of the entry that lists it; "" for a caller of this machine or of a promiscuous node.
        echo_only: Whether it gets no context but Verification.
    """

    peer: str = ""
    echo_only: bool = False


class Rejection(Enum):
    """Why not: what was found, (result, source, reason) of the A-ASSOCIATE-RJ, and what to do about it."""

    CALLED_AE_TITLE_NOT_RECOGNISED = (
        "called AE title is not ours",
        (1, 1, 7),  # permanent, service user
        "let the caller call `node.ae_title`, or a name in `node.priority_ae_titles`",
    )
    CALLING_AE_TITLE_NOT_RECOGNISED = (
        "calling AE title is not listed",
        (1, 1, 3),  # permanent, service user
        "if it may call, list it under `[[node.peers]]` with its hosts",
    )
    #: The standard has no reason for hosts and certificates: no reason given.
    HOST_NOT_LISTED = (
        "calling AE title is listed for other hosts",
        (1, 1, 1),
        "if it may call from there, add the address to `hosts` of its `[[node.peers]]`",
    )
    CERTIFICATE_NOT_ITS = (
        "certificate is not the one of this AE title, or none was shown",
        (1, 1, 1),
        "compare its certificate with `certificate_sha256` and `certificate_name` of its `[[node.peers]]`",
    )
    LOCAL_LIMIT_EXCEEDED = (
        "too many associations at once",
        (2, 3, 2),  # transient, service provider (presentation)
        "nothing: it tries again; or raise `node.max_associations`",
    )
    ECHO_LIMIT_EXCEEDED = (
        "too many callers at once that no entry lists, and that may only ask C-ECHO",
        (2, 3, 2),
        "nothing: it tries again; if it is one of yours, list it under `[[node.peers]]`, and this limit is not for it",
    )
    PEER_LIMIT_EXCEEDED = (
        "too many associations of this peer at once",
        (2, 3, 2),
        "nothing: it tries again; or raise `max_associations` of its `[[node.peers]]`",
    )

    @property
    def found(self) -> str:
        """What was found, in words."""
        return self.value[0]

    @property
    def answer(self) -> tuple[int, int, int]:
        """Result, source and reason of the A-ASSOCIATE-RJ."""
        return self.value[1]

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return self.value[2]


def is_strange(address: str, settings: NodeSettings, addresses: Mapping[str, frozenset[str]]) -> bool:
    """Say whether nobody may call from an address, under whatever AE title, but for a C-ECHO that is open to all."""
    try:
        here = plain_address(address).is_loopback
    except ValueError:
        return True  # no address at all
    if settings.promiscuous or (settings.loopback and here):
        return False
    return not any(_host_listed(address, peer.hosts, addresses) for peer in settings.peers)


def judge(
    caller: Caller, settings: NodeSettings, *, admitted: Admitted, addresses: Mapping[str, frozenset[str]]
) -> Admission | Rejection:
    """Return as whom the caller is admitted, or why it is not.

    Args:
        caller: Who asks.
        settings: Whom the site allows.
        admitted: Who is admitted already.
        addresses: Of the host names in the settings, as far as they are known.
    """
    if caller.called_ae_title not in settings.called_ae_titles:
        return Rejection.CALLED_AE_TITLE_NOT_RECOGNISED
    peer = next((peer for peer in settings.peers if peer.ae_title == caller.calling_ae_title), None)
    verdict = _unlisted(caller, settings) if peer is None else _listed(caller, peer, settings, addresses)
    # Never to who calls under a listed AE title from elsewhere, or with another certificate: that is no stranger.
    if verdict is Rejection.CALLING_AE_TITLE_NOT_RECOGNISED and settings.open_echo:
        verdict = Admission(echo_only=True)
    if isinstance(verdict, Rejection):
        return verdict
    return _too_many(verdict, peer, settings, admitted) or verdict


def _unlisted(caller: Caller, settings: NodeSettings) -> Admission | Rejection:
    if settings.promiscuous or (settings.loopback and plain_address(caller.address).is_loopback):
        return Admission()
    return Rejection.CALLING_AE_TITLE_NOT_RECOGNISED


def _listed(
    caller: Caller, peer: PeerSettings, settings: NodeSettings, addresses: Mapping[str, frozenset[str]]
) -> Admission | Rejection:
    if not settings.promiscuous and not _host_listed(caller.address, peer.hosts, addresses):
        return Rejection.HOST_NOT_LISTED
    if peer.pinned and not _has_pin(caller.certificate, peer):
        return Rejection.CERTIFICATE_NOT_ITS
    return Admission(peer=peer.ae_title)


def _too_many(
    admission: Admission, peer: PeerSettings | None, settings: NodeSettings, admitted: Admitted
) -> Rejection | None:
    if admission.echo_only:
        return Rejection.ECHO_LIMIT_EXCEEDED if admitted.echoes >= MOST_OPEN_ECHOES else None
    if admitted.associations >= settings.max_associations:
        return Rejection.LOCAL_LIMIT_EXCEEDED
    most = None if peer is None else peer.max_associations
    if most is not None and admitted.of_peer.get(admission.peer, 0) >= most:
        return Rejection.PEER_LIMIT_EXCEEDED
    return None


def _host_listed(address: str, hosts: tuple[str, ...], addresses: Mapping[str, frozenset[str]]) -> bool:
    caller = plain_address(address)
    for host in hosts:
        network = network_of(host)
        if network is not None and caller in network:
            return True
        if network is None and str(caller) in addresses.get(host, ()):
            return True
    return False


def _has_pin(certificate: Certificate | None, peer: PeerSettings) -> bool:
    """Say whether a certificate is one of the peer's; where both are pinned, both must fit."""
    if certificate is None:
        return False
    if peer.certificate_sha256 and certificate.sha256 not in peer.certificate_sha256:
        return False
    return peer.certificate_name is None or peer.certificate_name in certificate.names


def plain_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address without its zone; a socket for both families shows an IPv4 caller as ::ffff:192.0.2.7."""
    host = ipaddress.ip_address(address.partition("%")[0])
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return mapped or host
