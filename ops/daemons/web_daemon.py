"""`wetread web`: the page, metrics and health."""

from importlib.metadata import version

from ops.assembly_line import broker_url, open_ledger
from ops.audit.watch import watch_of
from ops.certificates import expiries_of, watched_files
from ops.daemons.signals import stop_on_signals
from ops.dashboard.app import make_app
from ops.dashboard.readiness import broker_check, disk_check
from ops.dashboard.serve import serve
from ops.settings import Settings


def run(settings: Settings) -> None:
    """Serve the page until SIGTERM."""
    stop = stop_on_signals()
    ledger = open_ledger(settings)
    app = make_app(
        ledger,
        results_root=settings.results,
        version=version("wetread"),
        ready_checks={
            "broker": broker_check(broker_url(settings), settings.broker.ca_file, queues=settings.worker.queues),
            "disk": disk_check(settings.spool, settings.node.min_free_bytes),
        },
        expiries=expiries_of(watched_files(settings)),
        audit=watch_of(settings),
        names=settings.web.names,
    )
    serve(app, settings.web.host, settings.web.port, stop)
    ledger.close()
