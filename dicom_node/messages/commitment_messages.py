"""Storage commitment as SCP (PS3.4 J), the pure part: what a request asks, and what is reported of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from dicom_node.datasets.elements import Encoding, Tag
from dicom_node.datasets.origin import require_uid
from dicom_node.datasets.wanted_elements import Item, Wanted, read_wanted
from dicom_node.errors import InvalidUid
from dicom_node.messages.services import Request, ServiceRefused, Status

#: PS3.4 J.3.5: the one instance that every SCP has.
WELL_KNOWN_INSTANCE = "1.2.840.10008.1.20.1.1"
_REQUEST_STORAGE_COMMITMENT = 1  # Action Type ID, PS3.4 J.3.2.1
#: Event Type IDs, PS3.4 J.3.3.1.
ALL_COMMITTED, FAILURES_EXIST = 1, 2

#: Failure Reason (0008,1197), PS3.3 C.14.1.1.
PROCESSING_FAILURE = 0x0110
NO_SUCH_OBJECT_INSTANCE = 0x0112
CLASS_INSTANCE_CONFLICT = 0x0119
DUPLICATE_TRANSACTION_UID = 0x0131

_REFERENCED_SOP_CLASS_UID: Tag = (0x0008, 0x1150)
REFERENCED_SOP_INSTANCE_UID: Tag = (0x0008, 0x1155)
TRANSACTION_UID: Tag = (0x0008, 0x1195)
REFERENCED_SOP_SEQUENCE: Tag = (0x0008, 0x1199)
_WANTED: Wanted = {
    TRANSACTION_UID: None,
    REFERENCED_SOP_SEQUENCE: {_REFERENCED_SOP_CLASS_UID: None, REFERENCED_SOP_INSTANCE_UID: None},
}


class Reference(NamedTuple):
    """An instance that somebody refers to."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class CommitmentRequest:
    """A request to take responsibility for instances.

    Attributes:
        peer: AE title of the entry that lists who asked.
        transaction_uid: (0008,1195).
        references: What is to be committed, each once, in the request's order.
        asked_at: UTC.
        duplicate: Whether a request with this Transaction UID and other references was open already.
    """

    peer: str
    transaction_uid: str
    references: tuple[Reference, ...]
    asked_at: datetime
    duplicate: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is true of a request's instances.

    Attributes:
        committed: Those that the node is responsible for.
        failed: The others, each with its Failure Reason.
    """

    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...]

    @property
    def event_type_id(self) -> int:
        """Event Type ID of the report."""
        return FAILURES_EXIST if self.failed else ALL_COMMITTED


def read_request(request: Request, *, peer: str, now: datetime) -> CommitmentRequest:
    """Return what an N-ACTION request asks. Raises ServiceRefused, HeadUnreadable."""
    if request.sop_instance_uid != WELL_KNOWN_INSTANCE:
        raise ServiceRefused(Status.NO_SUCH_SOP_INSTANCE)
    if request.action_type_id != _REQUEST_STORAGE_COMMITMENT:
        raise ServiceRefused(Status.NO_SUCH_ACTION_TYPE)
    if request.dataset is None:
        raise ServiceRefused(Status.INVALID_ARGUMENT_VALUE, "there is no action information")
    information = read_wanted(request.dataset, request.encoding, _WANTED)
    items = information.sequences.get(REFERENCED_SOP_SEQUENCE, ())
    if not items:
        raise ServiceRefused(Status.INVALID_ARGUMENT_VALUE, "Referenced SOP Sequence (0008,1199) is missing or empty")
    return CommitmentRequest(
        peer=peer,
        transaction_uid=uid_of(information, TRANSACTION_UID, "Transaction UID"),
        references=tuple(dict.fromkeys(_reference(item) for item in items)),
        asked_at=now,
    )


def event_information(transaction_uid: str, verdict: Verdict) -> Dataset:
    """Return the event information of the report (PS3.4 J.3.3.1)."""
    information = Dataset()
    information.TransactionUID = transaction_uid
    if verdict.failed:
        information.FailedSOPSequence = [_item(reference, reason) for reference, reason in verdict.failed]
    if verdict.committed:
        information.ReferencedSOPSequence = [_item(reference) for reference in verdict.committed]
    return information


def encoded_information(information: Dataset, encoding: Encoding) -> bytes:
    """Return the bytes of event information."""
    data = encode(information, encoding.implicit, not encoding.big_endian)
    if data is None:
        raise ValueError("event information cannot be encoded; a UID in it is not one")
    return bytes(data)


def _reference(item: Item) -> Reference:
    return Reference(
        sop_class_uid=uid_of(item, _REFERENCED_SOP_CLASS_UID, "Referenced SOP Class UID"),
        sop_instance_uid=uid_of(item, REFERENCED_SOP_INSTANCE_UID, "Referenced SOP Instance UID"),
    )


def uid_of(item: Item, tag: Tag, name: str) -> str:
    """Return a UID of action or event information. Raises ServiceRefused where it is missing, or none."""
    uid = item.texts.get(tag, "")
    try:
        require_uid(name, uid)
    except InvalidUid as error:
        raise ServiceRefused(Status.INVALID_ARGUMENT_VALUE, f"{name} is missing or not a UID") from error
    return uid


def _item(reference: Reference, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if reason is not None:
        item.FailureReason = reason
    return item
