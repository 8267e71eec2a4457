"""One batch of results to one destination: whose study it is by now, what is sent, what was answered."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import structlog

from dicom_node.archives.identity import StudyIdentity
from dicom_node.archives.sender import OutcomeKind, StoreOutcome
from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.errors import ArchiveUnreachable, NodeError
from worker.delivery.delivery_answers import UNANSWERED, by_failure, state_after_answer, stored_in_order
from worker.delivery.delivery_attempt import DeliveryAttempt
from worker.delivery.delivery_witness import DeliveryWitness, NoWitness
from worker.delivery.destination import Destination
from worker.delivery.identity_check import identities_of_file, why_held
from worker.delivery.reencoded_copy import in_encoding
from worker.errors import SeriesUnreadable
from worker.instances.sender_characters import AssumedSets
from worker.jobs.job import DeliveryState
from worker.jobs.job_records import OutgoingBatch, OutgoingObject
from worker.jobs.study_awaited import waits_until, why_waiting
from worker.ledger.database import utc_now
from worker.ledger.ledger import Ledger
from worker.object_kinds import REJECTION
from worker.recorded_file import flaw_of
from worker.settings import DeliverySettings

_log = structlog.get_logger()

_DAY_S = 86400.0


class BatchSender:
    """Sends what the ledger has handed out, and tells it what the archive answered."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        spool: Path,
        results: Path,
        settings: DeliverySettings,
        witness: DeliveryWitness | None = None,
        assumed: AssumedSets | None = None,
    ) -> None:
        """Take the ledger, the roots of spool and results, the waits, who hears of attempts, and assumed characters."""
        self._ledger = ledger
        self._spool = spool
        self._results = results
        self._settings = settings
        self._witness = witness or NoWitness()
        self._assumed = assumed or {}

    def send(self, batch: OutgoingBatch, destination: Destination, attempt: DeliveryAttempt) -> bool:
        """Send a batch, and return True; not where the archive's study is another by now, or is not there.

        Then the job is held, or the batch waits for its study.
        What the destination may have from now on, though it does not answer for it, is added to the attempt's `handed`.

        Raises NodeError, OSError, SeriesUnreadable, LedgerAway, LeaseLost.
        """
        if not self._identity_holds(batch, destination, attempt):
            return False
        self._send(batch, destination, attempt)
        return True

    def postpone(self, batch: OutgoingBatch, reason: str, attempt: DeliveryAttempt) -> None:
        """Let what was not answered of a batch wait for its next attempt; what was not `handed` over is not there."""
        self._ledger.postpone(
            batch,
            reason=reason,
            first_retry_s=self._settings.first_retry_s,
            longest_retry_s=self._settings.longest_retry_s,
            give_up_after_s=self._settings.give_up_after_days * _DAY_S,
            in_vain=[item for item in batch.objects if item not in attempt.handed],
            look=attempt.look,
        )

    def _identity_holds(self, batch: OutgoingBatch, destination: Destination, attempt: DeliveryAttempt) -> bool:
        """Ask the archive whose study this is, each time before anything leaves: patients are merged at any moment."""
        if batch.released or not destination.identity_check:
            return True
        received = self._received(batch)
        archived = destination.archive.find_study(batch.study_instance_uid)
        reasons = [why_held(identity, archived, destination.name) for identity in received]
        # What it says of the identity that results carry, where none is the archive's.
        reason = "" if "" in reasons else reasons[0]
        attempt.look = "absent" if archived is None else "found"
        if archived is None and self._waits(batch, attempt):
            return False
        if reason:
            self._ledger.hold(batch, reason=reason)
            _log.warning("job held", job=batch.job_id, destination=destination.name, reason=reason)
            return False
        return True

    def _waits(self, batch: OutgoingBatch, attempt: DeliveryAttempt) -> bool:
        """Let a batch wait for its study where that may still come to the archive; return whether it does."""
        until = waits_until(self._ledger.earlier_looks(batch), utc_now(), self._settings.study_wait_s)
        if until is None:
            return False
        self.postpone(batch, why_waiting(batch.destination, until), attempt)
        _log.info(
            "study awaited",
            job=batch.job_id,
            destination=batch.destination,
            study=batch.study_instance_uid,
            until=f"{until:%Y-%m-%dT%H:%M:%SZ}",
        )
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

    def _send(self, batch: OutgoingBatch, destination: Destination, attempt: DeliveryAttempt) -> None:
        """Send a batch; what takes an earlier read back goes last, and only once the newer one is there.

        What the destination may have from now on, though it does not answer for it, is added to the attempt's `handed`.
        """
        rejections = [item for item in batch.objects if item.kind == REJECTION]
        self._send_objects(batch, [item for item in batch.objects if item not in rejections], destination, attempt)
        if rejections and self._ledger.has_arrived(batch.job_id, destination.name):
            self._send_objects(batch, rejections, destination, attempt)
        elif rejections:
            self.postpone(batch, "it rejects an earlier read, and waits until the newer one has arrived", attempt)

    def _send_objects(
        self,
        batch: OutgoingBatch,
        objects: Sequence[OutgoingObject],
        destination: Destination,
        attempt: DeliveryAttempt,
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
            outcomes = self._stored(batch, destination, files, attempt)
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
        attempt.handed.difference_update(item for item, reason in later.items() if reason != UNANSWERED)
        if objects and all(later[item] == UNANSWERED for item in objects):
            raise ArchiveUnreachable(f"{destination.name} ended the association before it answered for any object")
        if reasons:
            self.postpone(batch, reasons[-1], attempt)

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
        attempt: DeliveryAttempt,
    ) -> dict[str, StoreOutcome]:
        """Send files before the eyes of the witness; return what the archive answered, by SOP Instance UID."""
        study_uid = batch.study_instance_uid
        files = {item.sop_instance_uid: file for item, file in objects.items()}
        attempt.handed.update(objects)
        self._witness.begins(destination.name, study_uid, tuple(files.values()))
        try:
            outcomes = stored_in_order(destination.archive, files)
        except NodeError as error:
            if error.kept_nothing:
                attempt.handed.difference_update(objects)
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
