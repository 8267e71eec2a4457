"""Results leave: one thread a destination asks the ledger what is due, and tells it what the archive answered."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydicom import dcmread

from dicom_node.archive import ArchiveClient, OutcomeKind, StoreOutcome
from dicom_node.errors import NodeError
from dicom_node.identity import StudyIdentity
from dicom_node.statuses import may_pass, store_meaning
from worker.errors import LeaseLost, LedgerAway
from worker.job import DeliveryState, OutgoingBatch
from worker.ledger import Ledger
from worker.settings import DeliverySettings

_log = structlog.get_logger()

#: A deliverer that is silent for so long is taken to be dead; sending the same bytes twice does no harm.
_LEASE_S = 300.0
_DAY_S = 86400.0


@dataclass(frozen=True, kw_only=True)
class Destination:
    """An archive that gets results.

    Attributes:
        name: As in the settings and the ledger.
        archive: How it is reached.
        identity_check: Whether it is asked (C-FIND) before the first delivery of a job.
    """

    name: str
    archive: ArchiveClient
    identity_check: bool = True


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
    ) -> None:
        """Take the ledger, the destinations by name, the roots of spool and results, and the waits."""
        self._ledger = ledger
        self._destinations = destinations
        self._spool = spool
        self._results = results
        self._settings = settings

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
        while not stop.is_set():
            try:
                busy = self.deliver_one(destination)
            except LedgerAway as error:
                _log.warning("deliverer waits", destination=destination.name, cause=str(error))
                busy = False
            if not busy:
                stop.wait(self._settings.poll_s)

    def deliver_one(self, destination: Destination) -> bool:
        """Send what is due of one job; return whether anything was."""
        batch = self._ledger.claim_deliveries(destination.name, lease_s=_LEASE_S)
        if batch is None:
            return False
        log = _log.bind(job=batch.job_id, destination=destination.name, study=batch.study_instance_uid)
        try:
            if self._identity_holds(batch, destination):
                self._send(batch, destination)
                log.info("results answered", objects=len(batch.objects))
        except NodeError as error:
            self._postpone(batch, str(error))
            log.warning("destination away", cause=str(error), attempt=batch.objects[0].attempts)
        except LeaseLost as error:
            log.warning("delivery taken over", cause=str(error))
        except OSError as error:
            self._postpone(batch, f"a file of this job cannot be read ({error.strerror}): is the disk there?")
            log.warning("result file unreadable", cause=error.strerror, file=error.filename)
        return True

    def _identity_holds(self, batch: OutgoingBatch, destination: Destination) -> bool:
        """Ask the archive whose study this is, once a job, right before its first delivery."""
        if batch.identity_confirmed or not destination.identity_check:
            return True
        received = identity_of_file(self._spool / batch.source_file)
        reason = why_held(received, destination.archive.find_study(batch.study_instance_uid), destination.name)
        if reason:
            self._ledger.hold(batch, reason=reason)
            _log.warning("job held", job=batch.job_id, destination=destination.name, reason=reason)
            return False
        self._ledger.confirm_identity(batch.job_id)
        return True

    def _send(self, batch: OutgoingBatch, destination: Destination) -> None:
        outcomes = {
            outcome.sop_instance_uid: outcome
            for outcome in destination.archive.store([self._results / item.file for item in batch.objects])
        }
        later = (
            [] if len(outcomes) == len(batch.objects) else ["the association ended before every object was answered"]
        )
        for item in batch.objects:
            outcome = outcomes.get(item.sop_instance_uid)
            if outcome is None:
                continue
            state, reason = state_after_answer(outcome)
            if state is DeliveryState.PENDING:
                later.append(reason)
            else:
                self._ledger.delivered(item, state, status=outcome.status, reason=reason)
        if later:
            self._postpone(batch, later[-1])

    def _postpone(self, batch: OutgoingBatch, reason: str) -> None:
        self._ledger.postpone(
            batch,
            reason=reason,
            first_retry_s=self._settings.first_retry_s,
            longest_retry_s=self._settings.longest_retry_s,
            give_up_after_s=self._settings.give_up_after_days * _DAY_S,
        )


_ACCEPTED = (OutcomeKind.ACCEPTED, OutcomeKind.WARNING, OutcomeKind.DUPLICATE)


def state_after_answer(outcome: StoreOutcome) -> tuple[DeliveryState, str]:
    """Decide what an archive's answer means; "I have it already" is an acceptance, since the bytes are the same.

    *pending* is a refusal that may pass by itself.
    """
    if outcome.kind is OutcomeKind.ACCEPTED:
        return DeliveryState.ACCEPTED, ""
    if outcome.kind is OutcomeKind.NO_CONTEXT:
        return DeliveryState.REFUSED, outcome.text
    if outcome.kind in _ACCEPTED:
        state = DeliveryState.ACCEPTED
    else:
        state = DeliveryState.PENDING if may_pass(outcome.status) else DeliveryState.REFUSED
    # Not the archive's own comment: it may quote the dataset, and the ledger is shown on pages and in logs.
    return state, f"status {outcome.status:04X}, {store_meaning(outcome.status).what}"


def why_held(received: StudyIdentity, archived: StudyIdentity | None, destination: str) -> str:
    """Say why results must not go out now; empty where the archive's study is the one that we received.

    Names the attributes that differ, never their values.
    """
    if archived is None:
        return (
            f"{destination} no longer has this study: was it moved, merged or deleted since we received it? Where an "
            "archive only ever gets results, set `identity_check = false` for it"
        )
    different = archived.differs_from(received)
    if different == ("PatientName",) and archived.lacks_characters_of(received):
        return (
            f"PatientName in {destination} lacks characters of what we received: it answers queries in a character set "
            "without them; let it answer in UTF-8 (Orthanc: DefaultEncoding)"
        )
    if different:
        names = ", ".join(different)
        return f"{names} in {destination} differ from what we received: was the patient corrected or merged?"
    return ""


def identity_of_file(file: Path) -> StudyIdentity:
    """Return whose study a file of the spool belongs to, as received."""
    return StudyIdentity.of(dcmread(file, stop_before_pixels=True, specific_tags=list(StudyIdentity.keywords())))
