"""Command sets (PS3.7 6.3, 9.3, 10.3): requests read, their responses and our N-EVENT-REPORT requests written."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.errors import WireError

C_STORE_RQ = 0x0001
C_ECHO_RQ = 0x0030
N_EVENT_REPORT_RQ, N_GET_RQ, N_SET_RQ, N_ACTION_RQ, N_CREATE_RQ, N_DELETE_RQ = (0x0100 + (n << 4) for n in range(6))
N_EVENT_REPORT_RSP = 0x8100
_C_GET_RQ, _C_FIND_RQ, _C_MOVE_RQ = 0x0010, 0x0020, 0x0021
#: Requests beside C-STORE and C-ECHO. Each has a response with a status, also where it is not served.
OTHER_REQUESTS = frozenset(
    (
        *(_C_GET_RQ, _C_FIND_RQ, _C_MOVE_RQ, N_EVENT_REPORT_RQ, N_GET_RQ, N_SET_RQ, N_ACTION_RQ, N_CREATE_RQ),
        N_DELETE_RQ,
    )
)
#: They name a Requested SOP Class and Instance, the others an Affected one.
_REQUESTED = frozenset((N_GET_RQ, N_SET_RQ, N_ACTION_RQ, N_DELETE_RQ))
#: Whose responses name the SOP Instance.
_NAME_INSTANCE = frozenset((C_STORE_RQ, N_EVENT_REPORT_RQ, N_CREATE_RQ, *_REQUESTED))
#: Added to a request's Command Field it is the response's (PS3.7 E.1).
_RESPONSE = 0x8000
_NO_DATASET, _DATASET = 0x0101, 0x0001  # PS3.7 E.1: Command Data Set Type
_ELEMENT = struct.Struct("<HHI")  # implicit VR little endian, always (PS3.7 6.3.1)
_SHORT, _LONG = struct.Struct("<H"), struct.Struct("<I")

_GROUP_LENGTH = 0x0000
_AFFECTED_SOP_CLASS_UID = 0x0002
_REQUESTED_SOP_CLASS_UID = 0x0003
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
_PRIORITY = 0x0700
_COMMAND_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_ERROR_COMMENT = 0x0902
_ERROR_ID = 0x0903
_AFFECTED_SOP_INSTANCE_UID = 0x1000
_REQUESTED_SOP_INSTANCE_UID = 0x1001
_EVENT_TYPE_ID = 0x1002
_ACTION_TYPE_ID = 0x1008


@dataclass(frozen=True, kw_only=True)
class Command:
    """What the receiver asks of a command set.

    Attributes:
        field: Command Field (0000,0100).
        message_id: (0000,0110).
        priority: (0000,0700): 0 medium, 1 high, 2 low.
        has_dataset: Whether a dataset follows.
        sop_class_uid: Affected SOP Class UID (0000,0002), of N-GET, N-SET, N-ACTION and N-DELETE the Requested one
            (0000,0003); empty where absent.
        sop_instance_uid: Affected (0000,1000), or Requested (0000,1001), SOP Instance UID; empty where absent.
        action_type_id: (0000,1008) of an N-ACTION; None where absent.
        event_type_id: (0000,1002) of an N-EVENT-REPORT; None where absent.
        responds_to: Message ID Being Responded To (0000,0120) of a response; None where absent.
        status: (0000,0900) of a response; None where absent.
    """

    field: int
    message_id: int
    priority: int
    has_dataset: bool
    sop_class_uid: str
    sop_instance_uid: str
    action_type_id: int | None = None
    event_type_id: int | None = None
    responds_to: int | None = None
    status: int | None = None

    @property
    def is_response(self) -> bool:
        """Whether it answers a request."""
        return bool(self.field & _RESPONSE)


def read_command(data: bytes | bytearray) -> Command:
    """Read a command set. Raises WireError where it is none, or lacks what every command has."""
    data = bytes(data)
    values: dict[int, bytes] = {}
    position, end = 0, len(data)
    while position < end:
        if end - position < _ELEMENT.size:
            raise WireError("a command set ends inside an element")
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += _ELEMENT.size
        if group != 0 or length > end - position:
            raise WireError("what should be a command set has an element of another group, or of a wrong length")
        values[element] = data[position : position + length]
        position += length
    said = _number(values, _GROUP_LENGTH, _LONG)
    if said != end - _ELEMENT.size - _LONG.size:
        raise WireError("a command set's group length is not its length")
    field = _number(values, _COMMAND_FIELD, _SHORT)
    requested = field in _REQUESTED
    return Command(
        field=field,
        message_id=_optional(values, _MESSAGE_ID) or 0,
        priority=_optional(values, _PRIORITY) or 0,
        has_dataset=_number(values, _COMMAND_DATA_SET_TYPE, _SHORT) != _NO_DATASET,
        sop_class_uid=_uid(values, _REQUESTED_SOP_CLASS_UID if requested else _AFFECTED_SOP_CLASS_UID),
        sop_instance_uid=_uid(values, _REQUESTED_SOP_INSTANCE_UID if requested else _AFFECTED_SOP_INSTANCE_UID),
        action_type_id=_optional(values, _ACTION_TYPE_ID),
        event_type_id=_optional(values, _EVENT_TYPE_ID),
        responds_to=_optional(values, _MESSAGE_ID_BEING_RESPONDED_TO),
        status=_optional(values, _STATUS),
    )


def response_to(
    request: Command, *, status: int, comment: str = "", error_id: int | None = None, sop_instance_uid: str = ""
) -> bytes:
    """Return the command set of the response (PS3.7 9.3, 10.3).

    Args:
        request: What is answered.
        status: (0000,0900).
        comment: Error Comment, at most 64 characters; empty for none.
        error_id: Error ID (0000,0903); None for none.
        sop_instance_uid: Of the instance that was made, where the request names none.
    """
    instance = _padded(request.sop_instance_uid or sop_instance_uid, b"\0")
    names = request.field == C_STORE_RQ or (request.field in _NAME_INSTANCE and bool(instance))
    elements = [
        (_AFFECTED_SOP_CLASS_UID, _padded(request.sop_class_uid, b"\0")),
        (_COMMAND_FIELD, _SHORT.pack(_RESPONSE | request.field)),
        (_MESSAGE_ID_BEING_RESPONDED_TO, _SHORT.pack(request.message_id)),
        (_COMMAND_DATA_SET_TYPE, _SHORT.pack(_NO_DATASET)),
        (_STATUS, _SHORT.pack(status)),
        *([(_ERROR_COMMENT, _padded(comment, b" "))] if comment else []),
        *([(_ERROR_ID, _SHORT.pack(error_id))] if error_id is not None else []),
        *([(_AFFECTED_SOP_INSTANCE_UID, instance)] if names else []),
    ]
    return _encoded(elements)


def event_report(*, message_id: int, sop_class_uid: str, sop_instance_uid: str, event_type_id: int) -> bytes:
    """Return the command set of an N-EVENT-REPORT request (PS3.7 10.3.1.1); a dataset follows it."""
    return _encoded(
        [
            (_AFFECTED_SOP_CLASS_UID, _padded(sop_class_uid, b"\0")),
            (_COMMAND_FIELD, _SHORT.pack(N_EVENT_REPORT_RQ)),
            (_MESSAGE_ID, _SHORT.pack(message_id)),
            (_COMMAND_DATA_SET_TYPE, _SHORT.pack(_DATASET)),
            (_AFFECTED_SOP_INSTANCE_UID, _padded(sop_instance_uid, b"\0")),
            (_EVENT_TYPE_ID, _SHORT.pack(event_type_id)),
        ]
    )


def _encoded(elements: Sequence[tuple[int, bytes]]) -> bytes:
    body = b"".join(_ELEMENT.pack(0, element, len(value)) + value for element, value in elements)
    return _ELEMENT.pack(0, _GROUP_LENGTH, 4) + _LONG.pack(len(body)) + body


def _number(values: dict[int, bytes], element: int, form: struct.Struct) -> int:
    value = values.get(element)
    if value is None or len(value) != form.size:
        raise WireError(f"a command set has no (0000,{element:04X}) of the right length")
    (number,) = form.unpack(value)
    return int(number)


def _optional(values: dict[int, bytes], element: int) -> int | None:
    return _number(values, element, _SHORT) if element in values else None


def _uid(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").decode("latin-1").rstrip(" \0")


def _padded(text: str, padding: bytes) -> bytes:
    value = text.encode("latin-1", "replace")
    return value if len(value) % 2 == 0 else value + padding
