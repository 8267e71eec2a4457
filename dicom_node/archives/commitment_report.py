"""What an archive says it takes responsibility for (PS3.4 J.3.3): the record, and how one is read that comes to us."""

from dataclasses import dataclass

from dicom_node.datasets.elements import Encoding, Tag
from dicom_node.datasets.wanted_elements import Item, Wanted, read_wanted
from dicom_node.messages.commitment_messages import (
    ALL_COMMITTED,
    FAILURES_EXIST,
    REFERENCED_SOP_INSTANCE_UID,
    REFERENCED_SOP_SEQUENCE,
    TRANSACTION_UID,
    WELL_KNOWN_INSTANCE,
    uid_of,
)
from dicom_node.messages.services import Request, ServiceRefused, Status

_FAILED_SOP_SEQUENCE: Tag = (0x0008, 0x1198)
_FAILURE_REASON: Tag = (0x0008, 0x1197)
_FAILURE_REASON_BYTES = 2  # US
_WANTED: Wanted = {
    TRANSACTION_UID: None,
    REFERENCED_SOP_SEQUENCE: {REFERENCED_SOP_INSTANCE_UID: None},
    _FAILED_SOP_SEQUENCE: {REFERENCED_SOP_INSTANCE_UID: None, _FAILURE_REASON: None},
}


@dataclass(frozen=True, kw_only=True)
class CommitmentReport:
    """What an archive takes responsibility for.

    Attributes:
        transaction_uid: (0008,1195) of the request.
        event_type: 1: all is committed; 2: failures exist.
        committed: SOP Instance UIDs.
        failed: SOP Instance UID to Failure Reason (0008,1197).
    """

    transaction_uid: str
    event_type: int
    committed: frozenset[str]
    failed: dict[str, int]


def read_report(request: Request) -> CommitmentReport:
    """Return what an N-EVENT-REPORT request says. Raises ServiceRefused, HeadUnreadable."""
    if request.sop_instance_uid != WELL_KNOWN_INSTANCE:
        raise ServiceRefused(Status.NO_SUCH_SOP_INSTANCE)
    if request.event_type_id not in (ALL_COMMITTED, FAILURES_EXIST):
        raise ServiceRefused(Status.NO_SUCH_EVENT_TYPE)
    if request.dataset is None:
        raise ServiceRefused(Status.INVALID_ARGUMENT_VALUE, "there is no event information")
    information = read_wanted(request.dataset, request.encoding, _WANTED)
    return CommitmentReport(
        transaction_uid=uid_of(information, TRANSACTION_UID, "Transaction UID"),
        event_type=request.event_type_id,
        committed=frozenset(map(_instance, information.sequences.get(REFERENCED_SOP_SEQUENCE, ()))),
        failed={
            _instance(item): _reason(item, request.encoding)
            for item in information.sequences.get(_FAILED_SOP_SEQUENCE, ())
        },
    )


def _instance(item: Item) -> str:
    return uid_of(item, REFERENCED_SOP_INSTANCE_UID, "Referenced SOP Instance UID")


def _reason(item: Item, encoding: Encoding) -> int:
    value = item.values.get(_FAILURE_REASON, b"")
    if len(value) != _FAILURE_REASON_BYTES:
        raise ServiceRefused(Status.INVALID_ARGUMENT_VALUE, "Failure Reason (0008,1197) is missing, or no number")
    return int.from_bytes(value, "big" if encoding.big_endian else "little")
