"""Row 40: what harms the worker that reads it ends *failed*, and everything else flows; through real processes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.testing import write_threshold_model
from tests.redis_server import RedisServer
from tests.stack import Stack
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState
from worker.ledger.views import Wanted
from worker.testing import write_mr_series

#: What a study does to its worker, and what the ledger says in the end.
HARM = {
    "KILLS": "the lease of ",
    "HANGS": "it took longer than worker.job_time_limit_s (10 s)",
    "EATS": "MemoryError: it wanted more than worker.memory_limit_gib (4 GiB)",
}
ATTEMPTS = 2


def by_study(stack: Stack) -> dict[str, JobRow]:
    """Return the model's jobs by their studies."""
    ledger = stack.ledger()
    try:
        return {job.study_instance_uid: job for job in ledger.jobs(among=Wanted(model_id="constant-answer"))}
    finally:
        ledger.close()


def test_studies_that_harm_their_worker_end_failed(
    tmp_path: Path,
    free_port: Callable[[], int],
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    wait_for: Callable[..., None],
) -> None:
    """One kills whoever reads it, one never ends, one wants all memory: each fails after its attempts.

    The two behind them are read.
    """
    for name, value in (("MAX_ATTEMPTS", ATTEMPTS), ("JOB_TIME_LIMIT_S", 10), ("MEMORY_LIMIT_GIB", 4)):
        monkeypatch.setenv(f"WETREAD_WORKER__{name}", str(value))
    stack = Stack(tmp_path / "wetread", port=free_port(), broker_url=redis_server.url, archive_port=free_port())
    write_threshold_model(stack.models)
    stack.programs["worker"] = [str(Path(__file__).with_name("harmed_worker.py"))]
    try:
        stack.start("node", "model-host", "worker")
        wait_for(stack.listening, what="the node listens", deadline_s=90)
        for seed, does in enumerate([*HARM, "T1w", "T1w"]):
            attributes = {"SeriesDescription": does}
            stack.send(write_mr_series(tmp_path / str(seed), seed=seed, attributes=attributes))
        done = (JobState.READ, JobState.FAILED)
        wait_for(
            lambda: len(jobs := by_study(stack)) == len(HARM) + 2 and all(job.state in done for job in jobs.values()),
            what="every study has come to an end",
            # Ten times what it takes on a machine with nothing else to do.
            deadline_s=300,
        )
        ends = sorted(by_study(stack).values(), key=lambda job: job.id)
        assert [job.state for job in ends if job.state is JobState.READ] == [JobState.READ] * 2, stack.diagnosis()
        failed = [job for job in ends if job.state is JobState.FAILED]
        assert {job.attempts for job in failed} == {ATTEMPTS}
        reasons = [job.reason for job in failed]
        assert all(any(said in reason for reason in reasons) for said in HARM.values()), reasons
    finally:
        stack.stop()
