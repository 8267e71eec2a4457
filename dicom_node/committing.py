"""Taking responsibility for instances: what is said of them is true of the disk, and stays so.

Held first, looked at then: what is removed from the spool is removed under the same lock, so an instance that is found
whole while it is held is there until somebody lets it go.
"""

from collections.abc import Mapping, Sequence

import structlog

from dicom_node.commitment_request import (
    CLASS_INSTANCE_CONFLICT,
    DUPLICATE_TRANSACTION_UID,
    NO_SUCH_OBJECT_INSTANCE,
    PROCESSING_FAILURE,
    CommitmentRequest,
    Reference,
    Verdict,
)
from dicom_node.errors import HeadUnreadable, NotDicom
from dicom_node.held_instances import HeldInstances
from dicom_node.spool import Spool

_log = structlog.get_logger()


def commit(spool: Spool, request: CommitmentRequest) -> Verdict:
    """Hold and sync what a request names, and return what is true of it; the same again, the same.

    Raises OSError where the spool cannot be looked through, or nothing can be held.
    """
    if request.duplicate:
        failed = tuple((reference, DUPLICATE_TRANSACTION_UID) for reference in request.references)
        return Verdict(committed=(), failed=failed)
    held = HeldInstances(spool.root)
    found = spool.find(reference.sop_instance_uid for reference in request.references)
    new = held.hold(file for files in found.values() for file in files)
    reasons = _reasons(spool, request.references, found)
    kept = {
        file for reference, reason in reasons.items() if reason is None for file in found[reference.sop_instance_uid]
    }
    # Those of an earlier request stay.
    held.release(new - kept)
    _log.info(
        "storage commitment",
        peer=request.peer,
        transaction=request.transaction_uid,
        committed=sum(reason is None for reason in reasons.values()),
        failed=sum(reason is not None for reason in reasons.values()),
    )
    return Verdict(
        committed=tuple(reference for reference, reason in reasons.items() if reason is None),
        failed=tuple((reference, reason) for reference, reason in reasons.items() if reason is not None),
    )


def _reasons(
    spool: Spool, references: Sequence[Reference], found: Mapping[str, Sequence[str]]
) -> dict[Reference, int | None]:
    """Return why each cannot be committed; None for one that can."""
    reasons = {reference: _reason(spool, reference, found[reference.sop_instance_uid]) for reference in references}
    good = [reference for reference, reason in reasons.items() if reason is None]
    try:
        spool.sync_names(file for reference in good for file in found[reference.sop_instance_uid])
    except OSError as error:
        spool.failure(error)
        return {reference: reason or PROCESSING_FAILURE for reference, reason in reasons.items()}
    return reasons


def _reason(spool: Spool, reference: Reference, files: Sequence[str]) -> int | None:
    """Say why an instance cannot be committed. With variants of it, all must be as they should: which is meant?"""
    reasons = (_reason_of(spool, reference, file) for file in files)
    return next((reason for reason in reasons if reason is not None), None) if files else NO_SUCH_OBJECT_INSTANCE


def _reason_of(spool: Spool, reference: Reference, file: str) -> int | None:
    try:
        meta = spool.require_readable(file)
    except FileNotFoundError:
        return NO_SUCH_OBJECT_INSTANCE
    except OSError as error:
        spool.failure(error)
        return PROCESSING_FAILURE
    except (NotDicom, HeadUnreadable) as error:
        _log.error("instance not committed", file=file, cause=str(error), remedy="let its sender send it again")
        return PROCESSING_FAILURE
    if meta.sop_instance_uid != reference.sop_instance_uid:
        return NO_SUCH_OBJECT_INSTANCE  # two UIDs of one hash, or a file that was put there
    return None if meta.sop_class_uid == reference.sop_class_uid else CLASS_INSTANCE_CONFLICT
