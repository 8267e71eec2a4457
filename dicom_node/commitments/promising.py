"""Taking responsibility for instances: what is said of them is true of the disk, and stays so.

Looked at first, held then: a file that is held is the one that was looked at, and what removes files from the spool
does it under the same lock and leaves those that are held. So there is no moment at which one can go unseen.
"""

from collections.abc import Mapping, Sequence

import structlog

from dicom_node.commitments.safekeeping import find, identity_of, look_at, sync_names
from dicom_node.errors import HeadUnreadable, NotDicom
from dicom_node.messages.commitment_messages import (
    CLASS_INSTANCE_CONFLICT,
    DUPLICATE_TRANSACTION_UID,
    NO_SUCH_OBJECT_INSTANCE,
    PROCESSING_FAILURE,
    CommitmentRequest,
    Reference,
    Verdict,
)
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool import Spool

_log = structlog.get_logger()


def commit(spool: Spool, request: CommitmentRequest) -> Verdict:
    """Sync and hold what a request names, and return what is true of it; the same again, the same.

    Raises OSError where the spool cannot be looked through, or nothing can be held.
    """
    if request.duplicate:
        reasons: dict[Reference, int | None] = dict.fromkeys(request.references, DUPLICATE_TRANSACTION_UID)
    else:
        reasons = _Commitment(spool, request.references).reasons
    verdict = Verdict(
        committed=tuple(reference for reference, reason in reasons.items() if reason is None),
        failed=tuple((reference, reason) for reference, reason in reasons.items() if reason is not None),
    )
    _log.info(
        "storage commitment",
        peer=request.peer,
        transaction=request.transaction_uid,
        committed=len(verdict.committed),
        failed=len(verdict.failed),
    )
    return verdict


class _Commitment:
    """One taking of responsibility.

    Attributes:
        reasons: Why each instance cannot be committed; None for one that is.
    """

    def __init__(self, spool: Spool, references: Sequence[Reference]) -> None:
        self._spool = spool
        self._seen: dict[str, tuple[int, int]] = {}
        self._files = find(spool, (reference.sop_instance_uid for reference in references))
        self.reasons = {reference: self._reason(reference) for reference in references}
        self._sync_names()
        self._hold()

    def _good(self) -> Mapping[Reference, Sequence[str]]:
        """Return the files of those against which nothing is known yet."""
        return {
            reference: self._files[reference.sop_instance_uid]
            for reference, reason in self.reasons.items()
            if reason is None
        }

    def _reason(self, reference: Reference) -> int | None:
        """Say what is against an instance. With variants of it, all must be as they should: which one is meant?"""
        files = self._files[reference.sop_instance_uid]
        reasons = (self._reason_of(reference, file) for file in files)
        return next((reason for reason in reasons if reason is not None), None) if files else NO_SUCH_OBJECT_INSTANCE

    def _reason_of(self, reference: Reference, file: str) -> int | None:
        try:
            looked = look_at(self._spool, file)
        except FileNotFoundError:
            return NO_SUCH_OBJECT_INSTANCE
        except OSError as error:
            self._spool.failure(error)
            return PROCESSING_FAILURE
        except (NotDicom, HeadUnreadable) as error:
            _log.error("instance not committed", file=file, cause=str(error), remedy="let its sender send it again")
            return PROCESSING_FAILURE
        self._seen[file] = looked.identity
        if looked.meta.sop_instance_uid != reference.sop_instance_uid:
            return NO_SUCH_OBJECT_INSTANCE  # a file that somebody put there
        return None if looked.meta.sop_class_uid == reference.sop_class_uid else CLASS_INSTANCE_CONFLICT

    def _sync_names(self) -> None:
        good = self._good()
        try:
            sync_names(self._spool, (file for files in good.values() for file in files))
        except OSError as error:
            self._spool.failure(error)
            self.reasons |= dict.fromkeys(good, PROCESSING_FAILURE)

    def _hold(self) -> None:
        good = self._good()
        held = HeldInstances(self._spool.root).hold(
            (file for files in good.values() for file in files), still_there=self._still_there
        )
        self.reasons |= {
            reference: NO_SUCH_OBJECT_INSTANCE for reference, files in good.items() if not held.issuperset(files)
        }

    def _still_there(self, file: str) -> bool:
        try:
            return identity_of((self._spool.root / file).stat()) == self._seen[file]
        except FileNotFoundError:
            return False
