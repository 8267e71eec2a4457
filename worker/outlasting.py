"""What must be recorded waits for a ledger that is away: a worker without ledger has nothing better to do."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from worker.errors import LedgerAway, LedgerRefused

_log = structlog.get_logger()
_PAUSE_S = 1.0

Answer = TypeVar("Answer")


def outlasting(action: Callable[[], Answer], *, sleep: Callable[[float], None] = time.sleep) -> Answer:
    """Do it as soon as the ledger takes it; return its answer, raise whatever else it raises, LedgerRefused too.

    Only for what shows a fence, or does no harm when done twice: the ledger may have taken it and could not say so.
    """
    told = False
    while True:
        try:
            return action()
        except LedgerRefused:
            raise
        except LedgerAway as away:
            if not told:
                _log.warning("worker waits for the ledger", cause=str(away))
            told = True
        sleep(_PAUSE_S)
