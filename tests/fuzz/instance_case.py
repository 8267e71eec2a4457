"""A case: seed and number give a dataset and what its request says of it; the same on every machine."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from dicom_node.datasets.origin import Origin
from tests.fuzz import instance_mutations as wrong
from tests.fuzz.instance_mutations import UNDEFINED, DataElement
from tests.fuzz.wire_case import chance_of
from tests.unit.dicom_node.instances import CT, SERIES, SOP, STUDY, incoming

#: How a dataset is written, by transfer syntax: implicit VR, big endian, deflated.
SYNTAXES: Mapping[str, tuple[bool, bool, bool]] = {
    "1.2.840.10008.1.2.1": (False, False, False),
    "1.2.840.10008.1.2": (True, False, False),
    "1.2.840.10008.1.2.2": (False, True, False),
    "1.2.840.10008.1.2.1.99": (False, False, True),
    "1.2.840.10008.1.2.4.90": (False, False, False),
}
_UNCHANGED_SHARE = 0.03
#: The request names another transfer syntax than the dataset has.
_WRONG_SYNTAX_SHARE = 0.05
#: Zeros deflate to a thousandth: few bytes that would be many.
_BOMB_SHARE, _BOMB_BYTES = 0.005, 64 << 20


@dataclass(frozen=True, kw_only=True)
class InstanceCase:
    """What arrives.

    Attributes:
        number: Of the case.
        origin: What its request says.
        dataset: Its bytes.
        mutations: What is wrong with it; empty for a right one.
    """

    number: int
    origin: Origin
    dataset: bytes
    mutations: tuple[str, ...]


def instance_case(seed: int, number: int) -> InstanceCase:
    """Return a case."""
    chance = chance_of("instance", seed, number)
    right = chance.random() < _UNCHANGED_SHARE
    return _made(chance, number, 0 if right else chance.choice((1, 1, 1, 2, 2, 4)))


def right_instance(seed: int, number: int) -> InstanceCase:
    """Return a case with nothing wrong in it."""
    return _made(chance_of("instance", seed, number), number, 0)


def _made(chance: Random, number: int, mutations: int) -> InstanceCase:
    syntax = chance.choice(list(SYNTAXES))
    implicit, big_endian, deflate = SYNTAXES[syntax]
    done: list[str] = []
    elements = _elements(chance, compressed=syntax.endswith("4.90"), big_endian=big_endian)
    at_bytes = sum(chance.random() < 0.35 for _ in range(mutations))
    for _ in range(mutations - at_bytes):
        name = chance.choice(list(wrong.OF_ELEMENTS))
        wrong.OF_ELEMENTS[name](chance, elements)
        done.append(f"elements: {name}")
    data = b"".join(element.encode(implicit=implicit, big_endian=big_endian) for element in elements)
    # Both sides of deflating can be wrong.
    inside = chance.randint(0, at_bytes) if deflate else 0
    data = _changed(chance, data, inside, done)
    if deflate:
        bomb = mutations > 0 and chance.random() < _BOMB_SHARE
        data = wrong.deflated(data, zeros=_BOMB_BYTES if bomb else 0)
        done += ["a bomb"] * bomb
    data = _changed(chance, data, at_bytes - inside, done)
    if mutations and chance.random() < _WRONG_SYNTAX_SHARE:
        syntax = chance.choice(list(SYNTAXES))
        done.append(f"as {syntax}")
    origin, _ = incoming(b"", transfer_syntax_uid=syntax)
    return InstanceCase(number=number, origin=origin, dataset=data, mutations=tuple(done))


def _changed(chance: Random, data: bytes, times: int, done: list[str]) -> bytes:
    for _ in range(times):
        name = chance.choice(list(wrong.OF_BYTES))
        data = wrong.OF_BYTES[name](chance, data)
        done.append(f"bytes: {name}")
    return data


def _elements(chance: Random, *, compressed: bool, big_endian: bool) -> list[DataElement]:
    """Return the elements of a right dataset."""
    number = struct.Struct(">H" if big_endian else "<H").pack
    end = struct.pack(">HHI" if big_endian else "<HHI", 0xFFFE, 0xE0DD, 0)
    elements = [
        DataElement(tag=(0x0008, 0x0005), vr=b"CS", value=b"ISO_IR 100"),
        DataElement(tag=(0x0008, 0x0016), vr=b"UI", value=_even(CT)),
        DataElement(tag=(0x0008, 0x0018), vr=b"UI", value=_even(SOP)),
        DataElement(tag=(0x0008, 0x0070), vr=b"LO", value=b"somebody"),
        DataElement(tag=(0x0008, 0x1140), vr=b"SQ", value=end, claims=UNDEFINED),
        DataElement(tag=(0x0009, 0x0010), vr=b"LO", value=b"PRIVATE "),
        DataElement(tag=(0x0009, 0x1001), vr=b"UN", value=chance.randbytes(2 * chance.randint(0, 20))),
        DataElement(tag=(0x0010, 0x0010), vr=b"PN", value=b"Canary^Bird "),
        DataElement(tag=(0x0020, 0x000D), vr=b"UI", value=_even(STUDY)),
        DataElement(tag=(0x0020, 0x000E), vr=b"UI", value=_even(SERIES)),
        DataElement(tag=(0x0028, 0x0010), vr=b"US", value=number(4)),
        DataElement(tag=(0x0028, 0x0011), vr=b"US", value=number(4)),
    ]
    pixels = chance.randbytes(32)
    if compressed:
        items = struct.pack("<HHIHHI", 0xFFFE, 0xE000, 0, 0xFFFE, 0xE000, len(pixels)) + pixels + end
        return [*elements, DataElement(tag=(0x7FE0, 0x0010), vr=b"OB", value=items, claims=UNDEFINED)]
    return [*elements, DataElement(tag=(0x7FE0, 0x0010), vr=b"OW", value=pixels)]


def _even(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)
