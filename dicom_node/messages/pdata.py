"""What a P-DATA-TF PDU carries (PS3.8 9.3.5): fragments of messages, walked in place."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from dicom_node.errors import WireError

P_DATA_TF = 0x04
#: PDU type, a reserved byte, length of what follows (PS3.8 9.3.1).
PDU_HEADER = struct.Struct(">BBI")
#: Length of what follows, presentation context id, message control header (PS3.8 9.3.5.1, E.2).
_ITEM_HEADER = struct.Struct(">IBB")
_CONTEXT_AND_CONTROL = 2
_COMMAND, _LAST = 0x01, 0x02


class Fragment(NamedTuple):
    """A presentation data value: a part of a message's command set or dataset.

    Attributes:
        context_id: Of its presentation context.
        command: Whether it is of the command set, else of the dataset.
        last: Whether it is the last one of the command set, or of the dataset.
        data: Its bytes; a view of the PDU.
    """

    context_id: int
    command: bool
    last: bool
    data: memoryview


def fragments(body: memoryview) -> Iterator[Fragment]:
    """Yield the fragments in the body of a P-DATA-TF PDU, what comes after its header. Raises WireError."""
    if not body:
        raise WireError("a P-DATA-TF without a presentation data value")
    position = 0
    while position < len(body):
        if len(body) - position < _ITEM_HEADER.size:
            raise WireError("a P-DATA-TF ends inside the header of a presentation data value")
        length, context_id, control = _ITEM_HEADER.unpack_from(body, position)
        start, end = position + _ITEM_HEADER.size, position + 4 + length
        if length < _CONTEXT_AND_CONTROL or end > len(body):
            raise WireError(f"a presentation data value claims {length} bytes in a P-DATA-TF of {len(body)}")
        yield Fragment(context_id, bool(control & _COMMAND), bool(control & _LAST), body[start:end])
        position = end


def p_data(context_id: int, command: bytes, *, longest_pdu: int, dataset: bytes = b"") -> bytes:
    """Return the P-DATA-TF PDUs that carry a message to a peer.

    Args:
        context_id: Of the presentation context.
        command: The command set.
        longest_pdu: What the peer takes (PS3.8 D.1); 0 for any length.
        dataset: What follows the command set; empty for nothing.
    """
    return b"".join(
        [*_pdus(context_id, command, _COMMAND, longest_pdu), *_pdus(context_id, dataset, 0, longest_pdu)],
    )


def _pdus(context_id: int, data: bytes, kind: int, longest_pdu: int) -> Iterator[bytes]:
    room = max(longest_pdu - _ITEM_HEADER.size, 1) if longest_pdu else max(len(data), 1)
    for start in range(0, len(data), room):
        part = data[start : start + room]
        control = kind | (_LAST if start + room >= len(data) else 0)
        item = _ITEM_HEADER.pack(len(part) + _CONTEXT_AND_CONTROL, context_id, control) + part
        yield PDU_HEADER.pack(P_DATA_TF, 0, len(item)) + item
