"""`wetread prioritise`, `hold`, `resume`, and the list of jobs narrowed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.cli import app
from tests.unit.ops.test_cli import ask, day, failure, job_in, state_of
from worker.jobs.job import JobState
from worker.ledger.ledger import Ledger

__all__ = ["day"]


def test_a_job_and_a_study_are_prioritised(day: Path) -> None:
    """By the job's number, or by the study's UID for all of its jobs."""
    job = job_in(day, JobState.QUEUED)
    assert ask(day, "prioritise", job, "stat").stdout == f"job {job} is stat\n"
    rows = json.loads(ask(day, "jobs", "--priority", "stat", "--json").stdout)
    assert [row["id"] for row in rows] == [job]
    study = rows[0]["study_instance_uid"]
    assert ask(day, "prioritise", study, "backlog").stdout.startswith(f"study {study} is backlog: 1 jobs")
    assert "backlog" in ask(day, "job", job).stdout
    assert ask(day, "prioritise", job, "at-once").exit_code == 2
    assert "there is no job" in str(ask(day, "prioritise", 10**30, "stat").exception)


def test_a_job_is_held_and_resumed(day: Path) -> None:
    """And the timeline says who did it."""
    job = job_in(day, JobState.QUEUED)
    assert ask(day, "hold", job).stdout == f"job {job} is held; `wetread resume {job}` lets it go on\n"
    assert state_of(day, job) == "held"
    assert ask(day, "resume", job).stdout == f"job {job} is queued\n"
    told = json.loads(ask(day, "job", job, "--json").stdout)
    done = [event["detail"] for event in told["timeline"] if event["kind"] == "admin action"]
    assert [(one["action"], bool(one["by"])) for one in done] == [("hold", True), ("resume", True)]


def test_queues_and_destinations_are_held(day: Path) -> None:
    """As a whole; without a name what is held is listed, for people and for scripts."""
    assert "no queue and no destination is held" in ask(day, "hold").stdout
    assert ask(day, "hold", "--queue", "cpu").stdout == "queue cpu is held\n"
    assert ask(day, "hold", "--queue", "cpu").stdout == "queue cpu was held already\n"
    assert ask(day, "hold", "--destination", "archive").stdout == "destination archive is held\n"
    listed = json.loads(ask(day, "hold", "--json").stdout)
    assert [(row["kind"], row["name"]) for row in listed] == [("destination", "archive"), ("queue", "cpu")]
    assert ask(day, "hold").stdout.count("\n") == 3
    assert ask(day, "resume", "--queue", "cpu").stdout == "queue cpu goes on\n"


def test_a_sender_to_whom_results_go_back_is_held_under_its_own_name(tmp_path: Path) -> None:
    """Each has a queue of its own; the name of them all would hold nothing."""
    Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite3").close()
    file = tmp_path / "wetread.toml"
    file.write_text(
        f"data = '{tmp_path}'\n[[destinations]]\nname = 'back'\nkind = 'sender'\n"
        "peers = [{ ae_title = 'CT1', host = '192.0.2.7', port = 104 }]\n"
    )
    runner = CliRunner()
    held = runner.invoke(app, ["hold", "--destination", "back:CT1", "--settings", str(file)])
    assert held.stdout == "destination back:CT1 is held\n"
    refused = runner.invoke(app, ["hold", "--destination", "back", "--settings", str(file)])
    assert "known are back:CT1" in str(refused.exception)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("hold", "--queue", "gpuu"), "there is no queue gpuu; known are cpu"),
        (("hold", "--destination", "pcas"), "there is no destination pcas; known are "),
        (("resume", "--queue", "cpu"), "queue cpu is not held"),
        (("prioritise", "1.2.3.4.5.6", "stat"), "there is no study 1.2.3.4.5.6"),
        (("prioritise", "999", "stat"), "there is no job 999"),
        (("hold", "999"), "there is no job 999"),
    ],
)
def test_what_is_not_there_is_told(
    words: tuple[str, ...],
    told: str,
    day: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With what there is instead: a hold of a name that nobody has would hold nothing."""
    assert told in " ".join(failure(monkeypatch, capsys, *words, "--data", day).split())


def test_one_thing_is_held_at_a_time(day: Path) -> None:
    """Two names are a mistake, and a resume needs one."""
    assert ask(day, "hold", "1", "--queue", "cpu").exit_code == 2
    assert ask(day, "resume").exit_code == 2


def test_jobs_are_narrowed_by_age_model_and_sender(day: Path) -> None:
    """What is left out does not matter, and an age that is none is refused."""
    everything = json.loads(ask(day, "jobs", "--json").stdout)
    recent = json.loads(ask(day, "jobs", "--newer", "20m", "--json").stdout)
    older = json.loads(ask(day, "jobs", "--older", "20m", "--json").stdout)
    assert 0 < len(recent) < len(everything)
    assert len(recent) + len(older) == len(everything)
    assert json.loads(ask(day, "jobs", "--model", "brain-structures", "--json").stdout)
    assert "no job is like that" in ask(day, "jobs", "--model", "none").stdout
    assert "no job is like that" in ask(day, "jobs", "--sender", "CT9", "--queue", "cpu").stdout
    assert ask(day, "jobs", "--older", "soon").exit_code == 2
