"""`wetread node`: receiving, assembly, selection, and the reconciler of tokens. Imports no numpy: it stays small.

This process assembles; associations are taken by others (`receiver_daemon`), as many as `node.processes` says.
"""

import socket
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import structlog

from dicom_node.assembler import Assembler
from dicom_node.commitment_reporter import CommitmentReporter
from dicom_node.doorkeeper import Doorkeeper
from dicom_node.listening import listen
from dicom_node.receiver_desk import ReceiverDesk
from dicom_node.report_recorder import ReportRecorder
from dicom_node.shares import Shares
from dicom_node.spool import Spool
from dicom_node.tls import server_context
from ops.assembly_line import (
    asker_of,
    broker_url,
    catalog_of,
    open_ledger,
    orders_of,
    priorities_of,
    told_of,
    trail_of,
)
from ops.audit.overhearing import AuditedStore, Overhearing
from ops.destinations import commitment_plans_of, reporters_of
from ops.retention import Retention
from ops.settings import Settings
from ops.signals import stop_on_signals
from ops.supervisor import Part, Supervisor
from worker import forcing
from worker.celery_app import TokenPublisher, make_app
from worker.committing import Committer
from worker.intake import Intake
from worker.job import JobState
from worker.ledger import Ledger
from worker.outbox import Reconciler

_log = structlog.get_logger()

#: Longer than associations are given to finish (`dicom_node.server.Node.stop`).
_GRACE_S = 25.0
_START_WITHIN_S = 60.0
#: While the assembler waits for a ledger that others hold, no study is complete and no backlog is seen to grow. What
#: the ledger does not take is told it again.
_LEDGER_BUSY_S = 2.0
#: Python's arguments for a receiving process; those that follow say whom it tells and where it listens.
RECEIVER: tuple[str, ...] = ("-P", "-m", "ops.receiver_daemon")


def run(settings: Settings) -> None:
    """Receive until SIGTERM."""
    stop = stop_on_signals()
    if settings.node.tls is not None:
        server_context(settings.node.tls)  # said once and at once, where it cannot be used
    ledger = open_ledger(settings, busy_s=_LEDGER_BUSY_S)
    publisher = TokenPublisher(make_app(broker_url(settings), settings.worker))
    reconciler = Reconciler(
        ledger,
        publisher,
        settings.worker,
        {JobState.FAILED, *(state for told in told_of(settings).values() for state in told)},
    )
    orders = orders_of(settings, ledger)
    intake = Intake(
        ledger=ledger,
        catalog=catalog_of(settings),
        spool=settings.spool,
        settings=settings.models,
        priorities=priorities_of(settings),
        zone=settings.report.zone,
        on_queued=reconciler.wake,
        on_complete=orders.study_complete if orders is not None else lambda _study: None,
    )
    node = settings.node
    spool = Spool(settings.spool, min_free_bytes=node.min_free_bytes, fsync=node.fsync)
    trail = trail_of(settings, "node")
    asker = asker_of(settings)
    assembler = Assembler(
        settings=node,
        spool=spool,
        store=AuditedStore(intake, trail),
        asker=asker,
        on_adopted=lambda instance: trail.instance_stored(instance, ""),
    )
    doorkeeper = Doorkeeper(node)
    shares = Shares(node, spool)
    commitments = CommitmentReporter(node, spool)
    reports = _recorder(settings, ledger)
    reconciling = threading.Thread(target=reconciler.run, args=(stop,), name="reconciler")
    retention = Retention(ledger=ledger, spool=spool, settings=settings)
    clearing = threading.Thread(target=retention.run, args=(stop,), name="retention")
    forced = threading.Thread(target=forcing.run, args=(ledger, assembler.force, stop), name="forcing")
    # What was started is stopped in reverse order, also where the next part fails to start: receiving ends first, and
    # what was answered by then is assembled, or adopted at the next start.
    with ExitStack() as started:
        started.callback(ledger.close)
        sockets = listen(node)
        for listening in sockets.values():
            started.callback(listening.close)
        trail.start()
        started.callback(trail.stop)
        reconciling.start()
        clearing.start()
        for end in (clearing.join, reconciling.join, reconciler.wake, stop.set):
            started.callback(end)
        asker.start()
        started.callback(asker.stop)
        if orders is not None:
            # A daemon thread: it may be in the middle of a question, and nobody waits for the answer.
            threading.Thread(target=orders.run, args=(stop,), name="worklist", daemon=True).start()
        assembler.start()
        started.callback(assembler.stop)
        forced.start()
        for end in (forced.join, stop.set):
            started.callback(end)
        behind_the_desk: tuple[_Part, ...] = (doorkeeper, shares, commitments, reports)
        for part in behind_the_desk:
            part.start()
            started.callback(part.stop)
        address = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="wetread-"))) / "receivers"
        desk = ReceiverDesk(
            address,
            settings=node,
            spool=settings.spool,
            assembler=Overhearing(assembler, trail),
            doorkeeper=doorkeeper,
            shares=shares,
            witness=trail.turned_away,
            commitments=commitments,
            reports=reports,
        )
        desk.start()
        started.callback(desk.stop)
        _receive(address, sockets, settings, desk, stop)
    _log.info("node stopped")


class _Part(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


def _recorder(settings: Settings, ledger: Ledger) -> ReportRecorder:
    committer = Committer(ledger, commitment_plans_of(settings), settings.delivery)
    return ReportRecorder(committer.take_report_from, reporters_of(settings))


def _receive(
    address: Path,
    sockets: Mapping[str, socket.socket],
    settings: Settings,
    desk: ReceiverDesk,
    stop: threading.Event,
) -> None:
    """Keep receiving processes running until told to stop."""
    processes = settings.node.receiving_processes
    command = [sys.executable, *RECEIVER, str(address)]
    command += [f"{name}={listening.fileno()}" for name, listening in sockets.items()]
    descriptors = tuple(listening.fileno() for listening in sockets.values())
    receivers = [
        Part(
            name=f"receiver {number}",
            argv=command,
            # All are started, then waited for together.
            ready=(lambda: desk.serving() >= processes) if number == processes else None,
            ready_within_s=_START_WITHIN_S,
            grace_s=_GRACE_S,
            # Callers wait in the queue of the listening socket, or crowd what is left of the others.
            longest_wait_s=1.0,
            descriptors=descriptors,
        )
        for number in range(1, processes + 1)
    ]
    supervisor = Supervisor(receivers)
    try:
        supervisor.start(stop)
        if not stop.is_set():
            ports = {name: int(listening.getsockname()[1]) for name, listening in sockets.items()}
            _log.info(
                "node receives",
                ae_title=settings.node.ae_title,
                host=settings.node.host,
                ports=ports,
                processes=processes,
            )
        supervisor.watch(stop)
    finally:
        supervisor.stop(together=True)
