"""Whatever is killed, flushed or away: each study ends with one set of results in the archive."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.testing import write_threshold_model
from tests.orthanc_server import OrthancServer
from tests.redis_server import RedisServer
from tests.results_in_orthanc import results_of, texts_in
from tests.running_house import RunningHouse, uid_of
from tests.stack import Stack
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState
from worker.testing import write_mr_series

#: SEG, SR and text SR.
OBJECTS = 4
_seeds = itertools.count(1)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[RunningHouse]:
    """One house that all of this happens to: each test has a study of its own."""
    kept = RunningHouse(tmp_path_factory.mktemp("house"), free_port)
    yield kept
    kept.end()


@pytest.fixture
def orthanc(house: RunningHouse) -> OrthancServer:
    """The archive."""
    return house.orthanc


@pytest.fixture
def redis_server(house: RunningHouse) -> RedisServer:
    """The broker."""
    return house.redis


@pytest.fixture
def stack(house: RunningHouse, wait_for: Callable[..., None]) -> Stack:
    """All parts, running, with the test model; what an earlier test has ended is started again."""
    write_threshold_model(house.stack.models)
    house.start(wait_for)
    return house.stack


@pytest.fixture
def study(tmp_path: Path) -> list[Path]:
    """A small head MR that nobody has sent before."""
    return write_mr_series(tmp_path / "study", slices=12, seed=next(_seeds))


def the_job(stack: Stack, study: list[Path]) -> JobRow | None:
    """Return the study's constant-answer job once it is there."""
    uid = uid_of(study)
    return next(
        (job for job in stack.jobs() if (job.study_instance_uid, job.model_id) == (uid, "constant-answer")), None
    )


def in_state(stack: Stack, study: list[Path], state: JobState) -> Callable[[], bool]:
    """Return the condition that the job is in a state."""
    return lambda: (job := the_job(stack, study)) is not None and job.state is state


def is_delivered(stack: Stack, study: list[Path]) -> Callable[[], bool]:
    """Return the condition that the job's results are accepted."""
    return lambda: (job := the_job(stack, study)) is not None and job.delivered


def one_set(stack: Stack, orthanc: OrthancServer, study: list[Path]) -> None:
    """Hold that the archive has exactly the objects of the study's one job."""
    job = the_job(stack, study)
    assert job is not None
    assert results_of(orthanc, uid_of(study)) == {item.sop_instance_uid for item in job.deliveries}, stack.diagnosis()
    assert len(job.deliveries) == OBJECTS


