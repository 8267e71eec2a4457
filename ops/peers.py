"""Peers as they are typed: AE@host:port, or the name of a destination in the settings."""

import re
from collections.abc import Callable

from pydantic import TypeAdapter, ValidationError

from dicom_node.peer_settings import AETitle
from dicom_node.settings import Peer
from dicom_node.tls_settings import TlsClientSettings
from ops.settings import Settings, SettingsError
from worker.delivery.destination_settings import DicomDestinationSettings

_USUAL_PORTS = {"node.port": 11112, "node.tls.port": 2762, "web.port": 8080}
_ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104  # compared, not bound


def our_title(typed: str) -> str:
    """Return an AE title that somebody typed. Raises SettingsError."""
    try:
        return TypeAdapter(AETitle).validate_python(typed)
    except ValidationError as error:
        raise SettingsError(
            f"{typed!r} is no AE title: 1 to 16 characters of ASCII, no backslash, no space at the ends"
        ) from error


def parse_peer(text: str) -> Peer:
    """Read AE@host:port. Raises SettingsError."""
    match = re.fullmatch(r"([^@]{1,16})@(.+):(\d{1,5})", text)
    try:
        if match is not None:
            return Peer(ae_title=match[1], host=match[2], port=int(match[3]))
    except ValidationError as error:
        problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise SettingsError(f"{text!r} is no peer, {problems}; write AE@host:port") from error
    raise SettingsError(f"{text!r} is no peer: write AE@host:port, such as WETREAD@127.0.0.1:11112")


def peer_named(text: str, settings: Callable[[], Settings]) -> Peer:
    """Return the peer that somebody typed; the settings are read for a name only. Raises SettingsError."""
    if "@" in text:
        return parse_peer(text)
    known = archives_in(settings())
    if text not in known:
        names = f"; the settings name {', '.join(known)}" if known else "; the settings name no DICOM destination"
        raise SettingsError(f"{text!r} is no peer: write AE@host:port, such as WETREAD@127.0.0.1:11112{names}")
    return known[text]


def archives_in(settings: Settings) -> dict[str, Peer]:
    """Return the archives that the settings name and that speak DIMSE."""
    return {item.name: item.peer for item in settings.each_destination if isinstance(item, DicomDestinationSettings)}


def our_node(settings: Settings) -> Peer:
    """Return our own node as this machine reaches it: by TLS where it listens with nothing else.

    It shows itself its own certificate then, which must be one for clients too, and whose names must have the host.

    Raises SettingsError where its port is 0, which nobody else can know.
    """
    node = settings.node
    anywhere = node.host in _ANY_ADDRESS
    require_known_port("node.port" if node.plain else "node.tls.port", our_port(settings))
    if node.plain or node.tls is None:
        return Peer(ae_title=node.ae_title, host="127.0.0.1" if anywhere else node.host, port=node.port)
    return Peer(
        ae_title=node.ae_title,
        host="localhost" if anywhere else node.host,
        port=node.tls.port,
        tls=TlsClientSettings(ca=node.tls.ca, certificate=node.tls.certificate, key=node.tls.key),
    )


def our_port(settings: Settings) -> int:
    """Return the port that callers of our node use: the one without TLS, where there is one."""
    node = settings.node
    return node.port if node.plain or node.tls is None else node.tls.port


def require_known_port(key: str, port: int) -> None:
    """Raise SettingsError where a port is any free one, and somebody else must know it."""
    if port == 0:
        raise SettingsError(
            f"{key} is 0, any free port, which nobody but that part's own log knows; choose one, such as "
            f"WETREAD_{key.upper().replace('.', '__')}={_USUAL_PORTS[key]}"
        )
