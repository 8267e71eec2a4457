"""What a C-STORE request says of an instance, and whether its dataset agrees."""

import functools
import re
from dataclasses import dataclass

from dicom_node.datasets.head import Head, read_head
from dicom_node.datasets.part10 import encode_meta
from dicom_node.errors import InvalidUid, Mismatch, MissingUid
from dicom_node.study import Requested

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")  # PS3.5 9.1; leading zeros are wrong there and common in hospitals
_UID_LENGTH = 64
_REMEMBERED_UIDS = 512


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a C-STORE request says before its dataset.

    Attributes:
        sop_class_uid: Affected SOP Class UID of the request.
        sop_instance_uid: Affected SOP Instance UID of the request.
        transfer_syntax_uid: Of the presentation context.
        calling_ae_title: Of the sender.
        called_ae_title: The one of ours that it called.
        sender_address: Host of the sender.
        requested: Priority of the request.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    called_ae_title: str
    sender_address: str
    requested: Requested = Requested.MEDIUM


def meta_of(origin: Origin) -> bytes:
    """Return preamble and file meta information of an instance."""
    return encode_meta(
        sop_class_uid=origin.sop_class_uid,
        sop_instance_uid=origin.sop_instance_uid,
        transfer_syntax_uid=origin.transfer_syntax_uid,
        calling_ae_title=origin.calling_ae_title,
        called_ae_title=origin.called_ae_title,
        requested=origin.requested,
    )


def judge(origin: Origin, dataset: memoryview) -> Head:
    """Return the head of a dataset that is what its request says.

    Raises Mismatch, InvalidUid, MissingUid, HeadUnreadable.
    """
    head = read_head(dataset, origin.transfer_syntax_uid)
    for name, uid in (
        ("SOP Instance UID", head.sop_instance_uid),
        ("Study Instance UID", head.study_instance_uid),
        ("Series Instance UID", head.series_instance_uid),
    ):
        if uid is not None:
            require_uid(name, uid)
    if head.sop_instance_uid != origin.sop_instance_uid:
        raise Mismatch("Affected SOP Instance UID is not the dataset's SOP Instance UID (0008,0018)")
    if head.sop_class_uid not in (None, origin.sop_class_uid):
        raise Mismatch("Affected SOP Class UID is not the dataset's SOP Class UID (0008,0016)")
    if head.study_instance_uid is None or head.series_instance_uid is None:
        raise MissingUid("the dataset has no Study Instance UID (0020,000D) or no Series Instance UID (0020,000E)")
    return head


@functools.lru_cache(maxsize=_REMEMBERED_UIDS)  # most of an instance's UIDs are those of the one before
def is_uid(uid: str) -> bool:
    """Say whether a text is a UID."""
    return len(uid) <= _UID_LENGTH and _UID.fullmatch(uid) is not None


def require_uid(name: str, uid: str) -> None:
    """Raise InvalidUid for what is no UID."""
    if not is_uid(uid):
        # The value comes from outside and may be anything, a name too: it is not repeated.
        raise InvalidUid(f"{name} is not a UID (PS3.5 9.1): {len(uid)} characters, not digits and dots in order")
