"""`wetread deliver`: results leave, under the node's AE title."""

import structlog

from ops.assembly_line import destinations_of, open_ledger
from ops.settings import Settings
from ops.signals import stop_on_signals
from worker.delivery import Deliverer

_log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Deliver until SIGTERM."""
    stop = stop_on_signals()
    ledger = open_ledger(settings)
    destinations = destinations_of(settings)
    if not destinations:
        _log.warning(
            "no destination",
            remedy="add [[destinations]] to the settings: until then results stay on disk and are sent nowhere",
        )
    _log.info("deliverer serves", destinations=sorted(destinations))
    Deliverer(
        ledger=ledger,
        destinations=destinations,
        spool=settings.spool,
        results=settings.results,
        settings=settings.delivery,
    ).run(stop)
    stop.wait()
    ledger.close()
    _log.info("deliverer stopped")
