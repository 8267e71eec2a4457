"""Ways for a stream to be wrong, a table for each level of the grammar; each changes what it is given, by chance."""

import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, TypeAlias

from tests.faults.wire_bytes import ABORT, ASSOCIATE_AC, ASSOCIATE_RQ, COMMAND, DATA, LAST, RELEASE_RP, RELEASE_RQ
from tests.fuzz.wire_grammar import Element, Item, Message, Unit, Value

Change: TypeAlias = Callable[[Random, list[Any]], None]

#: Lengths, numbers and counts at which readers go wrong.
EDGES = (0, 1, 2, 3, 5, 6, 7, 8, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
#: Command fields of PS3.7 E.1, and some that are none.
COMMAND_FIELDS = (
    *(0x0001, 0x0010, 0x0020, 0x0021, 0x0030, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150, 0x0FFF),
    *(0x8001, 0x8010, 0x8020, 0x8021, 0x8030, 0x8100, 0x8110, 0x8120, 0x8130, 0x8140, 0x8150, 0, 2, 0x7FFF, 0xFFFF),
)
#: Elements of command sets (PS3.7 E.1 and E.2).
COMMAND_ELEMENTS = (
    *(0x0001, 0x0002, 0x0003, 0x0010, 0x0100, 0x0110, 0x0120, 0x0200, 0x0600, 0x0700, 0x0800, 0x0900, 0x0901, 0x0902),
    *(0x1000, 0x1001, 0x1002, 0x1005, 0x1008, 0x1020, 0x1021, 0x1023, 0x1030, 0x1031, 0x4000, 0x5110, 0x51B0, 0x0777),
)
#: Items of association requests (PS3.8 9.3.2, PS3.7 D.3.3).
ITEM_KINDS = (0x10, 0x20, 0x21, 0x30, 0x40, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x00, 0xFF)
_PDU_KINDS = (0, ASSOCIATE_RQ, ASSOCIATE_AC, 3, DATA, RELEASE_RQ, RELEASE_RP, ABORT, 8, 0x16, 0xFF)


def flipped(chance: Random, data: bytes) -> bytes:
    """Return bytes of which up to four are others; some where there were none."""
    if not data:
        return chance.randbytes(chance.randint(1, 8))
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x2E, 0x5C, 0x7F, 0xFF, chance.randrange(256)))
    return bytes(changed)


def resized(chance: Random, data: bytes) -> bytes:
    """Return bytes that end early, or go on."""
    if data and chance.random() < 0.6:
        return data[: chance.randrange(len(data))]
    return data + chance.randbytes(chance.choice((1, 2, 3, 64, 300)))


def edge(chance: Random, truth: int) -> int:
    """Return a length that is not the truth: near it, or an edge."""
    return chance.choice((truth - 1, truth + 1, truth - 2, truth + 2, truth * 2, *EDGES)) & 0xFFFFFFFF


def dropped(chance: Random, parts: list[Any]) -> None:
    """Leave one out."""
    if parts:
        del parts[chance.randrange(len(parts))]


def doubled(chance: Random, parts: list[Any]) -> None:
    """Say one twice."""
    if parts:
        parts.insert(chance.randint(0, len(parts)), chance.choice(parts))


def swapped(chance: Random, parts: list[Any]) -> None:
    """Change the order of two."""
    if len(parts) > 1:
        one, other = chance.sample(range(len(parts)), 2)
        parts[one], parts[other] = parts[other], parts[one]


def shuffled(chance: Random, parts: list[Any]) -> None:
    """Change the order of all."""
    chance.shuffle(parts)


_ORDER: Mapping[str, Change] = {"dropped": dropped, "doubled": doubled, "swapped": swapped, "shuffled": shuffled}


def _one(change: Callable[[Random, Any], None]) -> Change:
    def on_any(chance: Random, parts: list[Any]) -> None:
        if parts:
            change(chance, chance.choice(parts))

    return on_any


