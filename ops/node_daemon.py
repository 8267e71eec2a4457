"""`wetread node`: receiving, assembly, selection, and the reconciler of tokens. Imports no numpy: it stays small."""

import threading
from contextlib import ExitStack

import structlog

from dicom_node.server import Assembler, Node
from dicom_node.spool import Spool
from ops.assembly_line import broker_url, catalog_of, open_ledger, told_of
from ops.settings import Settings
from ops.signals import stop_on_signals
from worker.celery_app import TokenPublisher, make_app
from worker.intake import Intake
from worker.job import JobState
from worker.outbox import Reconciler

_log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Receive until SIGTERM."""
    stop = stop_on_signals()
    ledger = open_ledger(settings)
    publisher = TokenPublisher(make_app(broker_url(settings), settings.worker))
    reconciler = Reconciler(
        ledger,
        publisher,
        settings.worker,
        {JobState.FAILED, *(state for told in told_of(settings).values() for state in told)},
    )
    intake = Intake(
        ledger=ledger,
        catalog=catalog_of(settings),
        spool=settings.spool,
        settings=settings.models,
        on_queued=reconciler.wake,
    )
    spool = Spool(settings.spool, min_free_bytes=settings.node.min_free_bytes)
    assembler = Assembler(settings=settings.node, spool=spool, store=intake)
    node = Node(settings=settings.node, spool=spool, assembler=assembler)
    reconciling = threading.Thread(target=reconciler.run, args=(stop,), name="reconciler")
    # What was started is stopped in reverse order, also where the next part fails to start: receiving ends first, and
    # what was answered by then is assembled, or adopted at the next start.
    with ExitStack() as started:
        started.callback(ledger.close)
        reconciling.start()
        for end in (reconciling.join, reconciler.wake, stop.set):
            started.callback(end)
        assembler.start()
        started.callback(assembler.stop)
        node.start()
        started.callback(node.stop)
        _log.info("node receives", ae_title=settings.node.ae_title, host=settings.node.host, ports=node.ports)
        stop.wait()
    _log.info("node stopped")
