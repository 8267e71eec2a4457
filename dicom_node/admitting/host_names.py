"""Addresses of the host names that the settings list, asked for beside the accept path: a resolver may take seconds."""

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Self

import structlog

from dicom_node import clock as clocks
from dicom_node.peer_settings import PeerSettings, network_of

_log = structlog.get_logger()

Resolve = Callable[[str], frozenset[str]]

#: How often each name is asked for.
REFRESH_S = 60.0
#: An answer counts for so long while the resolver gives no other: a name server's outage must not stop a department.
EXPIRY_S = 3600.0
#: How long a start waits for the first answers.
_FIRST_ANSWERS_S = 5.0


def resolve(name: str) -> frozenset[str]:
    """Return the numeric addresses of a host name. Raises OSError."""
    return frozenset(
        str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    )


class HostNames:
    """Resolves names again and again in a thread of its own; reading the addresses never waits."""

    def __init__(
        self,
        names: Iterable[str],
        *,
        resolver: Resolve = resolve,
        clock: clocks.Clock = clocks.MONOTONIC,
        quiet: bool = False,
    ) -> None:
        """Take the names, and who resolves one; `quiet` where another process of the node tells of its troubles."""
        self._names = tuple(dict.fromkeys(names))
        self._resolver = resolver
        self._clock = clock
        self._quiet = quiet
        self._found: dict[str, tuple[float, frozenset[str]]] = {}
        self._unknown: set[str] = set()
        self._asked = threading.Event()
        self._stop = threading.Event()

    @property
    def addresses(self) -> Mapping[str, frozenset[str]]:
        """The addresses of each name that is known and not expired."""
        now = self._clock.now()
        return {name: found for name, (at, found) in tuple(self._found.items()) if now - at <= EXPIRY_S}

    @classmethod
    def of_peers(cls, peers: Iterable[PeerSettings], *, quiet: bool = False) -> Self:
        """Return those that entries of the settings list."""
        return cls((host for peer in peers for host in peer.hosts if network_of(host) is None), quiet=quiet)

    def start(self) -> None:
        """Resolve from now on; wait a moment for the first answers. Without names there is nothing to do."""
        self._stop.clear()
        if self._names:
            threading.Thread(target=self._run, name="host-names", daemon=True).start()
            self._asked.wait(_FIRST_ANSWERS_S)

    def stop(self) -> None:
        """Resolve no longer; a question that is under way is not waited for."""
        self._stop.set()

    def refresh(self) -> None:
        """Ask for every name once."""
        for name in self._names:
            try:
                self._found[name] = (self._clock.now(), self._resolver(name))
                self._unknown.discard(name)
            except (OSError, UnicodeError) as error:
                if name not in self._unknown and not self._quiet:
                    _log.warning(
                        "host name not resolved",
                        host=name,
                        cause=str(error),
                        remedy="is it spelt right, and does the name server answer? Callers from there are rejected "
                        "unless it was known within the last hour; an address in its place needs no name server",
                    )
                self._unknown.add(name)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.refresh()
            self._asked.set()
            self._stop.wait(REFRESH_S)
