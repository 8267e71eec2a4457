"""What a stream is made of (PS3.7, PS3.8), taken apart far enough that each part can be wrong by itself."""

import itertools
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.faults.wire_bytes import LAST, pdu, pdv

#: Bytes of an A-ASSOCIATE-RQ before its items (PS3.8 9.3.2).
FIXED = 68
#: Items that hold items, and how many bytes come before those.
_CONTAINERS = {0x20: 4, 0x50: 0}
_ITEM = struct.Struct(">BBH")
_ELEMENT = struct.Struct("<HHI")


@dataclass(kw_only=True)
class Item:
    """An item of an association request.

    Attributes:
        kind: Its type.
        body: Its bytes, those before its items where it holds any.
        inner: The items in it.
        claims: The length that it claims, where that is not the truth.
    """

    kind: int
    body: bytes
    inner: list["Item"] = field(default_factory=list)
    claims: int | None = None

    def encode(self) -> bytes:
        """Return its bytes."""
        body = self.body + b"".join(item.encode() for item in self.inner)
        return _ITEM.pack(self.kind, 0, (len(body) if self.claims is None else self.claims) & 0xFFFF) + body


def items_of(data: bytes) -> list[Item]:
    """Take the items of a right association request apart."""
    found, position = [], 0
    while position < len(data):
        kind, _, length = _ITEM.unpack_from(data, position)
        body = data[position + 4 : position + 4 + length]
        before = _CONTAINERS.get(kind)
        if before is None:
            found.append(Item(kind=kind, body=body))
        else:
            found.append(Item(kind=kind, body=body[:before], inner=items_of(body[before:])))
        position += 4 + length
    return found


@dataclass(kw_only=True)
class Element:
    """An element of a command set: implicit VR little endian.

    Attributes:
        number: Of the element.
        value: Its bytes.
        group: 0 in a right one.
        claims: The length that it claims, where that is not the truth.
    """

    number: int
    value: bytes
    group: int = 0
    claims: int | None = None

    def encode(self) -> bytes:
        """Return its bytes."""
        return _ELEMENT.pack(self.group, self.number, len(self.value) if self.claims is None else self.claims) + (
            self.value
        )


def elements_of(command: bytes) -> list[Element]:
    """Take a right command set apart, without its group length."""
    found, position = [], 0
    while position < len(command):
        _, number, length = _ELEMENT.unpack_from(command, position)
        found.append(Element(number=number, value=command[position + 8 : position + 8 + length]))
        position += 8 + length
    return found[1:]


@dataclass(kw_only=True)
class Message:
    """A message: command set and dataset on a presentation context.

    Attributes:
        elements: Of its command set, without the group length.
        dataset: What follows; None where nothing does.
        context: Id of the presentation context.
        group_length_off_by: How far its group length is from the truth; None where it has none.
    """

    elements: list[Element]
    dataset: bytes | None
    context: int
    group_length_off_by: int | None = 0

    def command(self) -> bytes:
        """Return its command set."""
        body = b"".join(element.encode() for element in self.elements)
        if self.group_length_off_by is None:
            return body
        return struct.pack("<HHII", 0, 0, 4, (len(body) + self.group_length_off_by) & 0xFFFFFFFF) + body


@dataclass(kw_only=True)
class Value:
    """A presentation data value: a fragment of a message.

    Attributes:
        data: Its bytes.
        context: Id of the presentation context.
        control: Message control header.
        claims: The length that it claims, where that is not the truth.
    """

    data: bytes
    context: int
    control: int
    claims: int | None = None

    def encode(self) -> bytes:
        """Return its bytes."""
        return pdv(self.data, context=self.context, control=self.control, length=self.claims)


@dataclass(kw_only=True)
class Unit:
    """A PDU.

    Attributes:
        kind: Its type.
        body: Its bytes, where it carries no values.
        values: What it carries.
        claims: The length that it claims, where that is not the truth.
        awaited: Whether a PDU of the other side is awaited before the next one goes.
    """

    kind: int
    body: bytes = b""
    values: list[Value] = field(default_factory=list)
    claims: int | None = None
    awaited: bool = False

    def encode(self) -> bytes:
        """Return its bytes."""
        return pdu(self.kind, self.body + b"".join(value.encode() for value in self.values), length=self.claims)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut bytes at these places."""
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(data)), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def values_of(parts: Sequence[bytes], *, context: int, control: int) -> list[Value]:
    """Return the fragments of a command set (`control` is COMMAND) or of a dataset (0), the last one marked."""
    return [
        Value(data=part, context=context, control=control | (LAST if number == len(parts) else 0))
        for number, part in enumerate(parts, 1)
    ]
