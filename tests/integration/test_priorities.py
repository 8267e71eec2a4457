"""What is urgent is read first, through real processes: node, worker, Redis, a real modality worklist."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from models.catalog import Catalog
from models.testing import write_threshold_model
from ops import cli
from tests.dcmtk import dcmtk
from tests.redis_server import RedisServer
from tests.stack import Stack
from tests.worklist_server import WorklistServer
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState, Priority
from worker.jobs.turn import rank_s
from worker.ledger.tables import Job, JobInput, Model, Revision, Study, Turn
from worker.ledger.views import Wanted
from worker.testing import write_mr_series

WAITING = 500
SENDER = "RESEARCH"


@pytest.fixture
def worklist(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[WorklistServer]:
    """A worklist with a STAT order."""
    server = WorklistServer(tmp_path / "worklist", free_port())
    server.order("ACC8", "TEST-1", "STAT")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def house(
    tmp_path: Path, free_port: Callable[[], int], redis_server: RedisServer, worklist: WorklistServer
) -> Iterator[Stack]:
    """Node and worker; results stay on disk, since nobody delivers them."""
    extra = f"""
[node.priority_ae_titles]
WETREAD_STAT = "stat"

[worklist]
ae_title = "{worklist.ae_title}"
host = "127.0.0.1"
port = {worklist.port}
"""
    stack = Stack(
        tmp_path / "wetread", port=free_port(), broker_url=redis_server.url, archive_port=free_port(), extra=extra
    )
    write_threshold_model(stack.models)
    yield stack
    stack.stop()


def fill(stack: Stack) -> None:
    """Let a sender's five hundred studies wait; they share their images, which nobody minds."""
    names = [str(file.relative_to(stack.spool)) for file in write_mr_series(stack.spool / "0" / "0")]
    entry = Catalog.scan((stack.models,)).get("constant-answer")
    at = datetime.now(UTC) - timedelta(minutes=10)
    numbers = range(1, WAITING + 1)
    ledger = stack.ledger()
    with ledger.writing() as session:
        session.execute(
            insert(Model), [{"digest": entry.digest, "model_id": "constant-answer", "name": "c", "version": "1"}]
        )
        study = {
            "calling_ae_title": SENDER,
            "receiving": False,
            "first_received_at": at,
            "last_received_at": at,
        }
        session.execute(
            insert(Study),
            [{"id": n, "study_instance_uid": f"1.2.{n}", "folder": f"waiting-{n}", **study} for n in numbers],
        )
        revision = {
            "number": 1,
            "completion": "quiet time",
            "files_digest": "0",
            "last_received_at": at,
            "closed_at": at,
        }
        session.execute(insert(Revision), [{"id": n, "study_id": n, **revision} for n in numbers])
        job = {
            "model_digest": entry.digest,
            "queue": "cpu",
            "state": JobState.QUEUED,
            "priority": Priority.ROUTINE,
            "sender": SENDER,
            "rank_s": rank_s(Priority.ROUTINE, at),
            "input_key": "k",
            "queued_at": at,
        }
        session.execute(insert(Job), [{"id": n, "revision_id": n, **job} for n in numbers])
        session.execute(
            insert(JobInput), [{"job_id": n, "series_instance_uid": "1.2", "files": names} for n in numbers]
        )
        session.execute(insert(Turn), [{"queue": "cpu", "sender": SENDER, "served": 1}])
    ledger.close()


def send(stack: Stack, files: list[Path], *, called: str = "WETREAD", calling: str = "ER") -> None:
    """Send a study."""
    command = [dcmtk("storescu"), "-R", "-aet", calling, "-aec", called, "127.0.0.1", str(stack.port)]
    subprocess.run([*command, *map(str, files)], check=True, capture_output=True, timeout=120)


class Look:
    """Looks into the ledger, at the jobs of the model that reads here."""

    def __init__(self, stack: Stack) -> None:
        self.ledger = stack.ledger()

    def count(self, state: JobState) -> int:
        """Return how many jobs are in a state."""
        return self.ledger.overview().jobs[state]

    def newest(self) -> JobRow:
        """Return the job that was queued last."""
        return self.ledger.jobs(limit=1, among=_READER)[0]

    def claimed(self) -> list[JobRow]:
        """Return the jobs that were claimed, in the order of their claims."""
        rows = [job for job in self.ledger.jobs(limit=2 * WAITING, among=_READER) if job.claimed_at is not None]
        return sorted(rows, key=lambda job: job.claimed_at or job.queued_at)


_READER = Wanted(model_id="constant-answer")


def ask(stack: Stack, *words: object) -> str:
    """Run a command of wetread; return what it prints."""
    done = CliRunner().invoke(cli.app, [*map(str, words), "--settings", str(stack.settings_file)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_what_is_urgent_is_read_first(house: Stack, tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """A STAT study that arrives behind five hundred is the next to be read.

    A held queue rests at once, a worklist's STAT raises what waits in it, and what an admin prioritises goes first when
    it is resumed.
    """
    house.start("node")
    wait_for(house.listening, what="the node listens", deadline_s=60)
    fill(house)
    look = Look(house)
    house.start("worker")
    wait_for(lambda: look.count(JobState.READ) >= 3, what="the worker reads", deadline_s=90)
    send(house, write_mr_series(tmp_path / "stat", seed=7), called="WETREAD_STAT")
    wait_for(lambda: (job := look.newest()).id > WAITING and job.state == "read", what="it is read", deadline_s=60)
    assert ask(house, "hold", "--queue", "cpu") == "queue cpu is held\n"
    stat, waiting = look.newest(), look.count(JobState.QUEUED)
    assert stat.claimed_at is not None
    assert stat.finished_at is not None
    between = [job for job in look.claimed() if stat.queued_at < (job.claimed_at or stat.queued_at) < stat.claimed_at]
    print(  # noqa: T201  # what `pytest -s` shows
        f"STAT behind {waiting} waiting jobs: {len(between)} claimed before it, "
        f"{(stat.claimed_at - stat.queued_at).total_seconds():.2f} s to its claim, "
        f"{(stat.finished_at - stat.queued_at).total_seconds():.2f} s to its read"
    )
    assert stat.priority is Priority.STAT
    assert waiting > WAITING // 2, "the backlog was read too fast to say anything"
    # One may have been claimed in the moment in which the study was recorded.
    assert len(between) <= 1

    wait_for(lambda: not look.count(JobState.CLAIMED), what="what runs ends", deadline_s=60)
    read = look.count(JobState.READ)
    send(house, write_mr_series(tmp_path / "order", seed=8))
    wait_for(
        lambda: (job := look.newest()).id > stat.id and job.priority is Priority.STAT,
        what="the worklist's STAT is heard",
        deadline_s=60,
    )
    assert ask(house, "prioritise", WAITING, "stat") == f"job {WAITING} is stat\n"
    assert look.count(JobState.READ) == read, "a held queue has gone on"
    assert ask(house, "resume", "--queue", "cpu") == "queue cpu goes on\n"
    wait_for(lambda: look.count(JobState.READ) >= read + 2, what="the queue goes on", deadline_s=60)
    assert {job.id for job in look.claimed()[read : read + 2]} == {WAITING, look.newest().id}
    look.ledger.close()
