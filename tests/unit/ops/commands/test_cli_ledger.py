"""`wetread ledger`: a house that has really read a study is well; what is broken is told, only tokens are mended."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.settings import SettingsError
from tests.reading_house import House
from tests.unit.worker.conftest import assembled, planned
from worker.errors import LedgerUnusable
from worker.jobs.job import DeliveryState
from worker.ledger.ledger import Ledger


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


def test_of_what_does_not_hold_of_all_studies_the_first_is_listed(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is not mounted is told in a page, not in a line for each image."""
    monkeypatch.setattr("ops.commands.cli_ledger._MOST_SHOWN", 2)
    for number in range(1, 5):
        ledger.close_revision(assembled(f"1.2.{number}"), {}, [planned()])
    shown = ask(tmp_path, "check").stdout
    assert [f"1.2.{number}" in shown for number in range(1, 5)] == [True, True, False, False]
    assert "the first 2 of 4" in shown
    assert "4 times: images are in the spool" in shown
    assert len(flaws(tmp_path)) == 4


def test_only_what_is_safe_is_mended(tmp_path: Path, ledger: Ledger) -> None:
    """A job that waits without a token gets one; a row without its parent stays for a person to look at."""
    (tmp_path / "spool/s/a").mkdir(parents=True)
    (tmp_path / "spool/s/a/1.dcm").touch()
    (tmp_path / "spool/s/a/2.dcm").touch()
    ledger.close_revision(assembled(), {}, [planned()])
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


def test_commitments_that_nobody_asks_for_are_mended(tmp_path: Path, ledger: Ledger) -> None:
    """What must be committed to and has lost its wish is asked for again by --mend, and by nothing else."""
    House(root=tmp_path, ledger=ledger).read(1, slices=4)
    while (batch := ledger.claim_deliveries("pacs", lease_s=60)) is not None:
        for item in batch.objects:
            ledger.delivered(item, DeliveryState.ACCEPTED, status=0, commitment="required")
    assert flaws(tmp_path) == []
    with ledger.writing() as session:
        session.execute(text("DELETE FROM commitment"))
    lost = flaws(tmp_path)
    assert lost
    assert all("--mend" in flaw["remedy"] for flaw in lost)
    assert f"{len(lost)} results will be asked for again" in ask(tmp_path, "check", "--mend").stdout
    assert flaws(tmp_path) == []


def test_what_cannot_be_read_is_named(tmp_path: Path, ledger: Ledger) -> None:
    """A check ends with a table of what is wrong, whatever somebody has written into the ledger."""
    House(root=tmp_path, ledger=ledger).read(1, slices=4)
    with ledger.writing() as session:
        session.execute(text("UPDATE event SET detail = '{x' WHERE id = 1"))
        session.execute(text("UPDATE job SET attempts = 'many'"))
    told = [flaw["what"] for flaw in flaws(tmp_path)]
    assert "detail of row 1 of event is not what it should be" in told
    assert "attempts of row 1 of job is not what it should be" in told
    assert "nothing else of it can be checked" in told


def test_a_ledger_that_knows_nothing_of_a_full_spool_is_told(tmp_path: Path, ledger: Ledger) -> None:
    """After a restore that restored no rows: the tables are there and well, and every study is missing."""
    assert flaws(tmp_path) == []
    (tmp_path / "spool" / ("a" * 32)).mkdir(parents=True)
    (flaw,) = flaws(tmp_path)
    assert flaw["what"] == "it knows no study, and the spool has 1"


def test_a_ledger_of_no_bytes_gets_no_tables(tmp_path: Path) -> None:
    """A command that only looks does not make a new ledger where a restore has left an empty file."""
    file = tmp_path / "ledger.sqlite3"
    file.touch()
    shown = ask(tmp_path, "check")
    assert isinstance(shown.exception, SettingsError)
    assert "put a backup of it back" in str(shown.exception)
    assert file.stat().st_size == 0


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
