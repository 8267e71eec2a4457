"""`wetread node` whose settings are TOML: over plain TCP and TLS on free ports, with its log as events."""

import json
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pynetdicom import AE, evt

from dicom_node.archives.requestor import connection_opened
from dicom_node.pynetdicom_switches import set_switches
from dicom_node.settings import Peer
from dicom_node.tls.tls_profile import client_context
from dicom_node.tls_settings import TlsClientSettings
from tests.certificates import Authority, Pair
from tests.faults.a_node import ANode


class NodeProcess(ANode):
    """One node in a folder, with wetread's own defaults, whose Redis is away: receiving does not need it."""

    def __init__(self, folder: Path, *, broker_port: int, wait_for: Callable[..., None] | None = None) -> None:
        """Take the folder and a port that nobody listens on; nothing is started yet, and it waits by itself."""
        del wait_for
        # Its port is free and known once it listens.
        super().__init__(folder, 1, environment={"WETREAD_LOG_JSON": "1"})
        self._head = {"data": str(self.data), "broker": {"url": f"redis://127.0.0.1:{broker_port}/0"}}

    def start(self, node: str = "") -> None:
        """Start it with this TOML under [node] and wait until it listens."""
        content = self._head | tomllib.loads(f"[node]\nport = 0\n{node}\n")
        self.settings_file.write_text(json.dumps(content))
        super().start()
        if "plain" in self._ports():
            self.peer = Peer(ae_title=self.peer.ae_title, host=self.peer.host, port=self.port)

    def _admits(self) -> bool:
        return True  # it may be told not to let us in

    def lives(self) -> bool:
        """Say whether the node's process runs."""
        return self.alive()

    def close(self) -> None:
        """Stop what is left."""
        self.__exit__()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of this name that it has logged."""
        lines = [line for line in self.log().splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def heard(self, name: str, reason: str) -> bool:
        """Say whether an event of this name gives this reason, with a remedy."""
        return any(reason in event["reason"] and event["remedy"] for event in self.events(name))

    @property
    def port(self) -> int:
        """The port without TLS."""
        return self._ports()["plain"]

    @property
    def tls_port(self) -> int:
        """The port with TLS."""
        return self._ports()["tls"]

    def _ports(self) -> Mapping[str, int]:
        ports: Mapping[str, int] = self.events("node receives")[-1]["ports"]
        return ports

    def instances(self) -> list[Path]:
        """Return what is kept in the spool."""
        return sorted(self.spool.rglob("*.dcm"))

    def dcmtk_tls(
        self, tool: str, *files: Path, own: Pair, authority: Authority, calling: str = "CT1"
    ) -> subprocess.CompletedProcess[str]:
        """Run a DCMTK client against the TLS port with this certificate, and this CA for the node's."""
        options = ("+tls", own.key, own.certificate, "+cf", authority.file)
        return self._dcmtk(tool, self.tls_port, files, ("-aet", calling, "-aec", "WETREAD", *options))

    @contextmanager
    def tls_association(self, own: Pair, authority: Authority, *contexts: Any, calling: str = "CT1") -> Iterator[Any]:
        """Hold an association over TLS."""
        set_switches()
        entity = AE(ae_title=calling)
        entity.requested_contexts = list(contexts)
        settings = TlsClientSettings(ca=authority.file, certificate=own.certificate, key=own.key)
        association = entity.associate(
            "localhost",
            self.tls_port,
            ae_title="WETREAD",
            evt_handlers=[(evt.EVT_CONN_OPEN, connection_opened)],
            tls_args=(client_context(settings), "localhost"),
        )
        assert association.is_established, self.log()
        try:
            yield association
        finally:
            association.release()


def tls_table(own: Pair, authority: Authority, **more: object) -> str:
    """Return the TOML of [node.tls] on a free port."""
    values = {"port": 0, "certificate": str(own.certificate), "key": str(own.key), "ca": str(authority.file), **more}
    return "[node.tls]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())


def peer_table(ae_title: str, *hosts: str, **more: object) -> str:
    """Return the TOML of an entry of [[node.peers]]."""
    values = {"ae_title": ae_title, "hosts": hosts, **more}
    return "[[node.peers]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
