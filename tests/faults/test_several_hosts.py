"""Several machines share one ledger, one broker and one data directory: one that is cut off does no harm.

Node, two workers, the servers (Redis and PostgreSQL) and the archive are hosts of their own, each with a cable.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import make_url

from dicom_node.archives.sender import send
from dicom_node.settings import Peer
from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer
from tests.results_in_orthanc import results_of
from tests.several_hosts import Forwarder, Network, Running
from tests.stack import tree
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState
from worker.ledger.ledger import Ledger
from worker.testing import write_mr_series

_SETTINGS = """
data = "{data}"

[node]
host = "0.0.0.0"
port = 11112
quiet_time_s = 1.0

[[node.peers]]
ae_title = "TEST"
hosts = ["{here}"]

[broker]
url = "{broker}"

[ledger]
url = "{ledger}"

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
host = "{archive}"
port = {archive_port}
"""


class Machines:
    """A node with its deliverer, and two workers, each on a host of its own, beside those of servers and archive.

    Attributes:
        network: Between them.
        data: The directory that all of them share.
    """

    def __init__(self, network: Network, folder: Path, settings: str) -> None:
        """Take the network, a folder for logs and settings, and the settings that all have."""
        self.network = network
        self.data = folder / "data"
        self._folder = folder
        self._settings = folder / "wetread.toml"
        self._settings.write_text(settings)
        self._processes: dict[str, Running] = {}

    def start(self, host: str, part: str) -> None:
        """Start a part on a host."""
        command = [sys.executable, "-P", "-m", "ops.cli", part, "--settings", str(self._settings)]
        self._processes[f"{part} on {host}"] = self.network.start(host, command, self._log(host, part))

    def log(self, host: str, part: str = "worker") -> str:
        """Return what it has logged."""
        file = self._log(host, part)
        return file.read_text() if file.exists() else ""

    def stop(self, host: str, part: str = "worker") -> int:
        """Stop it with SIGTERM; return its exit code."""
        process = self._processes.pop(f"{part} on {host}")
        process.terminate()
        return process.wait(timeout=90)

    def end(self) -> None:
        """End what still runs."""
        for process in self._processes.values():
            if process.poll() is None:
                # The supervisor is stopped first, or it would replace the children while they are being killed.
                os.kill(process.pid, signal.SIGSTOP)
                for pid in reversed(list(tree(process.pid))):
                    os.kill(pid, signal.SIGKILL)
                process.wait()

    def _log(self, host: str, part: str) -> Path:
        return self._folder / f"{host}-{part}.log"


@pytest.fixture
def machines(
    tmp_path: Path, redis_server: RedisServer, postgresql: PostgresqlServer, postgresql_url: str, orthanc: OrthancServer
) -> Iterator[Machines]:
    """All of them, nothing started."""
    with ExitStack() as stack:
        network = stack.enter_context(Network(["node", "worker-a", "worker-b", "servers", "archive"]))
        places = (("servers", redis_server.port), ("servers", postgresql.port), ("archive", orthanc.dicom_port))
        for host, port in places:
            stack.callback(Forwarder(network, host, port).close)
        servers = network.address_of("servers")
        settings = _SETTINGS.format(
            data=tmp_path / "data",
            here=network.address,
            broker=f"redis://{servers}:{redis_server.port}/0",
            ledger=make_url(postgresql_url).set(host=servers).render_as_string(hide_password=False),
            archive=network.address_of("archive"),
            archive_port=orthanc.dicom_port,
        )
        made = Machines(network, tmp_path, settings)
        stack.callback(made.end)
        write_threshold_model(made.data / "models", slow_rounds=8_000_000)
        yield made


def reads(url: str) -> list[JobRow]:
    """Return the model's jobs, the newest first."""
    ledger = Ledger.open(url)
    try:
        return [job for job in ledger.jobs() if job.model_id == "constant-answer"]
    finally:
        ledger.close()


def test_a_worker_that_is_cut_off_comes_back_after_its_lease(
    machines: Machines, postgresql_url: str, orthanc: OrthancServer, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Another worker reads its job; what it brings when it is back is refused; there is one set of results."""
    studies = [write_mr_series(tmp_path / "studies" / str(seed), seed=seed, slices=4) for seed in range(3)]
    for study in studies:
        orthanc.take(study)
    for part in ("node", "deliver"):
        machines.start("node", part)
    machines.start("worker-a", "worker")
    wait_for(lambda: "model host serves" in machines.log("worker-a"), what="the first worker is ready", deadline_s=120)
    wait_for(lambda: "node receives" in machines.log("node", "node"), what="the node listens", deadline_s=60)
    node = Peer(ae_title="WETREAD", host=machines.network.address_of("node"), port=11112)
    assert all(outcome.accepted for _, outcome in send(studies[0], node, "TEST"))
    wait_for(
        lambda: any(job.state is JobState.CLAIMED for job in reads(postgresql_url)),
        what="the job is claimed",
        deadline_s=90,
    )
    machines.network.cut_off("worker-a")
    machines.start("worker-b", "worker")
    wait_for(lambda: reads(postgresql_url)[0].delivered, what="the other worker's read is delivered", deadline_s=180)
    machines.network.plug_in("worker-a")
    wait_for(
        lambda: "results not recorded" in machines.log("worker-a"), what="the late read is refused", deadline_s=180
    )
    (job,) = reads(postgresql_url)
    assert job.attempts == 2
    assert results_of(orthanc) == {item.sop_instance_uid for item in job.deliveries}
    assert machines.stop("worker-b") == 0

    assert all(outcome.accepted for _, outcome in send(studies[1], node, "TEST"))
    wait_for(
        lambda: [job.delivered for job in reads(postgresql_url)] == [True, True],
        what="the worker that was cut off works again",
        deadline_s=180,
    )

    # Neither the ledger nor the archive is reached by anybody, and then one after the other.
    for host in ("servers", "archive"):
        machines.network.cut_off(host)
    assert all(outcome.accepted for _, outcome in send(studies[2], node, "TEST"))
    wait_for(
        lambda: "store refused" in machines.log("node", "node"), what="the node keeps it for later", deadline_s=120
    )
    machines.network.plug_in("servers")
    wait_for(lambda: len(reads(postgresql_url)) == 3, what="the study that came meanwhile is known", deadline_s=120)
    wait_for(lambda: "destination away" in machines.log("node", "deliver"), what="the archive is away", deadline_s=120)
    machines.network.plug_in("archive")
    wait_for(
        lambda: [job.delivered for job in reads(postgresql_url)] == [True] * 3,
        what="everything is delivered",
        deadline_s=180,
    )
    assert results_of(orthanc) == {item.sop_instance_uid for job in reads(postgresql_url) for item in job.deliveries}
    assert [
        machines.stop(host, part) for host, part in (("worker-a", "worker"), ("node", "deliver"), ("node", "node"))
    ] == [0] * 3
