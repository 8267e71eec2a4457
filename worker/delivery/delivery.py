"""Results leave: one thread a destination asks the ledger what is due, and tells it what the archive answered."""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import structlog

from dicom_node.error_place import defect_of
from dicom_node.errors import ArchiveError, ArchiveUnreachable, AssociationRejected, NodeError
from worker.delivery.batch_sender import BatchSender
from worker.delivery.circuit_breaker import CircuitBreaker
from worker.delivery.committing import Committer
from worker.delivery.delivery_attempt import DeliveryAttempt
from worker.delivery.delivery_witness import DeliveryWitness
from worker.delivery.destination import Destination
from worker.errors import LeaseLost, LedgerAway, SeriesUnreadable
from worker.heartbeat import Heartbeat
from worker.instances.sender_characters import AssumedSets
from worker.ledger.ledger import Ledger
from worker.settings import DeliverySettings

if TYPE_CHECKING:
    from dicom_node.archives.archive import Deleting

_log = structlog.get_logger()

#: A deliverer that is silent for so long is taken to be dead; sending the same bytes twice does no harm.
_LEASE_S = 30.0
_DAY_S = 86400.0
#: It did not answer, or would not speak with us: the next job would fare no better.
_NO_CONNECTION = (ArchiveUnreachable, AssociationRejected)


