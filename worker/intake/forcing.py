"""Carries an admin's wish that a study be closed from the ledger to the node that assembles it."""

import threading
from collections.abc import Callable

import structlog

from worker.errors import LedgerAway
from worker.ledger.ledger import Ledger

_log = structlog.get_logger()

_LOOK_EVERY_S = 1.0


def run(ledger: Ledger, force: Callable[[str], None], stop: threading.Event) -> None:
    """Hand on what is asked for until told to stop.

    A wish is handed on again until the study is closed: the node may have been restarted, and not have adopted it yet.
    """
    away = False
    while not stop.wait(_LOOK_EVERY_S):
        try:
            for study_uid in ledger.completion_asked():
                force(study_uid)
            away = False
        except LedgerAway as error:
            if not away:
                _log.warning("wishes of admins wait", cause=str(error))
            away = True
