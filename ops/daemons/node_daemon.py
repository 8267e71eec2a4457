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

import structlog

from dicom_node.admitting.doorkeeper import Doorkeeper
from dicom_node.assembling.assembler import Assembler
from dicom_node.commitments.commitment_reporter import CommitmentReporter
from dicom_node.processes.listening import listen
from dicom_node.processes.receiver_desk import ReceiverDesk
from dicom_node.spooling.shares import Shares
from dicom_node.spooling.spool import Spool
from dicom_node.tls.tls_profile import server_context
from ops.assembly_line import asker_of, open_ledger, orders_of, trail_of
from ops.audit.overhearing import AuditedStore, Overhearing
from ops.daemons.alone import alone
from ops.daemons.node_parts import Loop, NodePart, intake_of, reconciler_of, recorder_of
from ops.daemons.retention import Retention
from ops.daemons.signals import stop_on_signals
from ops.settings import Settings
from ops.supervisor import Part, Supervisor
from worker.intake import forcing
from worker.intake.order_priorities import OrderPriorities
from worker.ledger.ledger import Ledger

_log = structlog.get_logger()

#: Longer than associations are given to finish (`dicom_node.processes.server.Node.stop`).
_GRACE_S = 25.0
_START_WITHIN_S = 60.0
#: While the assembler waits for a ledger that others hold, no study is complete and no backlog is seen to grow. What
#: the ledger does not take is told it again.
_LEDGER_BUSY_S = 2.0
#: Python's arguments for a receiving process; those that follow say whom it tells and where it listens.
RECEIVER: tuple[str, ...] = ("-P", "-m", "ops.daemons.receiver_daemon")


def run(settings: Settings) -> None:
    """Receive until SIGTERM."""
    stop = stop_on_signals()
    if settings.node.tls is not None:
        server_context(settings.node.tls)  # said once and at once, where it cannot be used
    # What was started is stopped in reverse order, also where the next part fails to start: receiving ends first, and
    # what was answered by then is assembled, or adopted at the next start.
    with ExitStack() as started:
        ledger = open_ledger(settings, busy_s=_LEDGER_BUSY_S)
        started.callback(ledger.close)
        started.enter_context(alone(settings, "node"))
        sockets = listen(settings.node)
        for listening in sockets.values():
            started.callback(listening.close)
        orders = orders_of(settings, ledger)
        if orders is not None:
            # A daemon thread: it may be in the middle of a question, and nobody waits for the answer.
            threading.Thread(target=orders.run, args=(stop,), name="worklist", daemon=True).start()
        address = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="wetread-"))) / "receivers"
        desk, others = _parts(settings, ledger, orders, address)
        for part in (*others, desk):
            part.start()
            started.callback(part.stop)
        _receive(address, sockets, settings, desk, stop)
    _log.info("node stopped")


def _parts(
    settings: Settings, ledger: Ledger, orders: OrderPriorities | None, address: Path
) -> tuple[ReceiverDesk, tuple[NodePart, ...]]:
    """Return where receiving processes call, and what must run before it, in this order."""
    node = settings.node
    spool = Spool(settings.spool, min_free_bytes=node.min_free_bytes, fsync=node.fsync)
    spool.require_fitness()
    if ledger.is_empty() and (folders := spool.study_folders()):
        _log.warning(
            "ledger knows no study",
            in_spool=len(folders),
            cause="it is new, or was emptied; a restore may have left it out",
            remedy="none: the spool's studies are taken up and read again. If a backup of the ledger is there, stop at "
            "once, put it back, and start",
        )
    reconciler = reconciler_of(settings, ledger)
    trail, asker = trail_of(settings, "node"), asker_of(settings)
    intake = intake_of(settings, ledger, reconciler.wake, orders)
    intake.tell_models()
    assembler = Assembler(
        settings=node,
        spool=spool,
        store=AuditedStore(intake, trail),
        asker=asker,
        on_adopted=lambda instance: trail.instance_stored(instance, ""),
    )
    doorkeeper, shares = Doorkeeper(node), Shares(node, spool)
    commitments, reports = CommitmentReporter(node, spool), recorder_of(settings, ledger)
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
    before: tuple[NodePart, ...] = (
        trail,
        Loop("reconciler", reconciler.run, wake=reconciler.wake),
        Loop("retention", Retention(ledger=ledger, spool=spool, settings=settings).run),
        asker,
        assembler,
        Loop("forcing", lambda stop: forcing.run(ledger, assembler.force, stop)),
        doorkeeper,
        shares,
        commitments,
        reports,
    )
    return desk, before


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
