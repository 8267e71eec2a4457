"""What others announce of a study: Modality Performed Procedure Steps (PS3.4 F), Instance Availability (PS3.4 R). Pure.

Only UIDs and states are read; whatever else an announcement says of patient and examination stays undecoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from dicom_node.datasets.elements import Tag
from dicom_node.datasets.head import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID
from dicom_node.datasets.origin import require_uid
from dicom_node.datasets.wanted_elements import Item, Wanted, read_wanted
from dicom_node.errors import InvalidUid
from dicom_node.messages.services import Request, ServiceRefused, Status

_INSTANCE_AVAILABILITY: Tag = (0x0008, 0x0056)
_REFERENCED_SERIES_SEQUENCE: Tag = (0x0008, 0x1115)
_REFERENCED_IMAGE_SEQUENCE: Tag = (0x0008, 0x1140)
_REFERENCED_SOP_INSTANCE_UID: Tag = (0x0008, 0x1155)
_REFERENCED_SOP_SEQUENCE: Tag = (0x0008, 0x1199)
_REFERENCED_NON_IMAGE_SEQUENCE: Tag = (0x0040, 0x0220)
_PERFORMED_PROCEDURE_STEP_STATUS: Tag = (0x0040, 0x0252)
_SCHEDULED_STEP_ATTRIBUTES_SEQUENCE: Tag = (0x0040, 0x0270)
_PERFORMED_SERIES_SEQUENCE: Tag = (0x0040, 0x0340)

_Value = TypeVar("_Value", str, Sequence[Item])

_REFERENCES: Wanted = {_REFERENCED_SOP_INSTANCE_UID: None}
_OF_CREATED: Wanted = {
    _PERFORMED_PROCEDURE_STEP_STATUS: None,
    _SCHEDULED_STEP_ATTRIBUTES_SEQUENCE: {STUDY_INSTANCE_UID: None},
}
_OF_SET: Wanted = {
    _PERFORMED_PROCEDURE_STEP_STATUS: None,
    _PERFORMED_SERIES_SEQUENCE: {
        SERIES_INSTANCE_UID: None,
        _REFERENCED_IMAGE_SEQUENCE: _REFERENCES,
        _REFERENCED_NON_IMAGE_SEQUENCE: _REFERENCES,
    },
}
_OF_AVAILABILITY: Wanted = {
    STUDY_INSTANCE_UID: None,
    _REFERENCED_SERIES_SEQUENCE: {
        SERIES_INSTANCE_UID: None,
        _REFERENCED_SOP_SEQUENCE: {**_REFERENCES, _INSTANCE_AVAILABILITY: None},
    },
}
_AVAILABILITIES = ("ONLINE", "NEARLINE", "OFFLINE", "UNAVAILABLE")  # PS3.3 C.4.23.1.1


class StepStatus(Enum):
    """Performed Procedure Step Status (0040,0252), PS3.3 C.4.14."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


@dataclass(frozen=True, kw_only=True)
class StepChange:
    """What an N-SET says of a step.

    Attributes:
        status: None where it does not say.
        sop_instance_uids: What the step has made, all series together; None where it does not say.
    """

    status: StepStatus | None
    sop_instance_uids: frozenset[str] | None


@dataclass(frozen=True, kw_only=True)
class Availability:
    """What a notification says of a study.

    Attributes:
        study_instance_uid: (0020,000D).
        sop_instance_uids: Of all instances but those that are said to be unavailable.
    """

    study_instance_uid: str
    sop_instance_uids: frozenset[str]


def read_created_step(request: Request) -> frozenset[str]:
    """Return the Study Instance UIDs that a step is created for (N-CREATE). Raises ServiceRefused, HeadUnreadable."""
    content = _content(request, _OF_CREATED)
    if _status(content) is not StepStatus.IN_PROGRESS:
        raise ServiceRefused(Status.INVALID_ATTRIBUTE_VALUE, "a step is created with status IN PROGRESS")
    steps = _items(content, _SCHEDULED_STEP_ATTRIBUTES_SEQUENCE, "Scheduled Step Attributes Sequence")
    return frozenset(_uid(step, STUDY_INSTANCE_UID, "Study Instance UID") for step in steps)


def read_step_change(request: Request) -> StepChange:
    """Return what an N-SET changes. Raises ServiceRefused, HeadUnreadable."""
    content = _content(request, _OF_SET)
    series = content.sequences.get(_PERFORMED_SERIES_SEQUENCE)
    return StepChange(
        status=_status(content) if _PERFORMED_PROCEDURE_STEP_STATUS in content.texts else None,
        sop_instance_uids=None if series is None else frozenset(uid for one in series for uid in _made(one)),
    )


def read_availability(request: Request) -> Availability:
    """Return what a notification says (N-CREATE). Raises ServiceRefused, HeadUnreadable."""
    content = _content(request, _OF_AVAILABILITY)
    series = _items(content, _REFERENCED_SERIES_SEQUENCE, "Referenced Series Sequence")
    for one in series:
        _uid(one, SERIES_INSTANCE_UID, "Series Instance UID")
    instances = [
        item for one in series for item in _items(one, _REFERENCED_SOP_SEQUENCE, "Referenced SOP Sequence of a series")
    ]
    available = {_referenced(item): _availability(item) for item in instances}
    return Availability(
        study_instance_uid=_uid(content, STUDY_INSTANCE_UID, "Study Instance UID"),
        sop_instance_uids=frozenset(uid for uid, state in available.items() if state != "UNAVAILABLE"),
    )


def _made(series: Item) -> list[str]:
    sequences = (_REFERENCED_IMAGE_SEQUENCE, _REFERENCED_NON_IMAGE_SEQUENCE)
    return [_referenced(item) for tag in sequences for item in series.sequences.get(tag, ())]


def _referenced(item: Item) -> str:
    return _uid(item, _REFERENCED_SOP_INSTANCE_UID, "Referenced SOP Instance UID")


def _content(request: Request, wanted: Wanted) -> Item:
    if request.dataset is None:
        raise ServiceRefused(Status.MISSING_ATTRIBUTE, "there is no dataset")
    return read_wanted(request.dataset, request.encoding, wanted)


def _items(content: Item, tag: Tag, name: str) -> Sequence[Item]:
    return _required(content.sequences.get(tag), name)


def _text(content: Item, tag: Tag, name: str) -> str:
    return _required(content.texts.get(tag), name)


def _required(value: _Value | None, name: str) -> _Value:
    if value is None:
        raise ServiceRefused(Status.MISSING_ATTRIBUTE, f"{name} is missing")
    if not value:
        raise ServiceRefused(Status.MISSING_ATTRIBUTE_VALUE, f"{name} is empty")
    return value


def _uid(content: Item, tag: Tag, name: str) -> str:
    uid = _text(content, tag, name)
    try:
        require_uid(name, uid)
    except InvalidUid as error:
        raise ServiceRefused(Status.INVALID_ATTRIBUTE_VALUE, f"{name} is not a UID") from error
    return uid


def _status(content: Item) -> StepStatus:
    name = "Performed Procedure Step Status"
    try:
        return StepStatus(_text(content, _PERFORMED_PROCEDURE_STEP_STATUS, name))
    except ValueError as error:
        raise ServiceRefused(Status.INVALID_ATTRIBUTE_VALUE, f"{name} is not one of its values") from error


def _availability(item: Item) -> str:
    state = _text(item, _INSTANCE_AVAILABILITY, "Instance Availability")
    if state not in _AVAILABILITIES:
        raise ServiceRefused(Status.INVALID_ATTRIBUTE_VALUE, "Instance Availability is not one of its values")
    return state