def _header_flipped(chance: Random, parts: list[bytes]) -> None:
    parts[0] = flipped(chance, parts[0])


def _header_version(chance: Random, parts: list[bytes]) -> None:
    parts[0] = struct.pack(">H", chance.choice((0, 2, 3, 0x8000, 0xFFFF))) + parts[0][2:]


def _header_titles(chance: Random, parts: list[bytes]) -> None:
    odd = (
        b" " * 16,
        bytes(16),
        b"WETREAD\0\0".ljust(16),
        b"\\" * 16,
        b"\xff" * 16,
        b"wetread".ljust(16),
        b"\x1b[2J\n\r".ljust(16),
    )
    start = chance.choice((4, 20))
    parts[0] = parts[0][:start] + chance.choice(odd) + parts[0][start + 16 :]


#: Given what comes before the items of an association request, as the one part: protocol version, AE titles.
OF_HEADER: Mapping[str, Change] = {
    "flipped": _header_flipped,
    "version": _header_version,
    "titles": _header_titles,
}


def _item_body(chance: Random, item: Item) -> None:
    item.body = chance.choice((flipped, resized))(chance, item.body)


def _item_text(chance: Random, item: Item) -> None:
    item.body = chance.choice((b"", b"\0", b"1..2", b"1.2.840.10008.1.1", b"\xff" * 70, b"9" * 65, b"1.2 ", b"\\" * 3))


def _item_claims(chance: Random, item: Item) -> None:
    item.claims = edge(chance, len(item.encode()) - 4)


def _item_kind(chance: Random, item: Item) -> None:
    item.kind = chance.choice(ITEM_KINDS)


def _new_item(chance: Random, items: list[Item]) -> None:
    kind = chance.choice(ITEM_KINDS)
    length = chance.choice((0, 1, 2, 4, 8, 30))
    text = struct.pack(">H", chance.choice((0, 4, 17, 0xFFFF))) + b"1.2.840.10008.1.1" + chance.randbytes(4)
    items.insert(chance.randint(0, len(items)), Item(kind=kind, body=chance.choice((chance.randbytes(length), text))))


def _many_items(chance: Random, items: list[Item]) -> None:
    if items:
        items.extend([chance.choice(items)] * chance.choice((128, 300)))


#: Given the items of one level of an association request.
OF_ITEMS: Mapping[str, Change] = {
    **_ORDER,
    "body": _one(_item_body),
    "text": _one(_item_text),
    "claims": _one(_item_claims),
    "kind": _one(_item_kind),
    "new": _new_item,
    "many": _many_items,
}


def _element_value(chance: Random, element: Element) -> None:
    element.value = chance.choice((flipped, resized))(chance, element.value)


