"""`wetread node` alone as a real process, over plain TCP and TLS, with DCMTK as its peers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pynetdicom import AE

from dicom_node.pynetdicom_switches import set_switches
from dicom_node.settings import TlsClientSettings
from dicom_node.tls import client_context
from tests.certificates import Authority, Pair
from tests.dcmtk import dcmtk


class NodeProcess:
    """One node in a folder, whose Redis is away: receiving does not need it.

    Attributes:
        spool: Where it keeps instances.
    """

    def __init__(self, folder: Path, *, broker_port: int, wait_for: Callable[..., None]) -> None:
        """Take the folder and a port that nobody listens on; nothing is started yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self._settings, self._log = folder / "wetread.toml", folder / "node.log"
        self.spool = folder / "data" / "spool"
        self._head = f'data = "{folder / "data"}"\n[broker]\nurl = "redis://127.0.0.1:{broker_port}/0"\n'
        self._wait_for = wait_for
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, node: str) -> None:
        """Start it with this TOML under [node] and wait until it listens."""
        self._settings.write_text(f"{self._head}\n[node]\nport = 0\n{node}\n")
        before = len(self.events("node receives"))
        self.start_part("node")
        self._wait_for(lambda: len(self.events("node receives")) > before or not self.lives(), what="the node listens")
        assert self.lives(), self.log()

    def start_part(self, part: str) -> None:
        """Start a part of wetread with the node's settings."""
        with self._log.open("ab") as log:
            self._processes[part] = subprocess.Popen(
                [sys.executable, "-P", "-m", "ops.cli", part, "--settings", str(self._settings)],
                stdout=log,
                stderr=log,
                env={**os.environ, "WETREAD_LOG_JSON": "1"},
            )

    @property
    def pid(self) -> int:
        """The process id of the node."""
        return self._processes["node"].pid

    def lives(self) -> bool:
        """Say whether the node's process runs."""
        return self._processes["node"].poll() is None

    def stop(self, part: str = "node") -> int:
        """Stop a part with SIGTERM; return its exit code."""
        process = self._processes.pop(part)
        process.terminate()
        try:
            return process.wait(timeout=60)
        finally:
            process.kill()

    def close(self) -> None:
        """Stop what is left."""
        for part in list(self._processes):
            self.stop(part)

    def log(self) -> str:
        """Return what it has logged."""
        return self._log.read_text() if self._log.exists() else ""

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

    def dcmtk(
        self, tool: str, *files: Path, calling: str = "CT1", called: str = "WETREAD", options: tuple[object, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a DCMTK client against the port without TLS."""
        return self._run(tool, self.port, files, ("-aet", calling, "-aec", called, *options))

    def dcmtk_tls(
        self, tool: str, *files: Path, own: Pair, authority: Authority, calling: str = "CT1"
    ) -> subprocess.CompletedProcess[str]:
        """Run a DCMTK client against the TLS port with this certificate, and this CA for the node's."""
        options = ("+tls", own.key, own.certificate, "+cf", authority.file)
        return self._run(tool, self.tls_port, files, ("-aet", calling, "-aec", "WETREAD", *options))

    def _run(
        self, tool: str, port: int, files: tuple[Path, ...], options: tuple[object, ...]
    ) -> subprocess.CompletedProcess[str]:
        command = [dcmtk(tool), "-v", *options, "localhost", port, *files]
        return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False)

    @contextmanager
    def tls_association(self, own: Pair, authority: Authority, *contexts: Any, calling: str = "CT1") -> Iterator[Any]:
        """Hold an association over TLS."""
        set_switches()
        entity = AE(ae_title=calling)
        entity.requested_contexts = list(contexts)
        settings = TlsClientSettings(ca=authority.file, certificate=own.certificate, key=own.key)
        association = entity.associate(
            "localhost", self.tls_port, ae_title="WETREAD", tls_args=(client_context(settings), "localhost")
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
