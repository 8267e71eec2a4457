"""What a STOW-RS answer means (PS3.18 10.5): a status of HTTP, and a dataset that says it of each instance. Pure."""

import json
import re
from http import HTTPStatus
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_node.archives.sender import OutcomeKind, StoreOutcome
from dicom_node.errors import ArchiveUnreachable, AssociationRejected, ServiceFailed

_NO_SUCH_CLASS = 0x0122
_PROCESSING_FAILURE = 0x0110
#: PS3.7 C.5.6; and Microsoft's DICOM service's own.
_DUPLICATES = (0x0111, 0xB00E)
#: PS3.18 I.2.2: SOP class not supported, referenced transfer syntax not supported.
_NO_CONTEXT = (_NO_SUCH_CLASS, 0xC122)
#: These say in their body what became of each instance.
_TELLING = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT, HTTPStatus.BAD_REQUEST)
_FAILED, _STORED = _SEQUENCES = ("FailedSOPSequence", "ReferencedSOPSequence")
_TOO_LARGE = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE,)
#: The name of an element in DICOM JSON.
_TAG = re.compile("[0-9A-Fa-f]{8}")
#: What pydicom raises over DICOM JSON that is none: a number that is infinite, a value that is no item, a broken one.
NO_DICOM_JSON = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    ArithmeticError,
    OSError,
    RecursionError,
)


def is_stow_answer(body: bytes) -> bool:
    """Say whether a body may be an answer to STOW-RS: nothing, a dataset as DICOM JSON, or as XML (PS3.19 A).

    A log-in page, "OK" of something that answers everything so, or ``{"error": ...}`` is no word of an archive.
    """
    if not body.strip() or b"NativeDicomModel" in body:
        return True
    try:
        parsed: Any = json.loads(body)
    except NO_DICOM_JSON:
        return False
    datasets = parsed if isinstance(parsed, list) else [parsed]
    return all(isinstance(one, dict) and all(map(_TAG.fullmatch, one)) for one in datasets)


def answered_dataset(body: bytes) -> Dataset:
    """Return the dataset of a body in DICOM JSON (PS3.18 F); an empty one where it is none."""
    try:
        parsed: Any = json.loads(body)
        return Dataset.from_json(parsed[0] if isinstance(parsed, list) else parsed)
    except NO_DICOM_JSON:
        return Dataset()


def outcome_of_stow(status: int, answered: Dataset, sop_instance_uid: str, called: str) -> StoreOutcome | None:
    """Say what became of one instance; None where the answer does not tell, so that one must look.

    Args:
        status: Of HTTP.
        answered: The Store Instances Response (PS3.18 I.2).
        sop_instance_uid: Which instance.
        called: Names the service, for errors.

    Raises ArchiveUnreachable, AssociationRejected where it says nothing of the instance because it did not look at it;
    ServiceFailed where it may have failed over it.
    """
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        rejected = AssociationRejected(
            f"{called} answered {status}: is our user or token known there, and may it store?"
        )
        rejected.kept_nothing = True
        raise rejected
    if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        return _outcome(sop_instance_uid, _NO_SUCH_CLASS, OutcomeKind.NO_CONTEXT)
    if status in _TOO_LARGE:
        return _outcome(sop_instance_uid, 0xA700, OutcomeKind.REFUSED)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ServiceFailed(f"{called} answered {status}: is it well, and can it take this object?")
    if status not in _TELLING:
        raise ArchiveUnreachable(f"{called} answered {status}: is that the address before /studies, and is it well?")
    failed = _about(answered, _FAILED, sop_instance_uid)
    if failed is not None:
        return _failed(sop_instance_uid, _number(failed, "FailureReason", _PROCESSING_FAILURE))
    stored = _about(answered, _STORED, sop_instance_uid)
    if stored is not None:
        warning = _number(stored, "WarningReason", 0)
        return _outcome(sop_instance_uid, warning, OutcomeKind.WARNING if warning else OutcomeKind.ACCEPTED)
    if status == HTTPStatus.OK and not any(_items(answered, keyword) for keyword in _SEQUENCES):
        return _outcome(sop_instance_uid, 0, OutcomeKind.ACCEPTED)  # 200: all is stored, without warnings
    return None


def unexplained(sop_instance_uid: str) -> StoreOutcome:
    """Return the outcome of an instance that was refused without a word, and that is not there."""
    return _outcome(sop_instance_uid, _PROCESSING_FAILURE, OutcomeKind.REFUSED)


def already_there(sop_instance_uid: str) -> StoreOutcome:
    """Return the outcome of an instance that was refused, and that is there."""
    return _outcome(sop_instance_uid, _DUPLICATES[0], OutcomeKind.DUPLICATE)


def _failed(sop_instance_uid: str, reason: int) -> StoreOutcome:
    if reason in _DUPLICATES:
        return already_there(sop_instance_uid)
    kind = OutcomeKind.NO_CONTEXT if reason in _NO_CONTEXT else OutcomeKind.REFUSED
    return _outcome(sop_instance_uid, reason, kind)


def _outcome(sop_instance_uid: str, status: int, kind: OutcomeKind) -> StoreOutcome:
    text = (
        "the archive takes no such SOP class in this transfer syntax"
        if kind is OutcomeKind.NO_CONTEXT
        else f"status {status:04X}"
    )
    return StoreOutcome(sop_instance_uid=sop_instance_uid, status=status, kind=kind, text=text)


def _about(answered: Dataset, keyword: str, sop_instance_uid: str) -> Dataset | None:
    return next(
        (
            item
            for item in _items(answered, keyword)
            if str(item.get("ReferencedSOPInstanceUID", "")) == sop_instance_uid
        ),
        None,
    )


def _items(answered: Dataset, keyword: str) -> Sequence:
    items = answered.get(keyword)
    return items if isinstance(items, Sequence) else Sequence()  # absent, or of another VR: then it holds no items


def _number(item: Dataset, keyword: str, otherwise: int) -> int:
    value = item.get(keyword)
    return value if isinstance(value, int) and 0 <= value <= 0xFFFF else otherwise  # noqa: PLR2004  # a US
