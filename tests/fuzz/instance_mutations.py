"""Ways for a dataset to be wrong: each changes its elements, or the bytes of all of them, by chance."""

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from tests.fuzz.mutations import ORDER, Change, edge, flipped, one, resized

_VRS = (
    b"UI",
    b"SQ",
    b"UN",
    b"OB",
    b"OW",
    b"LO",
    b"PN",
    b"US",
    b"UT",
    b"DS",
    b"AT",
    b"FD",
    b"ZZ",
    b"ui",
    b"\0\0",
    b"  ",
)
_TAGS = (
    *((0x0000, 0x0002), (0x0002, 0x0010), (0x0008, 0x0005), (0x0008, 0x0016), (0x0008, 0x0018), (0x0008, 0x1140)),
    *((0x0009, 0x0010), (0x0020, 0x000D), (0x0020, 0x000E), (0x0028, 0x0010), (0x7FE0, 0x0010), (0xFFFC, 0xFFFC)),
    *((0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD), (0xFFFF, 0xFFFF)),
)
_LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")
UNDEFINED = 0xFFFFFFFF
_PIECE = 1 << 20
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)


@dataclass(kw_only=True)
class DataElement:
    """An element of a dataset.

    Attributes:
        tag: Group and element.
        vr: Its value representation; not written in implicit VR.
        value: Its bytes, those of its items too.
        claims: The length that it claims, where that is not the truth.
    """

    tag: tuple[int, int]
    vr: bytes
    value: bytes
    claims: int | None = None

    def encode(self, *, implicit: bool, big_endian: bool) -> bytes:
        """Return its bytes (PS3.5 7.1)."""
        order = ">" if big_endian else "<"
        head = struct.pack(f"{order}HH", *self.tag)
        length = len(self.value) if self.claims is None else self.claims
        if implicit or self.tag[0] == _ITEM[0]:
            return head + struct.pack(f"{order}I", length) + self.value
        if self.vr in _LONG:
            return head + self.vr + bytes(2) + struct.pack(f"{order}I", length) + self.value
        return head + self.vr + struct.pack(f"{order}H", length & 0xFFFF) + self.value


def _value(chance: Random, element: DataElement) -> None:
    element.value = chance.choice((flipped, resized))(chance, element.value)


def _text(chance: Random, element: DataElement) -> None:
    texts = (b"", b"\0\0", b"1..2", b"../../x", b"1.2\\1.3", b"9" * 66, b"\xff\xfe" * 4, b"1.2 ", b".", b"1\n")
    element.value = chance.choice(texts)


def _claims(chance: Random, element: DataElement) -> None:
    element.claims = chance.choice((UNDEFINED, edge(chance, len(element.value))))


def _vr(chance: Random, element: DataElement) -> None:
    element.vr = chance.choice(_VRS)


def _tag(chance: Random, element: DataElement) -> None:
    element.tag = chance.choice((*_TAGS, (chance.randrange(1 << 16), chance.randrange(1 << 16))))


def nested(depth: int, *, ended: bool) -> bytes:
    """Return the items of a sequence of undefined length, as deep as it says, closed or not; explicit VR."""
    opening = struct.pack("<HHI", *_ITEM, UNDEFINED) + struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, UNDEFINED)
    closing = struct.pack("<HHIHHI", *_SEQUENCE_END, 0, *_ITEM_END, 0)
    return opening * depth + (closing * depth if ended else b"")


def _deep(chance: Random, elements: list[DataElement]) -> None:
    depth = chance.choice((1, 2, 3, 8, 20, 20, 100, 100, 1500))
    value = nested(depth, ended=chance.random() < 0.7) + struct.pack("<HHI", *_SEQUENCE_END, 0)
    new = DataElement(tag=(0x0008, 0x1140), vr=chance.choice((b"SQ", b"UN")), value=value, claims=UNDEFINED)
    elements.insert(chance.randint(0, len(elements)), new)


def _many(chance: Random, elements: list[DataElement]) -> None:
    new = DataElement(tag=(0x0009, 0x1001), vr=b"LO", value=b"")
    elements[:0] = [new] * chance.choice((10, 50, 50, 50, 50, 1000))


#: Given the elements of a dataset.
OF_ELEMENTS: Mapping[str, Change] = {
    **ORDER,
    "value": one(_value),
    "text": one(_text),
    "claims": one(_claims),
    "VR": one(_vr),
    "tag": one(_tag),
    "deep": _deep,
    "many": _many,
}


def _inserted(chance: Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.randbytes(chance.randint(1, 30)) + data[at:]


def _part_twice(chance: Random, data: bytes) -> bytes:
    start, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:end] + data[start:]


#: Given the bytes of a dataset.
OF_BYTES: Mapping[str, Callable[[Random, bytes], bytes]] = {
    "flipped": flipped,
    "resized": resized,
    "inserted": _inserted,
    "part twice": _part_twice,
    "nothing": lambda _chance, _data: b"",
    "noise": lambda chance, data: chance.randbytes(len(data)),
}


def deflated(data: bytes, *, zeros: int = 0) -> bytes:
    """Return bytes, and so many zeros, as a deflated transfer syntax has them (PS3.5 A.5)."""
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    parts = [deflating.compress(data), *(deflating.compress(bytes(_PIECE)) for _ in range(zeros // _PIECE))]
    return b"".join(parts) + deflating.flush()
