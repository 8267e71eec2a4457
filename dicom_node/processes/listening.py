"""The sockets that callers reach: bound once, then served by as many processes as there are."""

import errno
import socket
from collections.abc import Mapping
from contextlib import ExitStack

from dicom_node.errors import ListenFailed
from dicom_node.settings import NodeSettings

#: A burst of senders waits here for a moment instead of being refused by the system.
_QUEUE = 128
#: What may be wrong, by the system's word.
_LIKELY: Mapping[int | None, str] = {
    errno.EADDRINUSE: "does another node, or another program, run there?",
    errno.EACCES: "a port below 1024 needs CAP_NET_BIND_SERVICE, as docs/install.md gives it; or choose another port",
}


def listen(settings: NodeSettings) -> dict[str, socket.socket]:
    """Listen on the ports of the settings: "plain", "tls", or both, all or none of them. Raises ListenFailed."""
    ports: dict[str, int] = {}
    if settings.plain:
        ports["plain"] = settings.port
    if settings.tls is not None:
        ports["tls"] = settings.tls.port
    with ExitStack() as failed:
        sockets = {name: failed.enter_context(_listening(settings.host, port)) for name, port in ports.items()}
        failed.pop_all()
    return sockets


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with ExitStack() as failed:
            listening = failed.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_QUEUE)
            # Whoever finds that another process was faster must not wait for the next caller.
            listening.settimeout(0.0)
            failed.pop_all()
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        likely = _LIKELY.get(error.errno, "is `node.host` an address, or a name, of this machine?")
        raise ListenFailed(f"cannot listen on {where} ({error.strerror}): {likely}") from error
    return listening
