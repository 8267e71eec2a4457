"""Ways for the messages of an association to be wrong, a table for each level: commands, values, PDUs, bytes."""

import struct
from collections.abc import Mapping
from random import Random
from typing import Any

from tests.faults.wire_bytes import ABORT, ASSOCIATE_AC, ASSOCIATE_RQ, COMMAND, DATA, LAST, RELEASE_RP, RELEASE_RQ
from tests.fuzz.mutations import ORDER, Change, edge, flipped, one, resized
from tests.fuzz.wire_grammar import Element, Message, Unit, Value

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
_PDU_KINDS = (0, ASSOCIATE_RQ, ASSOCIATE_AC, 3, DATA, RELEASE_RQ, RELEASE_RP, ABORT, 8, 0x16, 0xFF)


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
    **ORDER,
    "value": one(_element_value),
    "number": one(_element_number),
    "claims": one(_element_claims),
    "tag": one(_element_tag),
    "group": one(_element_group),
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
    **ORDER,
    "group length": one(_group_length),
    "context": one(_message_context),
    "dataset": one(_message_dataset),
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
    **ORDER,
    "context": one(_value_context),
    "control": one(_value_control),
    "claims": one(_value_claims),
    "data": one(_value_data),
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
    **ORDER,
    "kind": one(_unit_kind),
    "claims": one(_unit_claims),
    "waits": one(_unit_waits),
    "body": one(_unit_body),
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
