"""Elements of a dataset, by tags and lengths: nothing is decoded, nothing recurses, HeadUnreadable is the only error.

Every instance that comes is walked so, a hundred elements of each: what is read is a plain tuple, by a function for its
encoding.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from dicom_node.errors import HeadUnreadable

Buffer: TypeAlias = bytes | bytearray | memoryview
Tag: TypeAlias = tuple[int, int]

ITEM_GROUP = 0xFFFE
#: More than any object has that models read: a multi-frame image of three thousand frames has half of them.
MOST_ELEMENTS = 300_000
_ITEM: Tag = (ITEM_GROUP, 0xE000)
_ITEM_END: Tag = (ITEM_GROUP, 0xE00D)
_SEQUENCE_END: Tag = (ITEM_GROUP, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF
#: Those with a length of two bytes, and of four (PS3.5 7.1.2).
SHORT_VRS = frozenset(
    (
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"),
        *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    )
)
LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))

_IMPLICIT = "1.2.840.10008.1.2"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"


class Encoding(NamedTuple):
    """How elements are written."""

    implicit: bool
    big_endian: bool


class Element(NamedTuple):
    """An element's place; `length` is None where undefined."""

    tag: Tag
    vr: bytes
    start: int
    length: int | None


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """Return how a transfer syntax writes elements; every one but three is explicit VR little endian."""
    return Encoding(implicit=transfer_syntax_uid == _IMPLICIT, big_endian=transfer_syntax_uid == _BIG_ENDIAN)


def read_element(dataset: Buffer, position: int, encoding: Encoding) -> Element:
    """Read the tag, VR and length at a position (PS3.5 7.1). Raises HeadUnreadable."""
    return Element(*READERS[encoding](dataset, position))


def skip_undefined(dataset: Buffer, element: Element, encoding: Encoding) -> int:
    """Return the position after a value of undefined length; nesting is a list, so depth costs no stack.

    Raises HeadUnreadable.
    """
    nested = [inside(element.vr, encoding)]
    position, read = element.start, 0
    while nested:
        tag, vr, position, length = READERS[nested[-1]](dataset, position)
        read += 1
        if read > MOST_ELEMENTS:
            raise HeadUnreadable(f"{name_of_tag(element.tag)} has more than {MOST_ELEMENTS} elements")
        if tag == _SEQUENCE_END:
            nested.pop()
        elif length is not None:
            position += length
        elif tag not in (_ITEM, _ITEM_END):
            nested.append(inside(vr, nested[-1]))
    return position


def inside(vr: bytes, encoding: Encoding) -> Encoding:
    """Return how the content of an element of this VR is written."""
    # PS3.5 6.2.2: the content of an UN of undefined length is implicit VR little endian.
    return Encoding(implicit=True, big_endian=False) if vr == b"UN" else encoding


def name_of_tag(tag: Tag) -> str:
    """Return a tag as it is printed."""
    return f"({tag[0]:04X},{tag[1]:04X})"


#: What an element is, as of `Element`: of the hundred in a head each is read, and a plain tuple is made faster.
Plain: TypeAlias = tuple[Tag, bytes, int, int | None]


def _implicit_reader(order: str) -> Callable[[Buffer, int], Plain]:
    """Return what reads an element at a position in implicit VR, and whatever has no VR in any encoding."""
    header = struct.Struct(order + "HHI").unpack_from

    def read(dataset: Buffer, position: int) -> Plain:
        try:
            group, number, length = header(dataset, position)
        except struct.error as error:
            raise _cut_at(position) from error
        return (group, number), b"", position + 8, None if length == _UNDEFINED else length

    return read


def _explicit_reader(order: str) -> Callable[[Buffer, int], Plain]:
    """Return what reads an element at a position in explicit VR."""
    header, long_length = struct.Struct(order + "HH2sH").unpack_from, struct.Struct(order + "I").unpack_from
    without_vr = _implicit_reader(order)

    def read(dataset: Buffer, position: int) -> Plain:
        try:
            group, number, vr, length = header(dataset, position)
            if group == ITEM_GROUP:
                return without_vr(dataset, position)
            if vr in SHORT_VRS:
                return (group, number), vr, position + 8, length
            if vr in LONG_VRS:
                (length,) = long_length(dataset, position + 8)
                return (group, number), vr, position + 12, None if length == _UNDEFINED else length
        except struct.error as error:
            raise _cut_at(position) from error
        if not (vr.isalpha() and vr.isupper()):
            raise HeadUnreadable(
                f"{name_of_tag((group, number))} at byte {position} has no VR; "
                "is the transfer syntax the one that was agreed?"
            )
        return (group, number), vr, position + 8, length

    return read


def _cut_at(position: int) -> HeadUnreadable:
    return HeadUnreadable(f"the dataset ends inside an element at byte {position}; truncated?")


#: What reads an element, by the encoding.
READERS = {
    Encoding(implicit=implicit, big_endian=big_endian): reader(">" if big_endian else "<")
    for implicit, reader in ((False, _explicit_reader), (True, _implicit_reader))
    for big_endian in (False, True)
}
