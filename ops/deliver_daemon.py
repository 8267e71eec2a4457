"""`wetread deliver`: results leave, under the node's AE title, and people are told of what is critical."""

import threading

import structlog

from ops.assembly_line import assumed_sets, destinations_of, open_ledger, trail_of
from ops.audit.delivering import Deliveries
from ops.notifiers.channels import channels_of
from ops.settings import Settings
from ops.signals import stop_on_signals
from worker.delivery import Deliverer
from worker.notifying import Notifier

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
    channels = channels_of(settings)
    assumed = assumed_sets(settings)
    notifier = Notifier(
        ledger=ledger,
        channels=channels,
        spool=settings.spool,
        report=settings.report,
        settings=settings.notifying,
        assumed=assumed,
    )
    trail = trail_of(settings, "deliver")
    trail.start()
    telling = threading.Thread(target=notifier.run, args=(stop,), name="notifier")
    telling.start()
    _log.info("deliverer serves", destinations=sorted(destinations), channels=sorted(channels))
    Deliverer(
        ledger=ledger,
        destinations=destinations,
        spool=settings.spool,
        results=settings.results,
        settings=settings.delivery,
        witness=Deliveries(trail, {item.name: item.peer for item in settings.destinations}),
        assumed=assumed,
    ).run(stop)
    stop.wait()
    telling.join()
    trail.stop()
    ledger.close()
    _log.info("deliverer stopped")
