"""The first elements of a dataset, read as far as Series Instance UID (0020,000E), and where its pixels begin.

A walk over tags and lengths: nothing is decoded but a few short values, nothing recurses, and whatever the bytes are,
the only error is HeadUnreadable.
"""

import zlib
from collections.abc import Container
from dataclasses import dataclass

from dicom_node.datasets.elements import (
    MOST_ELEMENTS,
    READERS,
    Buffer,
    Element,
    Encoding,
    Tag,
    encoding_of,
    name_of_tag,
    read_element,
    skip_undefined,
)
from dicom_node.errors import HeadUnreadable

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
_TEXT_LIMIT = 128  # of what is kept of a value; every value that matters here is shorter

_DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")
#: More than any head needs, and a bound on what a deflate bomb can cost.
_INFLATE_LIMIT = 4 << 20


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
    read_at = READERS[encoding]
    position, read, size = 0, 0, len(dataset)
    while position < size:
        tag, vr, start, length = read_at(dataset, position)
        read += 1
        if read > MOST_ELEMENTS:
            raise HeadUnreadable(f"more than {MOST_ELEMENTS} elements come before {name_of_tag(last)}")
        if tag > last:
            break
        if length is None:
            values[tag] = ""
            position = skip_undefined(dataset, Element(tag, vr, start, length), encoding)
            continue
        position = start + length
        if position > size:
            raise HeadUnreadable(f"{name_of_tag(tag)} claims {length} bytes, more than there are; truncated?")
        if only is None or tag in only:
            cut = min(length, _TEXT_LIMIT)
            values[tag] = bytes(dataset[start : start + cut]).decode("latin-1").rstrip(" \0")
        if tag == last:
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


def _inflate(dataset: Buffer) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(dataset, _INFLATE_LIMIT)
    except zlib.error as error:
        raise HeadUnreadable(f"the deflated dataset cannot be inflated ({error})") from error
