"""What the page and the metrics say of critical findings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from ops.dashboard.app import make_app
from tests.filled_ledger import fill_alerts, open_views
from tests.unit.ops.test_dashboard import ask
from worker.ledger.views import LedgerViews


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerViews]:
    """A ledger with critical reads in every state."""
    views = open_views(tmp_path)
    fill_alerts(views)
    yield views
    views.close()


@pytest.fixture
def app(ledger: LedgerViews, tmp_path: Path) -> ASGIApp:
    """The page over it."""
    return make_app(ledger, results_root=tmp_path / "results", version="9.8.7")


def test_the_home_page_lists_what_nobody_has_acknowledged(app: ASGIApp) -> None:
    """What was found, who was told and what came of it, and the command that acknowledges; first of all lists."""
    text = ask(app, "/").text
    assert "Attention: 1 critical finding has nobody to tell" in text
    assert text.index("Nobody has acknowledged") < text.index("<h2>Jobs</h2>")
    assert "Haemorrhage: 42.5 ml (critical from 30 ml)" in text
    assert "pager (sent), chief (waiting)" in text
    assert "chief (lost: the mail server refused it with status 550)" in text
    assert "Nobody is told: there is no channel for it." in text
    assert "wetread acknowledge 3 --by NAME" in text
    assert "wetread acknowledge 4 --by NAME" not in text
    assert "Not read in time." in text


def test_what_the_notifier_has_not_seen_says_so(app: ASGIApp, ledger: LedgerViews) -> None:
    """A notification that nobody plans means that the deliverer does not run."""
    with ledger.writing() as session:
        session.connection().exec_driver_sql("UPDATE notification SET state = 'new' WHERE id = 3")
    assert "is wetread deliver running?" in ask(app, "/").text


def test_metrics_count_notifications_and_time(app: ASGIApp) -> None:
    """By topic and state, those that a channel lost, and the seconds from read to told."""
    text = ask(app, "/metrics").text
    assert 'wetread_notifications{state="nobody",topic="critical"} 1.0' in text
    assert 'wetread_notifications{state="open",topic="overdue"} 1.0' in text
    assert "wetread_notifications_lost 1.0" in text
    assert 'wetread_read_to_told_seconds{quantile="0.95"} 1.0' in text
