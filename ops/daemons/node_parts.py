"""What runs in the node's process, built from the settings: who takes studies, who reports, and loops in threads."""

import threading
from collections.abc import Callable
from typing import Protocol

import structlog

from dicom_node.commitments.report_recorder import ReportRecorder
from dicom_node.error_place import place_of
from ops.assembly_line import broker_url, catalog_of, priorities_of, told_of
from ops.destinations import commitment_plans_of, reporters_of
from ops.settings import Settings
from worker.delivery.committing import Committer
from worker.intake.intake import Intake
from worker.intake.order_priorities import OrderPriorities
from worker.jobs.job import JobState
from worker.ledger.ledger import Ledger
from worker.queueing.celery_app import TokenPublisher, make_app
from worker.queueing.outbox import Reconciler

_log = structlog.get_logger()


class NodePart(Protocol):
    """What is started and stopped with the node."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, and wait for the end."""


class Loop:
    """A function in a thread of its own, until it is told to stop; a `NodePart`.

    Where the function raises, it is called again after a wait: the node looks well without it, and would stay without
    it for good.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[threading.Event], None],
        *,
        wake: Callable[[], None] = lambda: None,
        again_after_s: float = 5.0,
    ) -> None:
        """Take its name, the function, what wakes it where it waits for something else than its event, and the wait."""
        self._name = name
        self._run = run
        self._stop = threading.Event()
        self._wake = wake
        self._again_after_s = again_after_s
        self._thread = threading.Thread(target=self._keep_running, name=name)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Tell it to end, and wait."""
        self._stop.set()
        self._wake()
        self._thread.join()

    def _keep_running(self) -> None:
        while not self._stop.is_set():
            try:
                self._run(self._stop)
            except Exception as error:  # noqa: BLE001  # the outermost frame of a thread
                # The error's own words could name a patient, or quote a password.
                _log.error(
                    "part of the node failed",
                    part=self._name,
                    cause=f"{type(error).__name__}: a defect of wetread; please report it",
                    place=place_of(error),
                    again_in_s=self._again_after_s,
                )
                self._stop.wait(self._again_after_s)
            else:
                return


def reconciler_of(settings: Settings, ledger: Ledger) -> Reconciler:
    """Return who publishes tokens and mends what was lost."""
    told = {JobState.FAILED, *(state for told in told_of(settings).values() for state in told)}
    publisher = TokenPublisher(make_app(broker_url(settings), settings.worker, ca_file=settings.broker.ca_file))
    return Reconciler(ledger, publisher, settings.worker, told)


def intake_of(
    settings: Settings, ledger: Ledger, on_queued: Callable[[], None], orders: OrderPriorities | None
) -> Intake:
    """Return who takes complete studies; `orders` hears of each of them."""
    return Intake(
        ledger=ledger,
        catalog=catalog_of(settings),
        spool=settings.spool,
        settings=settings.models,
        named=settings.named_models,
        priorities=priorities_of(settings),
        zone=settings.report.zone,
        on_queued=on_queued,
        on_complete=orders.study_complete if orders is not None else lambda _study: None,
    )


def recorder_of(settings: Settings, ledger: Ledger) -> ReportRecorder:
    """Return who takes the reports of archives that were asked for commitment."""
    committer = Committer(ledger, commitment_plans_of(settings), settings.delivery)
    return ReportRecorder(committer.take_report_from, reporters_of(settings))
