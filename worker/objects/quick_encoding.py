"""Elements to bytes in Explicit VR Little Endian (PS3.5 7.1.2), the counterpart of `worker.instances.quick_parsing`.

The bytes are those that pydicom writes, which takes ten times as long over the few VRs that the frames of a
segmentation are full of. Whatever holds another one, or has not been looked at since it was read, is pydicom's.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

from dicom_node.datasets.elements import LONG_VRS

_ITEM = b"\xfe\xff\x00\xe0"  # PS3.5 7.5.1, little endian
_LONGEST_SHORT = 0xFFFF
_GROUP_LENGTH = 0x0000  # PS3.5 7.2, retired


def encoded_element(element: DataElement, characters: list[str]) -> bytes:
    """Return an element with its tag, VR and length; text that is not ASCII in these Python encodings."""
    value = _value(element)
    if value is not None:
        return _headed(element, value)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_data_element(buffer, element, characters)
    return bytes(buffer.getvalue())


def encoded_item(encoded: Iterable[bytes]) -> bytes:
    """Return a sequence's item of these encoded elements, which are in the order of their tags."""
    value = b"".join(encoded)
    return _ITEM + len(value).to_bytes(4, "little") + value


def _value(element: DataElement | RawDataElement) -> bytes | None:
    """Return the value's bytes; None where pydicom is to write it."""
    if isinstance(element, RawDataElement) or element.is_undefined_length or element.tag.element == _GROUP_LENGTH:
        return None
    if element.VR == "SQ":
        return _sequence(element.value or ())
    write = _WRITERS.get(element.VR)
    value = None if write is None else write(element.value)
    return None if value is None or len(value) > _LONGEST_SHORT else value


def _sequence(items: Iterable[Dataset]) -> bytes | None:
    parts = []
    for item in items:
        if getattr(item, "is_undefined_length_sequence_item", False):
            return None
        encoded = []
        for tag in sorted(item.keys()):
            element = item.get_item(tag)
            value = _value(element)
            if value is None:
                return None
            encoded.append(_headed(element, value))
        parts.append(encoded_item(encoded))
    return b"".join(parts)


def _headed(element: DataElement, value: bytes) -> bytes:
    code = element.VR.encode()
    if code in LONG_VRS:
        return struct.pack("<HH2sHI", element.tag.group, element.tag.element, code, 0, len(value)) + value
    return struct.pack("<HH2sH", element.tag.group, element.tag.element, code, len(value)) + value


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    # As pydicom tells them apart: numpy's numbers are none of Python's.
    return list(value) if hasattr(value, "append") else [value]


def _text(value: Any, *, padding: str = " ") -> bytes | None:
    values = _several(value)
    if not all(isinstance(one, str) and one.isascii() for one in values):
        return None
    return _even("\\".join(values), padding)


def _digits(value: Any) -> bytes:
    return _even("\\".join(getattr(one, "original_string", None) or str(one) for one in _several(value)), " ")


def _even(text: str, padding: str) -> bytes:
    return (text + padding * (len(text) % 2)).encode("ascii")


def _numbers(value: Any, *, code: str) -> bytes | None:
    values = _several(value)
    try:
        return struct.pack(f"<{len(values)}{code}", *values)
    except struct.error:
        return None  # pydicom says which attribute it is


_WRITERS: Mapping[str, Callable[[Any], bytes | None]] = {
    "UI": partial(_text, padding="\0"),
    "CS": _text,
    "SH": _text,
    "LO": _text,
    "DS": _digits,
    "IS": _digits,
    "US": partial(_numbers, code="H"),
    "UL": partial(_numbers, code="I"),
    "FD": partial(_numbers, code="d"),
}