def test_redis_is_flushed_while_jobs_wait(
    stack: Stack, orthanc: OrthancServer, redis_server: RedisServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Row 36: the broker forgets every token; the reconciler makes new ones."""
    stack.kill("worker")
    orthanc.take(study)
    stack.send(study)
    wait_for(in_state(stack, study, JobState.QUEUED), what="the job waits", deadline_s=60)
    wait_for(lambda: redis_server.tokens("cpu") > 0, what="a token is there to be forgotten")
    redis_server.flush()
    stack.start("worker")
    wait_for(is_delivered(stack, study), what="the results are delivered", deadline_s=90)
    one_set(stack, orthanc, study)


def test_redis_is_away_when_a_study_completes(
    stack: Stack, orthanc: OrthancServer, redis_server: RedisServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Row 35: the study is kept and its token goes out later."""
    redis_server.stop()
    for part in ("node", "worker"):
        stack.kill(part)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    orthanc.take(study)
    stack.send(study)
    wait_for(in_state(stack, study, JobState.QUEUED), what="the job waits", deadline_s=60)
    redis_server.start()
    wait_for(is_delivered(stack, study), what="the results are delivered", deadline_s=90)
    one_set(stack, orthanc, study)


#: What the node says of it, what is done to Redis while it runs, and what undoes it.
TROUBLES = {
    "a read-only replica": (
        "Redis is a read-only replica",
        [("REPLICAOF", "127.0.0.1", "1"), ("CLIENT", "KILL", "TYPE", "normal")],
        [("REPLICAOF", "NO", "ONE")],
    ),
    "rights that were taken away": (
        "Redis does not let our user write tokens",
        [
            ("ACL", "SETUSER", "admin", "on", ">x", "~*", "+@all"),
            ("AUTH", "admin", "x"),
            ("ACL", "SETUSER", "default", "-@all", "+ping"),
            ("CLIENT", "KILL", "TYPE", "normal"),
        ],
        [("AUTH", "admin", "x"), ("ACL", "SETUSER", "default", "+@all")],
    ),
    "full": ("Redis is full", [("CONFIG", "SET", "maxmemory", "1")], [("CONFIG", "SET", "maxmemory", "0")]),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_redis_takes_nothing_for_a_while(
    stack: Stack,
    orthanc: OrthancServer,
    redis_server: RedisServer,
    study: list[Path],
    wait_for: Callable[..., None],
    trouble: str,
) -> None:
    """It answers, and refuses what wetread asks of it; where that ends everything goes on by itself."""
    told, begin, end = TROUBLES[trouble]
    redis_server.order_all(begin)
    orthanc.take(study)
    stack.send(study)
    wait_for(in_state(stack, study, JobState.QUEUED), what="the job waits", deadline_s=60)
    wait_for(lambda: told in stack.log("node"), what="the node says why no token goes out", deadline_s=60)
    redis_server.order_all(end)
    wait_for(is_delivered(stack, study), what="the results are delivered", deadline_s=90)
    one_set(stack, orthanc, study)


def test_worker_is_killed_in_the_middle_of_inference(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Row 38: the lease runs out, another worker takes the job, one set of results."""
    write_threshold_model(stack.models, slow_rounds=8_000_000)
    orthanc.take(study)
    stack.send(study)
    wait_for(in_state(stack, study, JobState.CLAIMED), what="the job is claimed", deadline_s=60)
    stack.kill("worker")
    job = the_job(stack, study)
    assert job is not None
    assert job.state is JobState.CLAIMED, "the kill came too late to be in the middle"
    stack.start("worker")
    wait_for(is_delivered(stack, study), what="the results are delivered", deadline_s=120)
    one_set(stack, orthanc, study)
    job = the_job(stack, study)
    assert job is not None
    assert job.attempts == 2


def test_a_stopped_worker_hands_its_job_back(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Row 34: SIGTERM in the middle of a job costs the study no attempt, and another worker takes it at once."""
    write_threshold_model(stack.models, slow_rounds=8_000_000)
    orthanc.take(study)
    stack.send(study)
    wait_for(in_state(stack, study, JobState.CLAIMED), what="the job is claimed", deadline_s=60)
    assert stack.stop_part("worker") == 0, stack.diagnosis()
    job = the_job(stack, study)
    assert job is not None
    assert (job.state, job.attempts, job.reason) == (JobState.QUEUED, 0, "the worker was stopped"), stack.diagnosis()
    write_threshold_model(stack.models, slow_rounds=8_000_000)
    stack.start("worker")
    wait_for(is_delivered(stack, study), what="the results are delivered", deadline_s=120)
    one_set(stack, orthanc, study)


def test_archive_is_away_for_a_while(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Row 44: results wait on disk, are tried again, and arrive once."""
    orthanc.take(study)
    orthanc.stop()
    stack.send(study)
    wait_for(
        lambda: (job := the_job(stack, study)) is not None and any(item.attempts > 1 for item in job.deliveries),
        what="delivery was tried more than once",
        deadline_s=90,
    )
    orthanc.start()
    wait_for(is_delivered(stack, study), what="the results are delivered", deadline_s=90)
    one_set(stack, orthanc, study)


def test_node_is_killed_between_rename_and_record(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Row 32: what was answered is on disk; the next node adopts it, and the study is read as if nothing had been."""
    orthanc.take(study)
    stack.send(study)
    stack.kill("node")  # within the quiet time: nothing is in the ledger but that a study arrives
    assert the_job(stack, study) is None
    stack.start("node")
    wait_for(is_delivered(stack, study), what="the results are delivered", deadline_s=90)
    one_set(stack, orthanc, study)


def test_patient_changed_between_receipt_and_delivery(
    stack: Stack, orthanc: OrthancServer, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """Row 51: when the archive's study belongs to somebody else by now, nothing is sent and the job is held."""
    seed = next(_seeds)
    study = write_mr_series(tmp_path / "study", slices=12, seed=seed)
    orthanc.take(write_mr_series(tmp_path / "merged", slices=12, seed=seed, patient_id="ANOTHER-1"))
    stack.send(study)
    wait_for(in_state(stack, study, JobState.HELD), what="the job is held", deadline_s=60)
    job = the_job(stack, study)
    assert job is not None
    assert "PatientID" in job.reason
    assert "ANOTHER-1" not in stack.diagnosis()
    assert results_of(orthanc, uid_of(study)) == set()


def test_a_study_that_cannot_be_read_is_failed_with_the_reason(
    stack: Stack, orthanc: OrthancServer, study: list[Path], wait_for: Callable[..., None]
) -> None:
    """Row 24: a series with a gap is never read wrong; ledger and archive say why, and the next study flows."""
    orthanc.take(study)
    stack.send([file for index, file in enumerate(study) if index != 5])
    wait_for(in_state(stack, study, JobState.FAILED), what="the job failed", deadline_s=60)
    job = the_job(stack, study)
    assert job is not None
    assert "missing slices: 1 of 12" in job.reason
    assert job.attempts == 1
    wait_for(lambda: len(results_of(orthanc, uid_of(study))) == 1, what="the archive has the note", deadline_s=60)
    assert "missing slices" in " ".join(texts_in(orthanc, uid_of(study)))
    other = write_mr_series(study[0].parent.parent / "other", seed=next(_seeds))
    orthanc.take(other)
    stack.send(other)
    wait_for(is_delivered(stack, other), what="the next study is delivered", deadline_s=60)
