"""What archives answer to results: how far results are sent in spite of one that is not answered, and what it means."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from dicom_node.archives.archive import Outlet
from dicom_node.archives.sender import OutcomeKind, StoreOutcome
from dicom_node.archives.statuses import may_pass, store_meaning
from dicom_node.errors import NodeError
from worker.jobs.job import DeliveryState

UNANSWERED = "the association ended before every object was answered"
#: Associations in a row that end without an answer.
_MOST_IN_VAIN = 3
_ACCEPTED = (OutcomeKind.ACCEPTED, OutcomeKind.WARNING, OutcomeKind.DUPLICATE)


def stored_in_order(archive: Outlet, files: Mapping[str, Path]) -> list[StoreOutcome]:
    """Send files, and go on behind one that the archive does not answer: it must not keep the others for ever.

    Args:
        archive: Where to.
        files: By SOP Instance UID.

    Raises ArchiveUnreachable, AssociationRejected where nothing at all was answered.
    """
    left, outcomes, in_vain, tried = list(files), list[StoreOutcome](), 0, False
    while left and in_vain < _MOST_IN_VAIN:
        try:
            answered = list(archive.store([files[uid] for uid in left]))
        except NodeError as error:
            if not outcomes:
                error.kept_nothing = error.kept_nothing and not tried
                raise
            return outcomes  # it was there and has gone
        outcomes += answered
        tried = True
        in_vain = 0 if answered else in_vain + 1
        uids = {outcome.sop_instance_uid for outcome in answered}
        unanswered = next((place for place, uid in enumerate(left) if uid not in uids), len(left))
        left = [uid for uid in left[unanswered + 1 :] if uid not in uids]
    return outcomes


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


def by_failure(sent: Iterable[str], outcomes: Iterable[StoreOutcome]) -> dict[str, list[str]]:
    """Return the SOP Instance UIDs by why they were not accepted; under "" those that were."""
    answered = {outcome.sop_instance_uid: state_after_answer(outcome) for outcome in outcomes}
    found: dict[str, list[str]] = {}
    for uid in sent:
        state, reason = answered.get(uid, (DeliveryState.REFUSED, UNANSWERED))
        found.setdefault("" if state is DeliveryState.ACCEPTED else reason or "refused", []).append(uid)
    return found