class Deliverer:
    """Sends results to every destination until told to stop."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        destinations: Mapping[str, Destination],
        spool: Path,
        results: Path,
        settings: DeliverySettings,
        committer: Committer | None = None,
        witness: DeliveryWitness | None = None,
        assumed: AssumedSets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the ledger, the destinations by name, the roots of spool and results, and the waits.

        Args:
            ledger: Opened in this process.
            destinations: By name.
            spool: Its root.
            results: Their root.
            settings: The waits.
            committer: Who asks destinations for commitment.
            witness: Hears of each attempt.
            assumed: Character sets of senders whose objects declare none, or a wrong one.
            clock: Monotonic seconds.
        """
        self._ledger = ledger
        self._destinations = destinations
        self._sender = BatchSender(
            ledger=ledger, spool=spool, results=results, settings=settings, witness=witness, assumed=assumed
        )
        self._settings = settings
        self._committer = committer
        self._clock = clock
        closed = CircuitBreaker(
            opens_after=settings.breaker_after,
            first_wait_s=settings.first_retry_s,
            longest_wait_s=settings.longest_retry_s,
        )
        #: One a destination; each is read and changed by that destination's thread only.
        self._breakers = dict.fromkeys(destinations, closed)

    def run(self, stop: threading.Event) -> None:
        """Serve each destination in a thread of its own, so that one in trouble does not hold another."""
        threads = [
            threading.Thread(target=self._serve, args=(destination, stop), name=f"deliver-{name}")
            for name, destination in self._destinations.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _serve(self, destination: Destination, stop: threading.Event) -> None:
        known = False
        while not stop.is_set():
            try:
                if not known:
                    self._remember(destination)
                    known = True
                busy = self.step(destination)
            except LedgerAway as error:
                _log.warning("deliverer waits", destination=destination.name, cause=str(error))
                busy = False
            except Exception as error:  # noqa: BLE001  # the outermost frame of a thread: one object must not end it
                # Its own words may quote a dataset. What it held is free again when its lease runs out.
                _log.error("a defect of wetread in a delivery", destination=destination.name, error=defect_of(error))
                busy = False
            if not busy:
                stop.wait(self._settings.poll_s)

    def _remember(self, destination: Destination) -> None:
        """Begin with what the deliverer before us has found: a restart must not try hundreds of jobs in vain."""
        state = self._ledger.destinations().get(destination.name)
        if state is not None and not state.answering:
            self._breakers[destination.name] = self._breakers[destination.name].opened()
        # What it took before the site wanted that keeps its images until it is committed to as well.
        wanted = self._ledger.want_commitments(destination.name) if destination.commitment else 0
        if wanted:
            _log.info("commitment is asked for what was taken before", destination=destination.name, objects=wanted)
        if destination.commitment == "required":
            return
        # Nobody would ask for it, or give it up, any more: its images would stay for ever.
        asked = bool(destination.commitment)
        if arrived := self._ledger.require_no_commitment(destination.name, asked=asked):
            _log.info("commitment is not required any more", destination=destination.name, objects=arrived)

    def step(self, destination: Destination) -> bool:
        """Do the next thing for a destination; return whether there was one."""
        if self._breakers[destination.name].is_open and not self._answers(destination):
            return False
        if self.deliver_one(destination):
            return True
        # Nothing at all is sent where an admin holds a destination, not only results.
        if not self._ledger.is_held("destination", destination.name):
            return self._commit_one(destination) or self._withdraw_one(destination)
        return False

    def deliver_one(self, destination: Destination) -> bool:
        """Send what is due of one job; return whether anything was."""
        batch = self._ledger.claim_deliveries(destination.name, lease_s=_LEASE_S)
        if batch is None:
            return False
        log = _log.bind(job=batch.job_id, destination=destination.name, study=batch.study_instance_uid)
        renew = partial(self._ledger.renew_deliveries, batch, lease_s=_LEASE_S)
        attempt = DeliveryAttempt()
        try:
            with Heartbeat(renew, _LEASE_S, job_id=batch.job_id):
                if self._sender.send(batch, destination, attempt):
                    log.info("results answered", objects=len(batch.objects))
        except NodeError as error:
            self._sender.postpone(batch, str(error), attempt)
            log.warning("destination away", cause=str(error), attempt=batch.objects[0].attempts)
            self._felt(destination, error)
        except LeaseLost as error:
            log.warning("delivery taken over", cause=str(error))
        except OSError as error:
            self._sender.postpone(
                batch, f"a file of this job cannot be read ({error.strerror}): is the disk there?", attempt
            )
            log.warning("result file unreadable", cause=error.strerror, file=error.filename)
        except SeriesUnreadable as error:
            self._sender.postpone(batch, str(error), attempt)
            log.error("source unreadable", cause=str(error))  # noqa: TRY400  # told in one line
        except LedgerAway:
            raise
        except Exception as error:  # noqa: BLE001  # the outermost frame of a delivery: the next must still leave
            # Its own words may quote a dataset.
            self._sender.postpone(batch, f"{defect_of(error)}: a defect of wetread; please report it", attempt)
            log.error("delivery failed", error=defect_of(error))  # noqa: TRY400
        else:
            self._felt(destination, None)
        return True

    def _commit_one(self, destination: Destination) -> bool:
        if self._committer is None or not destination.commitment:
            return False
        try:
            return self._committer.ask_one(destination.name)
        except ArchiveError as error:
            self._felt(destination, error)
        return True

    def _withdraw_one(self, destination: Destination) -> bool:
        item = self._ledger.next_withdrawal(destination.name) if destination.withdraws else None
        if item is None:
            return False
        archive = cast("Deleting", destination.archive)
        try:
            archive.delete(item.study_instance_uid, item.series_instance_uid, item.sop_instance_uid)
        except ArchiveError as error:
            self._ledger.postpone_withdrawal(
                item,
                reason=str(error),
                first_retry_s=self._settings.first_retry_s,
                longest_retry_s=self._settings.longest_retry_s,
                give_up_after_s=self._settings.give_up_after_days * _DAY_S,
            )
            self._felt(destination, error)
        else:
            self._ledger.withdrawn(item)
        return True

    def _answers(self, destination: Destination) -> bool:
        """Ask a destination that gets nothing whether it is back, when that is due; return whether it is."""
        if self._clock() < self._breakers[destination.name].probe_at_s:
            return False
        try:
            destination.archive.probe()
        except NodeError as error:
            self._breakers[destination.name] = self._breakers[destination.name].after_failure(self._clock())
            self._ledger.abandon_overdue(
                destination.name,
                give_up_after_s=self._settings.give_up_after_days * _DAY_S,
                reason=f"it did not answer in all this time: {error}",
            )
            return False
        self._breakers[destination.name] = self._breakers[destination.name].after_answer()
        self._ledger.note_destination(destination.name, answering=True)
        released = self._ledger.release_waiting(destination.name)
        _log.info("destination is back", destination=destination.name, released=released)
        return True

    def _felt(self, destination: Destination, error: NodeError | None) -> None:
        """Let the breaker know how a connection was; other errors than of the connection say that it answers."""
        before = self._breakers[destination.name]
        if not isinstance(error, _NO_CONNECTION):
            self._breakers[destination.name] = before.after_answer()
            return
        after = before.after_failure(self._clock())
        if after.is_open and not before.is_open and _is_there(destination):
            # It chokes on what was sent, which waits for itself: others must not wait behind that.
            after = before.after_answer()
        self._breakers[destination.name] = after
        if after.is_open and not before.is_open:
            self._ledger.note_destination(destination.name, answering=False, reason=str(error))
            _log.warning("destination gets nothing until it answers", destination=destination.name, cause=str(error))


def _is_there(destination: Destination) -> bool:
    try:
        destination.archive.probe()
    except NodeError:
        return False
    return True
