"""Command sets of C-STORE and C-ECHO (PS3.7 6.3, 9.3.1 and 9.3.5): the request read, the response written."""

import struct
from dataclasses import dataclass

from dicom_node.errors import WireError

C_STORE_RQ = 0x0001
C_ECHO_RQ = 0x0030
#: Added to a request's Command Field it is the response's (PS3.7 E.1).
_RESPONSE = 0x8000
_NO_DATASET = 0x0101  # PS3.7 E.1: Command Data Set Type
_ELEMENT = struct.Struct("<HHI")  # implicit VR little endian, always (PS3.7 6.3.1)

_GROUP_LENGTH = 0x0000
_AFFECTED_SOP_CLASS_UID = 0x0002
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
_PRIORITY = 0x0700
_COMMAND_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_ERROR_COMMENT = 0x0902
_AFFECTED_SOP_INSTANCE_UID = 0x1000


@dataclass(frozen=True, kw_only=True)
class Command:
    """What the receiver asks of a command set.

    Attributes:
        field: Command Field (0000,0100).
        message_id: (0000,0110).
        priority: (0000,0700): 0 medium, 1 high, 2 low.
        has_dataset: Whether a dataset follows.
        sop_class_uid: Affected SOP Class UID (0000,0002), empty where absent.
        sop_instance_uid: Affected SOP Instance UID (0000,1000), empty where absent.
    """

    field: int
    message_id: int
    priority: int
    has_dataset: bool
    sop_class_uid: str
    sop_instance_uid: str


def read_command(data: bytes | bytearray) -> Command:
    """Read a command set. Raises WireError where it is none, or lacks what every command has."""
    values: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        if len(data) - position < _ELEMENT.size:
            raise WireError("a command set ends inside an element")
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += _ELEMENT.size
        if group != 0 or length > len(data) - position:
            raise WireError("what should be a command set has an element of another group, or of a wrong length")
        values[element] = bytes(data[position : position + length])
        position += length
    said = _number(values, _GROUP_LENGTH, "<I")
    if said != len(data) - _ELEMENT.size - 4:
        raise WireError("a command set's group length is not its length")
    return Command(
        field=_number(values, _COMMAND_FIELD, "<H"),
        message_id=_number(values, _MESSAGE_ID, "<H") if _MESSAGE_ID in values else 0,
        priority=_number(values, _PRIORITY, "<H") if _PRIORITY in values else 0,
        has_dataset=_number(values, _COMMAND_DATA_SET_TYPE, "<H") != _NO_DATASET,
        sop_class_uid=_uid(values, _AFFECTED_SOP_CLASS_UID),
        sop_instance_uid=_uid(values, _AFFECTED_SOP_INSTANCE_UID),
    )


def response_to(request: Command, *, status: int, comment: str = "") -> bytes:
    """Return the command set of the response (PS3.7 9.3.1.2, 9.3.5.2), its Error Comment of at most 64 characters."""
    instance = _padded(request.sop_instance_uid, b"\0")
    elements = [
        (_AFFECTED_SOP_CLASS_UID, _padded(request.sop_class_uid, b"\0")),
        (_COMMAND_FIELD, struct.pack("<H", _RESPONSE | request.field)),
        (_MESSAGE_ID_BEING_RESPONDED_TO, struct.pack("<H", request.message_id)),
        (_COMMAND_DATA_SET_TYPE, struct.pack("<H", _NO_DATASET)),
        (_STATUS, struct.pack("<H", status)),
        *([(_ERROR_COMMENT, _padded(comment, b" "))] if comment else []),
        *([(_AFFECTED_SOP_INSTANCE_UID, instance)] if request.field == C_STORE_RQ else []),
    ]
    body = b"".join(_ELEMENT.pack(0, element, len(value)) + value for element, value in elements)
    return _ELEMENT.pack(0, _GROUP_LENGTH, 4) + struct.pack("<I", len(body)) + body


def _number(values: dict[int, bytes], element: int, form: str) -> int:
    value = values.get(element)
    if value is None or len(value) != struct.calcsize(form):
        raise WireError(f"a command set has no (0000,{element:04X}) of the right length")
    (number,) = struct.unpack(form, value)
    return int(number)


def _uid(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").decode("latin-1").rstrip(" \0")


def _padded(text: str, padding: bytes) -> bytes:
    value = text.encode("latin-1", "replace")
    return value if len(value) % 2 == 0 else value + padding
