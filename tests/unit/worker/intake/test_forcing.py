"""An admin's wish that a study be closed reaches the node."""

import threading
from collections.abc import Callable

import pytest
import structlog

from tests.unit.worker.ledger.test_forced import INSTANCE, STUDY
from worker.errors import LedgerAway
from worker.intake import forcing
from worker.ledger.ledger import Ledger


def test_the_node_hears_of_it(ledger: Ledger, wait_for: Callable[..., None]) -> None:
    """Within about a second, and again while it stands."""
    ledger.study_receiving(INSTANCE)
    ledger.ask_completion(STUDY)
    heard: list[str] = []
    stop = threading.Event()
    thread = threading.Thread(target=forcing.run, args=(ledger, heard.append, stop))
    thread.start()
    try:
        wait_for(lambda: heard, what="the node hears it", deadline_s=60)
    finally:
        stop.set()
        thread.join()
    assert set(heard) == {STUDY}


def test_a_ledger_that_is_away_is_asked_again(
    ledger: Ledger, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once, and the wish is handed on when the ledger is back."""
    answers: list[list[str] | None] = [None, None, [STUDY]]

    def asked() -> list[str]:
        if (answer := answers.pop(0) if answers else []) is None:
            raise LedgerAway("away")
        return answer

    monkeypatch.setattr(ledger, "completion_asked", asked)
    monkeypatch.setattr(forcing, "_LOOK_EVERY_S", 0.01)
    heard: list[str] = []
    stop = threading.Event()
    with structlog.testing.capture_logs() as logs:
        thread = threading.Thread(target=forcing.run, args=(ledger, heard.append, stop))
        thread.start()
        try:
            wait_for(lambda: heard, what="the wish is handed on", deadline_s=60)
        finally:
            stop.set()
            thread.join()
    assert [entry["event"] for entry in logs] == ["wishes of admins wait"]
