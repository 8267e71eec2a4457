"""`wetread up` as a person starts it: everything embedded, a study through it, a clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.testing import write_threshold_model
from tests.running_house import uid_of
from tests.stack import tree
from worker.testing import write_mr_series

COMMAND = [sys.executable, "-P", "-m", "ops.cli"]


class Up:
    """A running `wetread up`."""

    def __init__(self, folder: Path, node_port: int, web_port: int) -> None:
        self.data = folder / "my data"  # as people name folders
        self.node = f"WETREAD@127.0.0.1:{node_port}"
        self.web = f"http://127.0.0.1:{web_port}"
        self.log = folder / "up.log"
        self.environment = {
            **os.environ,
            "WETREAD_DATA": str(self.data),
            "WETREAD_NODE__PORT": str(node_port),
            "WETREAD_NODE__QUIET_TIME_S": "1",
            "WETREAD_WEB__PORT": str(web_port),
        }
        write_threshold_model(self.data / "models")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*COMMAND, "up"], stdout=log, stderr=log, env=self.environment)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command with the same settings."""
        return subprocess.run(
            [*COMMAND, *arguments], check=False, capture_output=True, text=True, env=self.environment, timeout=60
        )

    def ready(self) -> bool:
        """Say whether the page says that all that it needs answers."""
        try:
            with urllib.request.urlopen(f"{self.web}/readyz", timeout=5) as answer:  # noqa: S310  # our own page
                return bool(json.load(answer)["ready"])
        except (urllib.error.URLError, OSError):
            return False

    def healthy(self) -> bool:
        """Say whether the page's process answers."""
        with urllib.request.urlopen(f"{self.web}/healthz", timeout=5) as answer:  # noqa: S310  # our own page
            return bool(answer.status == 200)

    def pid_of(self, part: str) -> int | None:
        """Return the process of a part of the command line, None while there is none."""
        for pid in tree(self.process.pid):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[3:5] == [b"ops.cli", part.encode()]:
                return pid
        return None

    def jobs(self) -> list[dict[str, Any]]:
        """Return what `wetread jobs --json` says of the constant-answer model."""
        rows: list[dict[str, Any]] = json.loads(self.run("jobs", "--json").stdout)
        return [row for row in rows if row["model_id"] == "constant-answer"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Up]:
    """One `wetread up` for the tests that leave it running; the last of them ends it."""
    with started(tmp_path_factory.mktemp("up"), free_port) as running:
        yield running


@pytest.fixture
def up(kept: Up, wait_for: Callable[..., None]) -> Up:
    """The same, ready."""
    wait_for(kept.ready, what=f"up is ready ({kept.log})", deadline_s=60)
    return kept


@contextmanager
def started(folder: Path, free_port: Callable[[], int]) -> Iterator[Up]:
    """Start one and stop it at the end, if the test has not."""
    running = Up(folder, free_port(), free_port())
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(timeout=60)


def is_delivered(up: Up, study: list[Path]) -> Callable[[], bool]:
    """Return the condition that the one job of a study is delivered."""
    return lambda: [job["delivered"] for job in up.jobs() if job["study_instance_uid"] == uid_of(study)] == [True]


def test_a_part_that_is_killed_comes_back(up: Up, wait_for: Callable[..., None]) -> None:
    """The embedded Redis is killed; it is restarted, and readiness returns."""
    pids = {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in tree(up.process.pid)}
    redis = next(pid for name, pid in pids.items() if name.startswith(("valkey", "redis")))
    os.kill(redis, signal.SIGKILL)
    wait_for(lambda: "part=redis" in up.log.read_text(), what="the supervisor notices")
    wait_for(up.ready, what="up is ready again", deadline_s=60)


def test_a_worker_that_is_killed_comes_back(up: Up, tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """SIGKILL to the worker: another one is there, with a model host that answers, and reads what arrives next."""
    first = up.pid_of("worker")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: up.pid_of("worker") not in (None, first), what="another worker")
    study = write_mr_series(tmp_path / "study", seed=1)
    assert up.run("send", str(tmp_path / "study"), "--to", up.node).returncode == 0
    wait_for(is_delivered(up, study), what="the study is delivered", deadline_s=120)


def test_a_study_through_it_and_a_clean_end(up: Up, tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """A study that is sent is delivered to the embedded archive; SIGTERM ends everything, exit code 0, nothing left."""
    assert up.healthy()
    study = write_mr_series(tmp_path / "study", seed=2)
    sent = up.run("send", str(tmp_path / "study"), "--to", up.node)
    assert (sent.returncode, sent.stdout) == (0, "12 accepted\n")
    wait_for(is_delivered(up, study), what="the study is delivered", deadline_s=60)
    (job,) = [str(job["id"]) for job in up.jobs() if job["study_instance_uid"] == uid_of(study)]
    assert "object accepted" in up.run("job", job).stdout
    pids = list(tree(up.process.pid))
    up.process.terminate()
    assert up.process.wait(timeout=60) == 0
    for pid in pids[1:]:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_nothing_is_left_when_it_is_killed(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """SIGKILL to `wetread up` itself: every process that it started ends, so that it can be started again."""
    with started(tmp_path, free_port) as up:
        wait_for(up.ready, what=f"up is ready ({up.log})", deadline_s=60)
        pids = list(tree(up.process.pid))[1:]
        assert len(pids) >= 6  # the parts; the worker's children come when they come
        up.process.kill()
        up.process.wait()
    wait_for(lambda: not [pid for pid in pids if _runs(pid)], what="all processes end", deadline_s=60)


def _runs(pid: int) -> bool:
    """Say whether a process is there and more than a zombie that its new parent has not read yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_taken_port_is_told_with_the_remedy(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Another program on the node's port is named by the setting that changes it."""
    port = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        environment = {**os.environ, "WETREAD_DATA": str(tmp_path / "data"), "WETREAD_NODE__PORT": str(port)}
        done = subprocess.run(
            [*COMMAND, "up"], check=False, capture_output=True, text=True, env=environment, timeout=60
        )
    assert done.returncode == 1
    assert f"node.port: port {port} is taken" in done.stderr
    assert "WETREAD_NODE__PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_node_without_its_port_ends(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """A node that cannot listen ends with the reason instead of staying half started, so that its supervisor knows."""
    port = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        environment = {**os.environ, "WETREAD_DATA": str(tmp_path / "data"), "WETREAD_NODE__PORT": str(port)}
        environment["WETREAD_BROKER__URL"] = f"redis://127.0.0.1:{free_port()}/0"
        done = subprocess.run(
            [*COMMAND, "node"], check=False, capture_output=True, text=True, env=environment, timeout=60
        )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
