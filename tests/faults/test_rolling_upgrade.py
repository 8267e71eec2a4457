"""A worker of the version before and one of this version work from one ledger, through a migration."""

import io
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.results_in_orthanc import results_of
from tests.stack import PARTS, Stack
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState
from worker.testing import write_mr_series

#: Before the tables of retention, commitment and queues: a house that runs it is upgraded to what is here.
VERSION_BEFORE = "2157187"
STUDIES = 6
#: SEG, SR, text SR and Secondary Capture.
OBJECTS = 4


@pytest.fixture(scope="module")
def version_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree of the version before, out of the history."""
    root = Path(__file__).parents[2]
    archive = subprocess.run(["git", "-C", str(root), "archive", VERSION_BEFORE], capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"the history has no {VERSION_BEFORE}: a shallow clone, or an export without .git")
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_two_versions_work_side_by_side(
    stack: Stack, orthanc: OrthancServer, version_before: Path, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Node and deliverer are upgraded under an old worker that goes on; a new worker joins it, and goes on alone."""
    write_threshold_model(stack.models, slow_rounds=1_000_000)
    studies = [write_mr_series(tmp_path / "studies" / str(seed), seed=seed, slices=4) for seed in range(STUDIES)]
    for study in studies:
        orthanc.take(study)
    for part in PARTS:
        stack.start_as("old worker" if part == "worker" else part, part, source=version_before)
    wait_for(stack.listening, what="the old node listens", deadline_s=90)
    stack.send(studies[0])
    wait_for(lambda: accepted(stack) == OBJECTS, what="the old version delivers", deadline_s=120)
    assert stack.stop_part("node") == 0
    assert stack.stop_part("deliver") == 0

    stack.start("node", "deliver")
    wait_for(stack.listening, what="the new node listens, and has migrated", deadline_s=90)
    old = set(stack.pids("old worker"))
    stack.send(studies[1])
    wait_for(lambda: len(delivered(stack)) == 2, what="the old worker reads what the new node queued", deadline_s=120)
    stack.start("worker")
    wait_for(lambda: "model host serves" in stack.log("worker"), what="the new worker is ready", deadline_s=120)
    for study in studies[2:-1]:
        stack.send(study)
    wait_for(lambda: len(delivered(stack)) == STUDIES - 1, what="both read", deadline_s=180)
    assert stack.stop_part("old worker") == 0
    stack.send(studies[-1])
    wait_for(lambda: len(delivered(stack)) == STUDIES, what="the new worker reads alone", deadline_s=120)

    by_old = {job.id for job in delivered(stack) if claimed_by(stack, job) & old}
    assert {1, 2} <= {
        place for place, job in enumerate(sorted(delivered(stack), key=id_of), start=1) if job.id in by_old
    }
    assert len(by_old) < STUDIES, "the new worker read nothing"
    assert results_of(orthanc) == {item.sop_instance_uid for job in delivered(stack) for item in job.deliveries}


def accepted(stack: Stack) -> int:
    """Count what the archive has accepted, without opening the ledger as this version does: that would migrate it."""
    file = stack.data / "ledger.sqlite3"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM delivery WHERE state = 'accepted'").fetchone()[0])


def delivered(stack: Stack) -> list[JobRow]:
    """Return the delivered jobs of the model."""
    return [job for job in stack.jobs() if job.model_id == "constant-answer" and job.delivered]


def id_of(job: JobRow) -> int:
    """Return the job's id."""
    return job.id


def claimed_by(stack: Stack, job: JobRow) -> set[int]:
    """Return the processes that have claimed a job, as its timeline has them."""
    ledger = stack.ledger()
    try:
        events = ledger.timeline(job.study_instance_uid)
    finally:
        ledger.close()
    kind = f"job {JobState.CLAIMED}"
    return {int(str(event.detail["worker"]).rpartition(":")[2]) for event in events if event.kind == kind}
