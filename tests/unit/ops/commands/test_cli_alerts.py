"""`wetread alerts` and `wetread acknowledge`."""

import json
from pathlib import Path

import pytest

from tests.filled_ledger import fill_alerts, open_views
from tests.unit.ops.test_cli import ask, failure
from worker.ledger.tables import Notification


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory whose ledger has critical reads in every state."""
    ledger = open_views(tmp_path)
    fill_alerts(ledger)
    ledger.close()
    return tmp_path


def test_alerts_lists_what_nobody_has_acknowledged(data: Path) -> None:
    """What was found, who was told; on request everything."""
    shown = " ".join(ask(data, "alerts").stdout.split())
    assert "Haemorrhage" in shown
    assert "unanswered" in shown
    assert "acknowledged" not in shown
    assert "acknowledged" in ask(data, "alerts", "--all").stdout


def test_alerts_for_scripts(data: Path) -> None:
    """One JSON object a notification, newest first."""
    rows = json.loads(ask(data, "alerts", "--json").stdout)
    assert [row["state"] for row in rows] == ["open", "nobody", "unanswered", "open"]
    assert all("T" in row["created_at"] for row in rows)
    assert ask(data, "alerts", "--limit", "0").exit_code == 2
    assert rows[1]["reasons"][0]["concept"]["value"] == "50960005"


def test_acknowledging_takes_it_off_the_list(data: Path) -> None:
    """By whom is kept."""
    assert "acknowledged by Dr. Meyer" in ask(data, "acknowledge", "3", "--by", " Dr. Meyer ").stdout
    rows = {row["id"]: row for row in json.loads(ask(data, "alerts", "--all", "--json").stdout)}
    assert (rows[3]["state"], rows[3]["acknowledged_by"]) == ("acknowledged", "Dr. Meyer")
    assert ask(data, "acknowledge", "1", "--by", " ").exit_code != 0


@pytest.mark.parametrize(("number", "words"), [(4, "cannot become acknowledged"), (99, "there is no notification 99")])
def test_what_cannot_be_acknowledged_is_told(
    number: int, words: str, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An acknowledged or unknown one is one message of ours."""
    assert words in failure(monkeypatch, capsys, "acknowledge", number, "--by", "x", "--data", data)


def test_a_later_read_of_a_job_has_a_name_of_its_own(data: Path) -> None:
    """It is acknowledged by that name alone; what is no name at all is told."""
    ledger = open_views(data)
    with ledger.writing() as session:
        notification = session.get_one(Notification, 3)
        notification.detail = {**notification.detail, "reading": 2}
    ledger.close()
    assert "3.2" in ask(data, "alerts").stdout.split()
    assert ask(data, "acknowledge", "3", "--by", "Dr. Meyer").exit_code == 1
    assert "3.2 is acknowledged" in ask(data, "acknowledge", "3.2", "--by", "Dr. Meyer").stdout
    for wrong in ("0", "3.0", "-1", "3.", "x", "99999999999"):
        assert ask(data, "acknowledge", "--by", "x", "--", wrong).exit_code == 2


def test_an_empty_ledger_has_no_alerts(tmp_path: Path) -> None:
    """It says so in words."""
    open_views(tmp_path).close()
    assert "nothing waits for an acknowledgement" in ask(tmp_path, "alerts").stdout
    assert "no notification yet" in ask(tmp_path, "alerts", "--all").stdout


def test_config_check_shows_no_secret_address(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a webhook's address only its host is printed."""
    settings = data / "wetread.toml"
    settings.write_text(
        '[[notifications]]\nkind = "webhook"\nname = "pager"\nurl = "https://u:p4ss@pager.example.org/T0KEN"\n'
    )
    monkeypatch.setenv("WETREAD_SETTINGS", str(settings))
    shown = ask(data, "config", "check").stdout
    assert "https://pager.example.org/***" in shown
    assert "T0KEN" not in shown
    assert "p4ss" not in shown
