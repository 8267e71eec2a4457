"""Who may talk to us: a pure decision, with the standard's reasons (PS3.8 9.3.4)."""

import ipaddress
from dataclasses import dataclass
from enum import Enum

from dicom_node.settings import NodeSettings


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks for an association.

    Attributes:
        calling_ae_title: As it names itself, without padding.
        called_ae_title: As it names us, without padding.
        address: Numeric, of the connection.
    """

    calling_ae_title: str
    called_ae_title: str
    address: str


class Rejection(Enum):
    """Why not: (result, source, reason) of an A-ASSOCIATE-RJ."""

    HOST_NOT_ALLOWED = (1, 1, 1)  #: permanent, service user, no reason given: the standard has none for hosts
    CALLED_AE_TITLE_NOT_RECOGNISED = (1, 1, 7)  #: permanent, service user
    CALLING_AE_TITLE_NOT_RECOGNISED = (1, 1, 3)  #: permanent, service user
    LOCAL_LIMIT_EXCEEDED = (2, 3, 2)  #: transient, presentation layer


def judge(caller: Caller, settings: NodeSettings, *, open_associations: int) -> Rejection | None:
    """Return why the caller is rejected, or None if it is admitted.

    Args:
        caller: Who asks.
        settings: Whom the site allows.
        open_associations: Admitted and not ended yet, without this one.
    """
    if not _host_allowed(caller.address, settings.peer_hosts):
        return Rejection.HOST_NOT_ALLOWED
    if caller.called_ae_title != settings.ae_title:
        return Rejection.CALLED_AE_TITLE_NOT_RECOGNISED
    if "*" not in settings.calling_ae_titles and caller.calling_ae_title not in settings.calling_ae_titles:
        return Rejection.CALLING_AE_TITLE_NOT_RECOGNISED
    if open_associations >= settings.max_associations:
        return Rejection.LOCAL_LIMIT_EXCEEDED
    return None


def _host_allowed(address: str, networks: tuple[str, ...]) -> bool:
    host = ipaddress.ip_address(address.partition("%")[0])
    # A socket for both families shows an IPv4 caller as ::ffff:192.0.2.7.
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return any((mapped or host) in ipaddress.ip_network(network, strict=False) for network in networks)
