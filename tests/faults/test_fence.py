"""The queue, row 39: two workers hold one job."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.reading_house import House
from worker.jobs.job import JobState
from worker.ledger.ledger import Ledger
from worker.testing import write_mr_series


class Workers:
    """Processes that work one job each, and wait in the middle of it."""

    def __init__(self, root: Path, ledger_url: str) -> None:
        """Take the house's root and ledger."""
        self._root = root
        self._url = ledger_url
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str) -> None:
        """Start one."""
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.one_worker", str(self._root), name, self._url],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],  # tests are not installed
        )

    def reads(self, name: str) -> bool:
        """Say whether it is in the middle of its job."""
        return (self._root / f"{name}.reads").exists()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self._processes[name].pid, number)

    def log_when_done(self, name: str) -> str:
        """Let it go on, wait for its end, and return what it has logged."""
        (self._root / f"{name}.go").touch()
        process = self._processes.pop(name)
        _, log = process.communicate(timeout=120)
        assert process.returncode == 0, log
        return log

    def kill(self) -> None:
        """End what is left."""
        for process in self._processes.values():
            process.kill()
            process.communicate()


@pytest.fixture
def workers(tmp_path: Path, postgresql_url: str) -> Iterator[Workers]:
    """Workers over a ledger on PostgreSQL; none is started yet."""
    with ExitStack() as started:
        made = Workers(tmp_path, postgresql_url)
        started.callback(made.kill)
        yield made


def test_row_39_of_two_workers_the_later_write_is_refused(
    tmp_path: Path, postgresql_url: str, workers: Workers, wait_for: Callable[..., None]
) -> None:
    """A worker hangs until its lease is over and another has read the study; what it then writes changes nothing."""
    ledger = Ledger.open(postgresql_url)
    house = House(root=tmp_path, ledger=ledger)
    house.queue_files(write_mr_series(tmp_path / "spool" / "1", slices=12))
    workers.start("first")
    wait_for(lambda: workers.reads("first"), what="the first worker reads", deadline_s=120)
    workers.signal("first", signal.SIGSTOP)
    wait_for(lambda: ledger.free_expired(max_attempts=3, retry_delay_s=0.0) == 1, what="its lease runs out")
    workers.start("second")
    wait_for(lambda: workers.reads("second"), what="the second worker reads", deadline_s=120)
    (job,) = ledger.jobs()
    assert (job.state, job.attempts) == (JobState.CLAIMED, 2)
    # Both hold it, and the one whose lease is over ends first.
    workers.signal("first", signal.SIGCONT)
    assert "results not recorded" in workers.log_when_done("first")
    (job,) = ledger.jobs()
    assert (job.state, job.deliveries) == (JobState.CLAIMED, ())
    assert "job read" in workers.log_when_done("second")
    (job,) = ledger.jobs()
    assert (job.state, job.attempts) == (JobState.READ, 2)
    assert len({item.sop_instance_uid for item in job.deliveries}) == len(job.deliveries) > 0
    with ledger.reading() as session:
        kept = session.connection().exec_driver_sql("SELECT file, sha256 FROM result_object").all()
    assert [hashlib.sha256((tmp_path / "results" / file).read_bytes()).hexdigest() for file, _ in kept] == [
        sha256 for _, sha256 in kept
    ]
    ledger.close()
