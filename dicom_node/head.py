"""The first elements of a dataset, read as far as Series Instance UID (0020,000E), and where its pixels begin.

A walk over tags and lengths: nothing is decoded but a few short values, nothing recurses, and whatever the bytes are,
the only error is HeadUnreadable.
"""

import struct
import zlib
from collections.abc import Container
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from dicom_node.errors import HeadUnreadable

Buffer: TypeAlias = bytes | bytearray | memoryview
Tag: TypeAlias = tuple[int, int]

SOP_CLASS_UID: Tag = (0x0008, 0x0016)
SOP_INSTANCE_UID: Tag = (0x0008, 0x0018)
_MANUFACTURER: Tag = (0x0008, 0x0070)
_CONTRIBUTING_EQUIPMENT_SEQUENCE: Tag = (0x0018, 0xA001)
STUDY_INSTANCE_UID: Tag = (0x0020, 0x000D)
SERIES_INSTANCE_UID: Tag = (0x0020, 0x000E)

_OF_HEAD = frozenset(
    (
        SOP_CLASS_UID,
        SOP_INSTANCE_UID,
        _MANUFACTURER,
        _CONTRIBUTING_EQUIPMENT_SEQUENCE,
        STUDY_INSTANCE_UID,
        SERIES_INSTANCE_UID,
    )
)
_ITEM: Tag = (0xFFFE, 0xE000)
_ITEM_END: Tag = (0xFFFE, 0xE00D)
_SEQUENCE_END: Tag = (0xFFFE, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_TEXT_LIMIT = 128  # of what is kept of a value; every value that matters here is shorter

_IMPLICIT = "1.2.840.10008.1.2"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")
#: More than any object has that models read: a multi-frame image of three thousand frames has half of them.
MOST_ELEMENTS = 300_000
_SHORTEST = 8
_PIXELS = 0x7FE0
#: Of a value that is looked into and no sequence.
_LONGEST_VALUE = 1 << 20
#: Values that stay bytes.
_BULK = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"))
#: Values whose undefined length is that of fragments, or of another encoding.
_FRAGMENTED = frozenset((b"OB", b"OW", b"UN"))
#: (FFFE,E000) in both byte orders.
_ITEM_STARTS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
#: More than any head needs, and a bound on what a deflate bomb can cost.
_INFLATE_LIMIT = 4 << 20


_ITEM_GROUP = _ITEM[0]
#: What an element begins with, by whether it is big endian: explicit VR, implicit VR, the longer length of some VRs.
_HEADERS = {
    big_endian: tuple(struct.Struct(order + layout).unpack_from for layout in ("HH2sH", "HHI", "I"))
    for big_endian, order in ((False, "<"), (True, ">"))
}


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


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the node knows of an instance. None is absent, an empty string is empty; padding is off.

    Attributes:
        sop_class_uid: (0008,0016).
        sop_instance_uid: (0008,0018).
        study_instance_uid: (0020,000D).
        series_instance_uid: (0020,000E).
        own: Whether wetread made it: its Manufacturer, and a Contributing Equipment Sequence.
    """

    sop_class_uid: str | None
    sop_instance_uid: str | None
    study_instance_uid: str | None
    series_instance_uid: str | None
    own: bool


def is_deflated(transfer_syntax_uid: str) -> bool:
    """Say whether a transfer syntax deflates the whole dataset (PS3.5 A.5)."""
    return transfer_syntax_uid in _DEFLATED


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """Return how a transfer syntax writes elements; every one but three is explicit VR little endian."""
    return Encoding(implicit=transfer_syntax_uid == _IMPLICIT, big_endian=transfer_syntax_uid == _BIG_ENDIAN)


def read_head(dataset: Buffer, transfer_syntax_uid: str) -> Head:
    """Read the head of a dataset without file meta information. Raises HeadUnreadable."""
    if is_deflated(transfer_syntax_uid):
        dataset = _inflate(dataset)
    values = read_texts(dataset, encoding_of(transfer_syntax_uid), last=SERIES_INSTANCE_UID, only=_OF_HEAD)
    return Head(
        sop_class_uid=values.get(SOP_CLASS_UID),
        sop_instance_uid=values.get(SOP_INSTANCE_UID),
        study_instance_uid=values.get(STUDY_INSTANCE_UID),
        series_instance_uid=values.get(SERIES_INSTANCE_UID),
        own=values.get(_MANUFACTURER) == "wetread" and _CONTRIBUTING_EQUIPMENT_SEQUENCE in values,
    )


def read_texts(dataset: Buffer, encoding: Encoding, *, last: Tag, only: Container[Tag] | None = None) -> dict[Tag, str]:
    """Return the values of all elements, or of some, up to tag `last`: Latin-1, cut to 128 characters, padding off.

    Raises HeadUnreadable.
    """
    values: dict[Tag, str] = {}
    position = read = 0
    while position < len(dataset):
        element = read_element(dataset, position, encoding)
        read += 1
        if read > MOST_ELEMENTS:
            raise HeadUnreadable(f"more than {MOST_ELEMENTS} elements come before {_name(last)}")
        if element.tag > last:
            break
        if element.length is None:
            values[element.tag] = ""
            position = skip_undefined(dataset, element, encoding)
            continue
        position = element.start + element.length
        if position > len(dataset):
            raise HeadUnreadable(f"{_name(element.tag)} claims {element.length} bytes, more than there are; truncated?")
        if only is None or element.tag in only:
            cut = min(element.length, _TEXT_LIMIT)
            values[element.tag] = bytes(dataset[element.start : element.start + cut]).decode("latin-1").rstrip(" \0")
        if element.tag == last:
            break  # what comes after it may be as broken as it likes
    return values


def first_of_group(dataset: Buffer, transfer_syntax_uid: str, group: int) -> Element | None:
    """Return the first element of this group or of a later one; None where there is none.

    Raises HeadUnreadable, also for a deflated dataset: it has no places.
    """
    if is_deflated(transfer_syntax_uid):
        raise HeadUnreadable("the dataset is deflated")
    encoding = encoding_of(transfer_syntax_uid)
    position = 0
    while position < len(dataset):
        element = read_element(dataset, position, encoding)
        if element.tag[0] >= group:
            return element
        if element.length is None:
            position = skip_undefined(dataset, element, encoding)
        else:
            position = element.start + element.length
    return None


def read_element(dataset: Buffer, position: int, encoding: Encoding) -> Element:
    """Read the tag, VR and length at a position (PS3.5 7.1). Raises HeadUnreadable."""
    explicit, implicit, long_length = _HEADERS[encoding.big_endian]
    try:
        group, number, vr, length = explicit(dataset, position)
        if encoding.implicit or group == _ITEM_GROUP:
            group, number, length = implicit(dataset, position)
            return Element((group, number), b"", position + 8, None if length == _UNDEFINED else length)
        if vr in _LONG_VRS:
            (length,) = long_length(dataset, position + 8)
            return Element((group, number), vr, position + 12, None if length == _UNDEFINED else length)
    except struct.error as error:
        raise HeadUnreadable(f"the dataset ends inside an element at byte {position}; truncated?") from error
    if not (vr.isalpha() and vr.isupper()):
        raise HeadUnreadable(
            f"{_name((group, number))} at byte {position} has no VR; is the transfer syntax the one that was agreed?"
        )
    return Element((group, number), vr, position + 8, length)


def skip_undefined(dataset: Buffer, element: Element, encoding: Encoding) -> int:
    """Return the position after a value of undefined length; nesting is a list, so depth costs no stack.

    Raises HeadUnreadable.
    """
    nested = [_inside(element, encoding)]
    position, read = element.start, 0
    while nested:
        inner = read_element(dataset, position, nested[-1])
        position = inner.start
        read += 1
        if read > MOST_ELEMENTS:
            raise HeadUnreadable(f"{_name(element.tag)} has more than {MOST_ELEMENTS} elements")
        if inner.tag == _SEQUENCE_END:
            nested.pop()
        elif inner.length is not None:
            position += inner.length
        elif inner.tag not in (_ITEM, _ITEM_END):
            nested.append(_inside(inner, nested[-1]))
    return position


def require_modest(
    dataset: Buffer,
    transfer_syntax_uid: str,
    wanted: Container[Tag] | None = None,
    *,
    before_pixels: bool = True,
    most: int = MOST_ELEMENTS,
) -> None:
    """Refuse a dataset that would take a parser a hundred times its bytes: of millions of items each becomes an object.

    Args:
        dataset: Without file meta information, not deflated.
        transfer_syntax_uid: Of it.
        wanted: Elements that will be looked into; None for all.
        before_pixels: Whether nothing from the pixels on will be looked at.
        most: Elements and items that it may have.

    Raises HeadUnreadable.
    """
    encoding = encoding_of(transfer_syntax_uid)
    position, budget = 0, most
    # Each element, and each item, has at least eight bytes: most datasets need not be walked.
    while budget * _SHORTEST < len(dataset) - position:
        element = read_element(dataset, position, encoding)
        if before_pixels and element.tag[0] >= _PIXELS:
            return
        end = skip_undefined(dataset, element, encoding) if element.length is None else element.start + element.length
        if end > len(dataset):
            raise HeadUnreadable(f"{_name(element.tag)} claims more bytes than there are; truncated?")
        budget -= 1
        if budget < 0:
            raise HeadUnreadable(f"the dataset has more than {most} elements")
        if (wanted is None or element.tag in wanted) and element.vr not in _BULK:
            if _holds_items(dataset, element):
                budget -= _count_inside(dataset, element, end, encoding, budget, most)
            elif wanted is not None and end - element.start > _LONGEST_VALUE:
                raise HeadUnreadable(
                    f"{_name(element.tag)} has {end - element.start} bytes, {_LONGEST_VALUE} are the most"
                )
        position = end


def _holds_items(dataset: Buffer, element: Element) -> bool:
    return element.length is None or bytes(dataset[element.start : element.start + 4]) in _ITEM_STARTS


def _count_inside(dataset: Buffer, element: Element, end: int, encoding: Encoding, budget: int, most: int) -> int:
    """Return how many elements and items a sequence has, those of its sequences too. Raises HeadUnreadable."""
    position, read = element.start, 0
    encoding = _inside(element, encoding)
    while position < end:
        inner = read_element(dataset, position, encoding)
        read += 1
        if read > budget:
            raise HeadUnreadable(f"{_name(element.tag)} and what comes before it have more than {most} elements")
        if inner.length is None and inner.vr in _FRAGMENTED:
            position = skip_undefined(dataset, inner, encoding)
        elif inner.tag[0] == _ITEM_GROUP or inner.length is None or _holds_items(dataset, inner):
            position = inner.start
        else:
            position = inner.start + inner.length
    return read


def _inside(element: Element, encoding: Encoding) -> Encoding:
    # PS3.5 6.2.2: the content of an UN of undefined length is implicit VR little endian.
    return Encoding(implicit=True, big_endian=False) if element.vr == b"UN" else encoding


def _inflate(dataset: Buffer) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(dataset, _INFLATE_LIMIT)
    except zlib.error as error:
        raise HeadUnreadable(f"the deflated dataset cannot be inflated ({error})") from error


def _name(tag: Tag) -> str:
    return f"({tag[0]:04X},{tag[1]:04X})"