def _element_number(chance: Random, element: Element) -> None:
    size = chance.choice((1, 2, 2, 2, 4, 8))
    element.value = (edge(chance, 0x0102) & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def _element_claims(chance: Random, element: Element) -> None:
    element.claims = edge(chance, len(element.value))


def _element_tag(chance: Random, element: Element) -> None:
    element.number = chance.choice(COMMAND_ELEMENTS)


def _element_group(chance: Random, element: Element) -> None:
    element.group = chance.choice((2, 8, 0x7FE0, 0xFFFE))


def _new_element(chance: Random, elements: list[Element]) -> None:
    value = chance.choice((b"", b"\1\0", b"1.2.3", b"A\\B\\", chance.randbytes(chance.randint(1, 20))))
    elements.insert(chance.randint(0, len(elements)), Element(number=chance.choice(COMMAND_ELEMENTS), value=value))


def _another_service(chance: Random, elements: list[Element]) -> None:
    for element in elements:
        if element.number == 0x0100:
            element.value = struct.pack("<H", chance.choice(COMMAND_FIELDS))


#: Given the elements of a command set.
OF_ELEMENTS: Mapping[str, Change] = {
    **_ORDER,
    "value": _one(_element_value),
    "number": _one(_element_number),
    "claims": _one(_element_claims),
    "tag": _one(_element_tag),
    "group": _one(_element_group),
    "new": _new_element,
    "service": _another_service,
}


def _group_length(chance: Random, message: Message) -> None:
    message.group_length_off_by = chance.choice((None, -1, 1, 8, -8, 1 << 30))


def _message_context(chance: Random, message: Message) -> None:
    message.context = chance.choice((0, 1, 2, 3, 5, 7, 9, 11, 99, 255))


def _message_dataset(chance: Random, message: Message) -> None:
    changed = chance.choice((flipped, resized))(chance, message.dataset or b"")
    message.dataset = chance.choice((None, b"", changed, changed, changed))


#: Given the messages of an association.
OF_MESSAGES: Mapping[str, Change] = {
    **_ORDER,
    "group length": _one(_group_length),
    "context": _one(_message_context),
    "dataset": _one(_message_dataset),
}


def _value_context(chance: Random, value: Value) -> None:
    value.context = chance.choice((0, 1, 3, 5, 7, 9, 99, 255))


def _value_control(chance: Random, value: Value) -> None:
    value.control = chance.choice((0, COMMAND, LAST, COMMAND | LAST, 4, 0xFF))


def _value_claims(chance: Random, value: Value) -> None:
    value.claims = edge(chance, len(value.data) + 2)


def _value_data(chance: Random, value: Value) -> None:
    value.data = chance.choice((b"", flipped(chance, value.data), resized(chance, value.data)))


#: Given the fragments of all messages.
OF_VALUES: Mapping[str, Change] = {
    **_ORDER,
    "context": _one(_value_context),
    "control": _one(_value_control),
    "claims": _one(_value_claims),
    "data": _one(_value_data),
}


def _unit_kind(chance: Random, unit: Unit) -> None:
    unit.kind = chance.choice(_PDU_KINDS)


def _unit_claims(chance: Random, unit: Unit) -> None:
    unit.claims = edge(chance, len(unit.encode()) - 6)


def _unit_waits(chance: Random, unit: Unit) -> None:
    unit.awaited = not unit.awaited


def _unit_body(chance: Random, unit: Unit) -> None:
    unit.body = chance.choice((flipped, resized))(chance, unit.body)


def _new_unit(chance: Random, units: list[Unit]) -> None:
    body = chance.choice((b"", bytes(4), chance.randbytes(chance.randint(1, 80)), bytes(20_000)))
    units.insert(chance.randint(0, len(units)), Unit(kind=chance.choice(_PDU_KINDS), body=body))


#: Given the PDUs of a stream.
OF_UNITS: Mapping[str, Change] = {
    **_ORDER,
    "kind": _one(_unit_kind),
    "claims": _one(_unit_claims),
    "waits": _one(_unit_waits),
    "body": _one(_unit_body),
    "new": _new_unit,
}


def _bytes(chance: Random, steps: list[Any]) -> None:
    at = chance.randrange(len(steps))
    data, awaited = steps[at]
    steps[at] = (flipped(chance, data), awaited)


def _cut(chance: Random, steps: list[Any]) -> None:
    at = chance.randrange(len(steps))
    data, _ = steps[at]
    steps[at:] = [(data[: chance.randrange(len(data) + 1)], False)]


def _inserted(chance: Random, steps: list[Any]) -> None:
    at = chance.randrange(len(steps))
    data, awaited = steps[at]
    where = chance.randint(0, len(data))
    garbage = chance.choice(
        (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", chance.randbytes(chance.randint(1, 40)))
    )
    steps[at] = (data[:where] + garbage + data[where:], awaited)


#: Given the bytes of a stream, in steps: (bytes, whether an answer is awaited); there is at least one.
OF_BYTES: Mapping[str, Change] = {"flipped": _bytes, "cut": _cut, "inserted": _inserted}
