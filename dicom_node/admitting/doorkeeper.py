"""Who is in: admits callers by the rules and counts them, over all receiving processes."""

import threading
from collections import Counter
from typing import Protocol

import structlog

from dicom_node.admitting.association import Admission, Admitted, Caller, Rejection, judge
from dicom_node.admitting.host_names import HostNames
from dicom_node.settings import NodeSettings

_log = structlog.get_logger()


class Admitting(Protocol):
    """Whom a node asks about a caller, and tells when it is gone."""

    def admit(self, caller: Caller, association: str) -> Admission | Rejection:
        """Return as whom the caller is admitted, from now on under this name, or why it is not."""

    def leave(self, association: str) -> None:
        """Let an association go, if it was admitted."""


_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


class Doorkeeper:
    """Admits by `dicom_node.admitting.association.judge`; safe for many threads."""

    def __init__(self, settings: NodeSettings) -> None:
        """Take whom the site allows."""
        self._settings = settings
        self._lock = threading.Lock()
        self._inside: dict[str, Admission] = {}
        self._host_names = HostNames.of_peers(settings.peers)

    def start(self) -> None:
        """Resolve the host names of peers from now on; warn of a node that admits anybody, or that nobody can reach."""
        if self._settings.promiscuous:
            _log.warning(
                "promiscuous: any AE title of any host is admitted",
                remedy="list the peers under [[node.peers]] and take `promiscuous` out of the settings",
            )
        if self._settings.peers and self._settings.host in _THIS_MACHINE:
            _log.warning(
                "the node listens for callers of this machine alone",
                host=self._settings.host,
                remedy="peers elsewhere do not reach it: set `node.host` to 0.0.0.0, or to the address that they call",
            )
        self._host_names.start()

    def stop(self) -> None:
        """Resolve no longer."""
        self._host_names.stop()

    def admit(self, caller: Caller, association: str) -> Admission | Rejection:
        """Judge a caller, and count it if it is admitted."""
        addresses = self._host_names.addresses
        with self._lock:
            verdict = judge(caller, self._settings, admitted=self._admitted(), addresses=addresses)
            if isinstance(verdict, Admission):
                self._inside[association] = verdict
        return verdict

    def leave(self, association: str) -> None:
        """Count an association no longer."""
        with self._lock:
            self._inside.pop(association, None)

    def _admitted(self) -> Admitted:
        admissions = self._inside.values()
        echoes = sum(admission.echo_only for admission in admissions)
        return Admitted(
            associations=len(admissions) - echoes,
            of_peer=Counter(admission.peer for admission in admissions),
            echoes=echoes,
        )
