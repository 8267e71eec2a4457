"""`wetread ledger`: a house that has really read a study is well; what is broken is told, only tokens are mended."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from ops.cli import app
from tests.reading_house import House
from tests.unit.worker.conftest import assembled, planned
from worker.errors import LedgerUnusable
from worker.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """The ledger of the data directory `tmp_path`."""
    opened = Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite3")
    yield opened
    opened.close()


def ask(data: Path, *arguments: str) -> Result:
    """Run `wetread ledger …` with a data directory."""
    return CliRunner().invoke(app, ["ledger", *arguments, "--data", str(data)])


def flaws(data: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return what `wetread ledger check --json` tells."""
    shown = ask(data, "check", "--json", *arguments)
    told: list[dict[str, Any]] = json.loads(shown.stdout)["flaws"]
    assert shown.exit_code == bool(told)
    return told


def test_a_house_that_has_read_a_study_is_well(tmp_path: Path, ledger: Ledger) -> None:
    """After a real read nothing is found; a result that is gone is found, with the command's exit code 1."""
    read = House(root=tmp_path, ledger=ledger).read(1, slices=4)
    shown = ask(tmp_path, "check")
    assert (shown.exit_code, shown.stdout) == (0, "everything holds\n")
    report = read.files["TEXT-SR"]
    report.write_bytes(report.read_bytes() + b"\0")
    (flaw,) = flaws(tmp_path)
    assert flaw["job_id"] == read.job.id
    assert "other bytes" in flaw["what"]
    assert flaws(tmp_path, "--quick") == []
    report.unlink()
    (flaw,) = flaws(tmp_path, "--quick")
    assert "is not there" in flaw["what"]


def test_only_what_is_safe_is_mended(tmp_path: Path, ledger: Ledger) -> None:
    """A job that waits without a token gets one; a row without its parent stays for a person to look at."""
    ledger.close_revision(assembled(files=()), {}, [planned(files=())])
    with ledger.writing() as session:
        session.execute(text("DELETE FROM outbox"))
        session.execute(text("UPDATE job SET queued_at = '2026-01-02 03:04:05'"))
        session.execute(text("UPDATE event SET at = '2026-01-02 03:04:05'"))
    (flaw,) = flaws(tmp_path)
    assert (flaw["mendable"], ledger.waiting_tokens()) == (True, [])
    shown = ask(tmp_path, "check", "--mend")
    assert (shown.exit_code, len(ledger.waiting_tokens())) == (0, 1)
    assert "1 queued jobs have a token again" in shown.stdout
    with ledger.writing() as session:
        session.execute(text("DELETE FROM job_input"))
    assert flaws(tmp_path, "--mend")[0]["invariant"] == "a job has its input"


def test_migrate_says_where_the_tables_are(tmp_path: Path, ledger: Ledger) -> None:
    """An admin who updates can bring the tables up to date before the parts start."""
    shown = ask(tmp_path, "migrate")
    assert (shown.exit_code, shown.stdout) == (0, f"the ledger's tables are at {ledger.version()}\n")


def test_a_ledger_is_copied_once(tmp_path: Path, ledger: Ledger) -> None:
    """The copy says what it took, and does not mix with what is there."""
    ledger.close_revision(assembled(files=()), {}, [planned(files=())])
    target = f"sqlite:///{tmp_path}/other.sqlite3"
    shown = ask(tmp_path, "copy", target)
    assert shown.exit_code == 0, shown.output
    assert "job: 1\n" in shown.stdout
    assert "now set `ledger.url`" in shown.stdout
    copied = Ledger.open(target)
    assert [job.id for job in copied.jobs()] == [job.id for job in ledger.jobs()]
    copied.close()
    again = ask(tmp_path, "copy", target)
    assert isinstance(again.exception, LedgerUnusable)
