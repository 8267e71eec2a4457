"""A real `wetread node` process: started, watched through /proc, and ended; for tests that do it harm."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest

from dicom_node.archives.archive import DicomArchive
from dicom_node.archives.sender import StoreOutcome, send
from dicom_node.datasets.part10 import dataset_digest
from dicom_node.errors import NodeError
from dicom_node.settings import Peer
from dicom_node.tls_settings import TlsClientSettings
from tests.dcmtk import dcmtk
from tests.stack import tree
from worker.jobs.admin_rows import JobRow
from worker.ledger.ledger import Ledger

_START_S = 90.0
#: `stop_grace_period` in docker-compose.yml: who takes longer is killed, here as there.
_STOP_S = 60.0
_PAUSE_S = 0.05


class ANode:
    """`wetread node` as a process of its own, without a broker: what it queues waits in its ledger.

    Attributes:
        folder: What it is given, and nothing of the test's own is in it.
        peer: Where it listens.
        ledger_url: Where its ledger is.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        program: Sequence[str] = ("-m", "ops.cli", "node"),
        environment: Mapping[str, str] | None = None,
        worker: Mapping[str, Any] | None = None,
        tls_client: TlsClientSettings | None = None,
        ledger_url: str = "",
        **settings: Any,
    ) -> None:
        """Prepare one.

        Args:
            folder: Of its own.
            port: It listens there.
            program: Python's arguments, where something else than `wetread node` is to be run with its settings.
            environment: Added to ours.
            worker: Settings of the section `worker`.
            tls_client: How it is called, where `port` is the one of its TLS.
            ledger_url: Where its ledger is, where that is not in its data directory.
            settings: Of the section `node`.
        """
        self.folder = folder
        self.peer = Peer(ae_title="WETREAD", host="127.0.0.1", port=port, tls=tls_client)
        self._program = program
        self.ledger_url = ledger_url or f"sqlite:///{self.data}/ledger.sqlite3"
        self._environment = environment or {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.settings_file = folder / "wetread.json"
        self._log = folder / "node.log"
        values = {"port": port, "quiet_time_s": 0.5, "association_hold_s": 0.5, "min_free_bytes": 0, **settings}
        # Nobody listens on port 1: a node receives whether or not there is a broker.
        content = {"data": str(self.data), "node": values, "broker": {"url": "redis://127.0.0.1:1/0"}}
        if worker:
            content["worker"] = worker
        if ledger_url:
            content["ledger"] = {"url": ledger_url}
        self.settings_file.write_text(json.dumps(content))

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_ignored: object) -> None:
        """Stop it, in whatever state it is, and what was started beside it."""
        for part in list(self._processes):
            self.stop(part)

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    @property
    def spool(self) -> Path:
        """Its spool."""
        return self.data / "spool"

    @property
    def pid(self) -> int:
        """Of the process that was started; others may be below it."""
        return self._processes["node"].pid

    def start(self) -> None:
        """Start it and wait until it answers a C-ECHO, and all of its processes serve."""
        started = self._serving()
        process = self._run("node", *self._program)
        deadline = time.monotonic() + _START_S
        while self._serving() == started or not self._admits():
            if time.monotonic() > deadline or process.poll() is not None:
                pytest.fail(f"the node did not start:\n{self.log()[-3000:]}")
            time.sleep(_PAUSE_S)

    def start_part(self, part: str) -> None:
        """Start another part of wetread with its settings."""
        self._run(part, "-m", "ops.cli", part)

    def _run(self, part: str, *program: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            self._processes[part] = subprocess.Popen(
                [sys.executable, "-P", *program, "--settings", str(self.settings_file)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self._environment},
            )
        return self._processes[part]

    def stop(self, part: str = "node") -> int:
        """Stop it, or another part, with SIGTERM; return the exit code."""
        process = self._processes.pop(part)
        process.terminate()
        try:
            return process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def kill(self) -> None:
        """End it and all that it started with SIGKILL, as a power cut would."""
        process = self._processes.pop("node")
        # Stopped first: those below it hear of its death, and would end in order.
        process.send_signal(signal.SIGSTOP)
        below = [pid for pid in tree(process.pid) if pid != process.pid]
        for pid in (*below, process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + _STOP_S
        while any(_runs(pid) for pid in below):
            assert time.monotonic() < deadline, "processes outlive SIGKILL"
            time.sleep(_PAUSE_S)

    def kill_first(self) -> None:
        """End its first process with SIGKILL; those below it hear of that, and end in order."""
        process = self._processes.pop("node")
        process.kill()
        process.wait()

    def receivers(self) -> list[int]:
        """Return its receiving processes."""
        own, *below = tree(self.pid)
        return [pid for pid in below if pid != own]

    def alive(self) -> bool:
        """Say whether the process that was started still runs."""
        return "node" in self._processes and self._processes["node"].poll() is None

    def answers(self) -> bool:
        """Say whether it answers a C-ECHO."""
        try:
            DicomArchive(self.peer, "TEST", connect_timeout_s=5, acse_timeout_s=10).echo()
        except NodeError:
            return False
        return True

    def _admits(self) -> bool:
        """Say whether it answers to who starts it."""
        return self.answers()

    def log(self) -> str:
        """Return what it has logged."""
        return self._log.read_text() if self._log.exists() else ""

    def _serving(self) -> int:
        """Return how often all of its processes have come to serve."""
        return self.log().count("node receives")

    # What it costs, all of its processes together.

    def resident_kib(self) -> int:
        """Return its resident memory."""
        return sum(int(line.split()[1]) for line in self._status() if line.startswith("VmRSS:"))

    def threads(self) -> int:
        """Return how many threads it has."""
        return sum(int(line.split()[1]) for line in self._status() if line.startswith("Threads:"))

    def descriptors(self) -> int:
        """Return how many files and sockets it has open."""
        return len(self.open_files())

    def open_files(self) -> list[str]:
        """Return what it has open, the ledger's files left out: the connections in its pool come and go."""
        found = []
        for pid in tree(self.pid):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(FileNotFoundError):
                    found.append(str(descriptor.readlink()))
        return sorted(link for link in found if "ledger.sqlite3" not in link)

    def _status(self) -> list[str]:
        return [line for pid in tree(self.pid) for line in Path(f"/proc/{pid}/status").read_text().splitlines()]

    # What it has.

    def files(self) -> list[Path]:
        """Return every file in its spool, half-written ones too."""
        return sorted(path for path in self.spool.rglob("*") if path.is_file())

    def digests(self) -> list[str]:
        """Return the digests of all datasets in its spool."""
        return sorted(map(dataset_digest, self.files()))

    def jobs(self) -> list[JobRow]:
        """Return the jobs in its ledger."""
        ledger = Ledger.open(self.ledger_url)
        try:
            return ledger.jobs()
        finally:
            ledger.close()

    def completions(self, study_uid: str) -> list[int]:
        """Return, for each revision of a study that has been closed, how many instances it has."""
        ledger = Ledger.open(self.ledger_url)
        try:
            events = ledger.timeline(study_uid)
        finally:
            ledger.close()
        return [int(event.detail["instances"]) for event in events if event.kind == "study complete"]

    def input_of(self, study_uid: str) -> set[Path]:
        """Claim a study's job as a worker would; return the files in the spool that it is to read."""
        ledger = Ledger.open(self.ledger_url)
        try:
            while claim := ledger.claim(["cpu"], worker="test", lease_s=3600.0):
                if claim.study_instance_uid == study_uid:
                    return {self.spool / file for file in claim.files}
        finally:
            ledger.close()
        pytest.fail(f"no job of study {study_uid} waits")

    # What is done to it.

    def send(self, *paths: Path) -> list[StoreOutcome]:
        """Send files as `wetread send` does."""
        return [outcome for _, outcome in send(paths, self.peer, "SENDER")]

    def send_raw(self, *paths: Path) -> list[StoreOutcome]:
        """Send files announced by their meta information, right or wrong."""
        return DicomArchive(self.peer, "SENDER").store(paths)

    def dcmtk(
        self, tool: str, *arguments: object, calling: str = "CT1", called: str = "WETREAD"
    ) -> subprocess.CompletedProcess[str]:
        """Run a DCMTK client against it."""
        return self._dcmtk(tool, self.peer.port, arguments, ("-aet", calling, "-aec", called))

    def _dcmtk(
        self, tool: str, port: int, arguments: Sequence[object], options: Sequence[object]
    ) -> subprocess.CompletedProcess[str]:
        # By its name, which certificates have too.
        command = [dcmtk(tool), "-v", *options, "localhost", port, *arguments]
        return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, check=False)


def _runs(pid: int) -> bool:
    """Say whether a process is there, and not only its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
