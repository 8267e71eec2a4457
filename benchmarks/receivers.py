"""Receivers to compare, each a process of its own on free loopback ports, with a folder of its own.

Without TCP_NODELAY=1 DCMTK, and Orthanc, which uses it, answers with Nagle's algorithm on and falls to a few dozen
instances a second; a comparison with that would say nothing.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.blast import Door
from tests.certificates import Authority
from tests.dcmtk import dcmtk

_START_WITHIN_S = 60.0
_MOST_ASSOCIATIONS = 64


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A receiver that runs.

    Attributes:
        door: Where it listens.
        process: Of it.
        kept: The folder of what it was given, and of nothing else.
    """

    door: Door
    kept: Path
    process: subprocess.Popen[bytes]


@contextmanager
def wetread(folder: Path, *, fsync: str, tls: bool = False) -> Iterator[Receiver]:
    """Run `wetread node` with every check and its index; Redis is away, as it may be."""
    port, away = _free_port(), _free_port()
    lines = [
        f'data = "{folder}/data"',
        f'[broker]\nurl = "redis://127.0.0.1:{away}/0"',
        f'[node]\nport = {port}\nfsync = "{fsync}"\nmax_associations = {_MOST_ASSOCIATIONS}',
        "quiet_time_s = 86400\nassociation_hold_s = 86400\nhard_cap_s = 86400\nmin_free_bytes = 0",
    ]
    credentials = None
    if tls:
        port = _free_port()
        authority, own, senders = _certificates(folder)
        lines.append(f'[node.tls]\nport = {port}\ncertificate = "{own[0]}"\nkey = "{own[1]}"\nca = "{authority}"')
        credentials = (*senders, authority)
    settings = folder / "wetread.toml"
    settings.write_text("\n".join(lines))
    command = [sys.executable, "-P", "-m", "ops.cli", "node", "--settings", str(settings)]
    with _running(command, folder, port) as process:
        yield Receiver(door=Door(port=port, tls=credentials), kept=folder / "data" / "spool", process=process)


@contextmanager
def storescp(folder: Path, *, tls: bool = False) -> Iterator[Receiver]:
    """Run DCMTK's storescp as it is fastest: a process an association, large PDUs, bit preserving."""
    port, kept = _free_port(), folder / "kept"
    kept.mkdir()
    command = [dcmtk("storescp"), "--fork", "--max-pdu", "131072", "--bit-preserving", "-od", str(kept)]
    credentials = None
    if tls:
        authority, own, senders = _certificates(folder)
        command += ["+tls", str(own[1]), str(own[0]), "+cf", str(authority)]
        credentials = (*senders, authority)
    with _running([*command, str(port)], folder, port) as process:
        yield Receiver(door=Door(port=port, called="STORESCP", tls=credentials), kept=kept, process=process)


@contextmanager
def orthanc(folder: Path, *, fsync: bool) -> Iterator[Receiver]:
    """Run Orthanc with its SQLite index; SyncStorageArea, its default, syncs each file."""
    port, http_port = _free_port(), _free_port()
    settings = {
        "StorageDirectory": str(folder / "kept"),
        "IndexDirectory": str(folder / "index"),
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "DicomAlwaysAllowStore": True,
        "DicomCheckCalledAet": False,
        "DicomThreadsCount": _MOST_ASSOCIATIONS,
        "HttpPort": http_port,
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": False,
        "SyncStorageArea": fsync,
        "StableAge": 86400,
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(settings))
    program = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
    with _running([program, str(file)], folder, port) as process:
        yield Receiver(door=Door(port=port, called="ORTHANC"), kept=folder / "kept", process=process)


@contextmanager
def textbook(folder: Path) -> Iterator[Receiver]:
    """Run pynetdicom as its documentation shows it."""
    port, kept = _free_port(), folder / "kept"
    kept.mkdir()
    command = [sys.executable, "-m", "benchmarks.textbook_scp", str(port), str(kept)]
    with _running(command, folder, port) as process:
        yield Receiver(door=Door(port=port, called="TEXTBOOK"), kept=kept, process=process)


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "TCP_NODELAY": "1", "WETREAD_LOG_JSON": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + _START_WITHIN_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} does not listen: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _certificates(folder: Path) -> tuple[Path, tuple[Path, Path], tuple[Path, Path]]:
    """Return a CA, and certificate and key of a receiver and of its senders."""
    made = folder / "certificates"
    made.mkdir()
    authority = Authority(made)
    own, senders = authority.issue("receiver"), authority.issue("sender")
    return authority.file, (own.certificate, own.key), (senders.certificate, senders.key)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
