"""Results leave: one thread a destination asks the ledger what is due, and tells it what the archive answered."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import structlog

from dicom_node.archive import Deleting, OutcomeKind, Outlet, StoreOutcome
from dicom_node.errors import ArchiveError, ArchiveUnreachable, AssociationRejected, NodeError
from dicom_node.identity import StudyIdentity
from worker.circuit_breaker import CircuitBreaker
from worker.committing import Committer
from worker.delivery_answers import UNANSWERED, by_failure, state_after_answer, stored_in_order
from worker.delivery_witness import DeliveryWitness, NoWitness
from worker.destination_settings import Encoding
from worker.errors import LeaseLost, LedgerAway, SeriesUnreadable
from worker.heartbeat import Heartbeat
from worker.identity_check import identities_of_file, why_held
from worker.job import DeliveryState, OutgoingBatch, OutgoingObject
from worker.ledger import Ledger
from worker.ledger_deliveries import CommitmentWish
from worker.object_kinds import REJECTION
from worker.pydicom_errors import PARSE_ERRORS
from worker.recorded_file import flaw_of
from worker.reencoded_copy import in_encoding
from worker.sender_characters import AssumedSets
from worker.settings import DeliverySettings

_log = structlog.get_logger()

#: A deliverer that is silent for so long is taken to be dead; sending the same bytes twice does no harm.
_LEASE_S = 30.0
_DAY_S = 86400.0
#: It did not answer, or would not speak with us: the next job would fare no better.
_NO_CONNECTION = (ArchiveUnreachable, AssociationRejected)


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where results go.

    Attributes:
        name: As in the settings and the ledger.
        archive: How it is reached.
        identity_check: Whether it is asked (C-FIND, QIDO-RS) each time before results of a job leave.
        encodings: Which are tried, in this order, where one is not taken.
        commitment: Whether it is asked to take responsibility for what it has accepted.
        withdraws: Whether objects of superseded reads are deleted there; `archive` can then delete.
    """

    name: str
    archive: Outlet
    identity_check: bool = True
    encodings: tuple[Encoding, ...] = ("as-made",)
    commitment: CommitmentWish = ""
    withdraws: bool = False


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
        self._spool = spool
        self._results = results
        self._settings = settings
        self._committer = committer
        self._witness = witness or NoWitness()
        self._assumed = assumed or {}
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
                _log.error(
                    "a defect of wetread in a delivery", destination=destination.name, error=type(error).__name__
                )
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
        handed = set[OutgoingObject]()
        try:
            with Heartbeat(renew, _LEASE_S, job_id=batch.job_id):
                if self._identity_holds(batch, destination):
                    self._send(batch, destination, handed)
                    log.info("results answered", objects=len(batch.objects))
        except NodeError as error:
            self._postpone(batch, str(error), handed)
            log.warning("destination away", cause=str(error), attempt=batch.objects[0].attempts)
            self._felt(destination, error)
        except LeaseLost as error:
            log.warning("delivery taken over", cause=str(error))
        except OSError as error:
            self._postpone(batch, f"a file of this job cannot be read ({error.strerror}): is the disk there?", handed)
            log.warning("result file unreadable", cause=error.strerror, file=error.filename)
        except SeriesUnreadable as error:
            self._postpone(batch, str(error), handed)
            log.error("source unreadable", cause=str(error))  # noqa: TRY400  # told in one line
        except LedgerAway:
            raise
        except Exception as error:  # noqa: BLE001  # the outermost frame of a delivery: the next must still leave
            # Its own words may quote a dataset.
            self._postpone(batch, f"{type(error).__name__}: a defect of wetread; please report it", handed)
            log.error("delivery failed", error=type(error).__name__)  # noqa: TRY400
        else:
            self._felt(destination, None)
        return True

    def _identity_holds(self, batch: OutgoingBatch, destination: Destination) -> bool:
        """Ask the archive whose study this is, each time before anything leaves: patients are merged at any moment."""
        if batch.released or not destination.identity_check:
            return True
        received = self._received(batch)
        archived = destination.archive.find_study(batch.study_instance_uid)
        reasons = [why_held(identity, archived, destination.name) for identity in received]
        # What it says of the identity that results carry, where none is the archive's.
        reason = "" if "" in reasons else reasons[0]
        if reason:
            self._ledger.hold(batch, reason=reason)
            _log.warning("job held", job=batch.job_id, destination=destination.name, reason=reason)
            return False
        return True

    def _received(self, batch: OutgoingBatch) -> tuple[StudyIdentity, ...]:
        try:
            return identities_of_file(self._spool / batch.source_file, self._assumed)
        except OSError:
            raise
        except (NodeError, *PARSE_ERRORS) as error:
            # Its own words may quote a value.
            raise SeriesUnreadable(
                f"{batch.source_file} cannot be read any more ({type(error).__name__}), so nobody knows whose results "
                "these are: is the disk damaged? Pull or send the study again"
            ) from error

    def _send(self, batch: OutgoingBatch, destination: Destination, handed: set[OutgoingObject]) -> None:
        """Send a batch; what takes an earlier read back goes last, and only once the newer one is there.

        What the destination may have from now on, though it does not answer for it, is added to `handed`.
        """
        rejections = [item for item in batch.objects if item.kind == REJECTION]
        self._send_objects(batch, [item for item in batch.objects if item not in rejections], destination, handed)
        if rejections and self._ledger.has_arrived(batch.job_id, destination.name):
            self._send_objects(batch, rejections, destination, handed)
        elif rejections:
            self._postpone(batch, "it rejects an earlier read, and waits until the newer one has arrived", handed)

    def _send_objects(
        self,
        batch: OutgoingBatch,
        objects: Sequence[OutgoingObject],
        destination: Destination,
        handed: set[OutgoingObject],
    ) -> None:
        """Send objects, what is not taken in one encoding in the next; what was answered is recorded at once."""
        later = self._damaged(objects)
        objects = [item for item in objects if item not in later]
        left = list(objects)
        not_taken: dict[OutgoingObject, StoreOutcome] = {}
        tried: set[Path] = set()
        for encoding in destination.encodings if objects else ():
            files = {item: in_encoding(self._results / item.file, encoding) for item in left}
            files = {item: file for item, file in files.items() if file not in tried}
            outcomes = self._stored(batch, destination, files, handed)
            tried.update(files.values())
            for item in files:
                outcome = outcomes.get(item.sop_instance_uid)
                if outcome is None or outcome.kind is not OutcomeKind.NO_CONTEXT:
                    left.remove(item)
                    not_taken.pop(item, None)
                    later[item] = self._record(item, outcome, destination)
                else:
                    not_taken[item] = outcome
        for item, outcome in not_taken.items():
            later[item] = self._record(item, outcome, destination)
        reasons = [reason for reason in later.values() if reason]
        # What was answered, even with "not now", is not there.
        handed.difference_update(item for item, reason in later.items() if reason != UNANSWERED)
        if objects and all(later[item] == UNANSWERED for item in objects):
            raise ArchiveUnreachable(f"{destination.name} ended the association before it answered for any object")
        if reasons:
            self._postpone(batch, reasons[-1], handed)

    def _damaged(self, objects: Iterable[OutgoingObject]) -> dict[OutgoingObject, str]:
        """Return what is not as it was recorded, and why it is not sent: a damaged disk must not speak for a read."""
        flaws = {item: flaw_of(self._results / item.file, item.sha256) for item in objects}
        damaged = {item: flaw for item, flaw in flaws.items() if flaw}
        for item, flaw in damaged.items():
            _log.error(
                "result not sent",
                file=item.file,
                cause=flaw,
                remedy="is the disk sound? Put the file back from a backup; `wetread ledger check` names all of them",
            )
        return {
            item: f"{item.file} {flaw}: is the disk sound? Put it back from a backup" for item, flaw in damaged.items()
        }

    def _stored(
        self,
        batch: OutgoingBatch,
        destination: Destination,
        objects: Mapping[OutgoingObject, Path],
        handed: set[OutgoingObject],
    ) -> dict[str, StoreOutcome]:
        """Send files before the eyes of the witness; return what the archive answered, by SOP Instance UID."""
        study_uid = batch.study_instance_uid
        files = {item.sop_instance_uid: file for item, file in objects.items()}
        handed.update(objects)
        self._witness.begins(destination.name, study_uid, tuple(files.values()))
        try:
            outcomes = stored_in_order(destination.archive, files)
        except NodeError as error:
            if error.kept_nothing:
                handed.difference_update(objects)
            self._witness.ended(destination.name, study_uid, tuple(files.values()), str(error))
            raise
        # Before the ledger knows it: after a crash in between they are sent, and told, once more.
        for failure, uids in by_failure(files, outcomes).items():
            self._witness.ended(destination.name, study_uid, tuple(files[uid] for uid in uids), failure)
        return {outcome.sop_instance_uid: outcome for outcome in outcomes}

    def _record(self, item: OutgoingObject, outcome: StoreOutcome | None, destination: Destination) -> str:
        """Record what was answered; return why it must be sent again later, "" where it need not."""
        if outcome is None:
            return UNANSWERED
        state, reason = state_after_answer(outcome)
        if state is DeliveryState.PENDING:
            return reason
        self._ledger.delivered(item, state, status=outcome.status, reason=reason, commitment=destination.commitment)
        return ""

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

    def _postpone(self, batch: OutgoingBatch, reason: str, handed: Collection[OutgoingObject]) -> None:
        self._ledger.postpone(
            batch,
            reason=reason,
            first_retry_s=self._settings.first_retry_s,
            longest_retry_s=self._settings.longest_retry_s,
            give_up_after_s=self._settings.give_up_after_days * _DAY_S,
            in_vain=[item for item in batch.objects if item not in handed],
        )


def _is_there(destination: Destination) -> bool:
    try:
        destination.archive.probe()
    except NodeError:
        return False
    return True
