"""Every part of wetread as a real process, for tests that send real studies and end processes at bad moments."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tests.dcmtk import dcmtk
from worker.jobs.admin_rows import JobRow
from worker.ledger.checks import flaws_of
from worker.ledger.database import utc_now
from worker.ledger.facts import StudyFacts
from worker.ledger.flaws import Flaw, Moment
from worker.ledger.ledger import Ledger
from worker.object_kinds import DEFAULT_KINDS

PARTS = ("node", "deliver", "worker")


class Stack:
    """Node, deliverer and worker over one data directory, one Redis and one archive.

    Attributes:
        data: The data directory.
        port: The node listens there.
        settings_file: What every part is started with.
    """

    def __init__(
        self, folder: Path, *, port: int, broker_url: str, archive_port: int, extra: str = "", ledger_url: str = ""
    ) -> None:
        """Write the settings; nothing is started yet. `extra` is more TOML, for whole tables."""
        self.data = folder / "data"
        self._ledger_url = ledger_url or f"sqlite:///{self.data}/ledger.sqlite3"
        self.port = port
        self.settings_file = folder / "wetread.toml"
        self._logs = folder / "logs"
        self._logs.mkdir(parents=True)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._looking: tuple[int, Ledger] | None = None
        #: Python's arguments for a part that is not to be `wetread PART`.
        self.programs: dict[str, list[str]] = {}
        self.settings_file.write_text(
            f"""
data = "{self.data}"

[node]
port = {port}
quiet_time_s = 1.0

[broker]
url = "{broker_url}"

[ledger]
url = "{ledger_url}"

[worker]
lease_s = 4.0
retry_delay_s = 0.5
reconcile_every_s = 0.5
max_attempts = 5

[delivery]
first_retry_s = 0.5
longest_retry_s = 1.0
poll_s = 0.2

[[destinations]]
name = "orthanc"
ae_title = "ORTHANC"
host = "127.0.0.1"
port = {archive_port}
{extra}
"""
        )

    @property
    def models(self) -> Path:
        """Where models of this data directory lie."""
        return self.data / "models"

    @property
    def spool(self) -> Path:
        """The spool."""
        return self.data / "spool"

    def start(self, *parts: str) -> None:
        """Start parts, by default all of them; one that runs stays."""
        for part in parts or PARTS:
            if part not in self._processes or self._processes[part].poll() is not None:
                self.start_as(part, part)

    def start_as(self, name: str, part: str, *, source: Path | None = None) -> None:
        """Start a part under a name of its own, such as a second worker; from another source tree, if one is given."""
        program = self.programs.get(part, ["-m", "ops.cli", part])
        with (self._logs / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-P", *program, "--settings", str(self.settings_file)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(source)} if source is not None else None,
            )

    def kill(self, part: str) -> None:
        """End a part and all that it started with SIGKILL, as a power cut would."""
        process = self._processes.pop(part)
        # The supervisor is stopped first, or it would replace the children while they are being killed.
        os.kill(process.pid, signal.SIGSTOP)
        for pid in reversed(list(tree(process.pid))):
            os.kill(pid, signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        """Kill what still runs, after a test: stopping in order takes seconds, and has tests of its own."""
        for part, process in list(self._processes.items()):
            if process.poll() is None:
                self.kill(part)
        self._look_away()

    def pids(self, part: str) -> list[int]:
        """Return the processes of a part, its own first."""
        return list(tree(self._processes[part].pid))

    def stop(self) -> dict[str, int]:
        """Stop every part with SIGTERM; return the exit codes."""
        self._look_away()
        for process in self._processes.values():
            process.terminate()
        return {part: _ended(self._processes.pop(part)) for part in list(self._processes)}

    def stop_part(self, part: str) -> int:
        """Stop one part with SIGTERM; return its exit code."""
        process = self._processes.pop(part)
        process.terminate()
        return _ended(process)

    def ledger(self) -> Ledger:
        """Open the ledger to look at it."""
        return Ledger.open(self._ledger_url)

    def jobs(self) -> list[JobRow]:
        """Return all jobs as they are now; none before the ledger exists."""
        if not self._has_ledger():
            return []
        # Tests ask again and again: opened anew each time it would cost ten times as much. A test may remove the file.
        file = self.data / "ledger.sqlite3"
        which = file.stat().st_ino if file.exists() else 0
        if self._looking is None or self._looking[0] != which:
            self._look_away()
            self._looking = which, self.ledger()
        return self._looking[1].jobs()

    def _look_away(self) -> None:
        if self._looking is not None:
            self._looking[1].close()
            self._looking = None

    def _has_ledger(self) -> bool:
        return not self._ledger_url.startswith("sqlite") or (self.data / "ledger.sqlite3").exists()

    def flaws(self) -> list[Flaw]:
        """Return what must hold in the ledger and does not; that nobody works any more is none."""
        if not self._has_ledger():
            return []
        ledger = self.ledger()
        moment = Moment(
            now=ledger.clock.read(),
            wall=utc_now(),
            patience_s=math.inf,
            fed=(),
            wanted={"orthanc": DEFAULT_KINDS},
            first_deliveries=ledger.first_deliveries(),
        )
        try:
            assert ledger.unreadable() == []
            return [
                flaw
                for facts in ledger.all_facts()
                if isinstance(facts, StudyFacts)
                for flaw in flaws_of(facts, moment)
            ]
        finally:
            ledger.close()

    def log(self, part: str) -> str:
        """Return what a part has logged."""
        file = self._logs / f"{part}.log"
        return file.read_text() if file.exists() else ""

    def listening(self) -> bool:
        """Say whether the node takes associations."""
        return self._echo().returncode == 0

    def _echo(self) -> subprocess.CompletedProcess[bytes]:
        command = [dcmtk("echoscu"), "-to", "2", "-aet", "TEST", "-aec", "WETREAD", "127.0.0.1", str(self.port)]
        return subprocess.run(command, check=False, capture_output=True)

    def send(self, files: Sequence[Path]) -> subprocess.CompletedProcess[bytes]:
        """Send files with DCMTK's storescu; each must be answered with success."""
        command = [dcmtk("storescu"), "-R", "-aet", "TEST", "-aec", "WETREAD", "127.0.0.1", str(self.port)]
        return subprocess.run([*command, *map(str, files)], check=True, capture_output=True, timeout=120)

    def diagnosis(self) -> str:
        """Return what a failed test needs: jobs and the ends of the logs."""
        rows = "\n".join(f"{job.id} {job.model_id} {job.state} {job.reason}" for job in self.jobs())
        logs = "\n".join(f"--- {file.name}\n{file.read_text()[-3000:]}" for file in sorted(self._logs.glob("*.log")))
        return f"{time.strftime('%H:%M:%S')}\n{rows}\n{logs}"


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    children: list[str] = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        yield from tree(int(child))


def connections(pid: int) -> int:
    """Return how many connections a receiving process has open, or more: a twin of each may be among them."""
    links = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(descriptor.readlink()))
    # Not its listening socket, nor its line to the first process.
    return sum(link.startswith("socket:") for link in links) - 2


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process that was asked to stop, once: an interpreter that is going no longer has its handler."""
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()
