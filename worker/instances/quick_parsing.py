"""A file's bytes to a pydicom dataset whose values are all still raw: reading 300 headers is most of reading a series.

pydicom converts a value when it is asked for, but walks into every sequence of undefined length at once. Here a
sequence is one more raw value. What is out of the ordinary in any way is left to pydicom.
"""

from functools import lru_cache
from io import BytesIO
from struct import Struct
from typing import Any

from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement, empty_value_for_VR
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.values import convert_string

from dicom_node.datasets.elements import LONG_VRS, SHORT_VRS, Element, Encoding, skip_undefined
from dicom_node.errors import HeadUnreadable

_PREAMBLE, _META_START = 128, 132
_CHARACTER_SET = 0x00080005
_PIXEL_DATA = 0x7FE00010
_UNDEFINED = 0xFFFFFFFF
#: Of a Sequence Delimitation Item (PS3.5 7.5.1), which pydicom leaves out of a sequence whose length is known.
_DELIMITER_BYTES = 8
_LONG = {code: code.decode() for code in LONG_VRS}
_SHORT = {code: code.decode() for code in SHORT_VRS}
_NOT_LITTLE_ENDIAN = (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
#: Tag, VR and length at least.
_SHORTEST = 8
_META_TAGS = range(0x00020000, 0x00030000)
#: Neither a command set's, nor those of items and their ends.
_DATASET_TAGS = range(0x00030000, 0xFFFE0000)
_EXPLICIT = Struct("<HH2sH").unpack_from
_IMPLICIT = Struct("<HHI").unpack_from
_LENGTH = Struct("<I").unpack_from


class _OutOfTheOrdinary(Exception):
    """Something that pydicom should look at."""


def quickly_parsed(data: bytes, dataset_start: int, transfer_syntax_uid: str) -> Any | None:
    """Return what `pydicom.dcmread` would, with every value raw; None for what is not plain enough.

    Args:
        data: A whole file (PS3.10).
        dataset_start: Byte at which its dataset begins.
        transfer_syntax_uid: Of its meta information.
    """
    if transfer_syntax_uid in _NOT_LITTLE_ENDIAN or data[_PREAMBLE:_META_START] != b"DICM":
        return None
    implicit = transfer_syntax_uid == ImplicitVRLittleEndian
    try:
        meta = _elements(data[:dataset_start], _META_START, _META_TAGS, implicit=False)
        elements = _elements(data, dataset_start, _DATASET_TAGS, implicit=implicit)
        encoding = _encodings((elements[_CHARACTER_SET].value or b"") if _CHARACTER_SET in elements else None)
    except (_OutOfTheOrdinary, HeadUnreadable):
        return None
    pixels = elements.get(_PIXEL_DATA)
    if pixels is not None and isinstance(pixels.value, memoryview) and transfer_syntax_uid not in _UNCOMPRESSED:
        return None  # compressed, its length is undefined (PS3.5 A.4)
    file_meta = FileMetaDataset(meta)
    file_meta.set_original_encoding(is_implicit_vr=False, is_little_endian=True, character_encoding="iso8859")
    dataset = FileDataset(
        BytesIO(), elements, data[:_PREAMBLE], file_meta, is_implicit_VR=implicit, is_little_endian=True
    )
    dataset.set_original_encoding(is_implicit_vr=implicit, is_little_endian=True, character_encoding=encoding)
    return dataset


@lru_cache(maxsize=64)
def _encodings(value: bytes | None) -> Any:
    if value is None:
        return "iso8859"
    try:
        return convert_encodings(convert_string(value, True))  # noqa: FBT003 - little endian
    except Exception as error:  # whatever pydicom says of it, pydicom shall say it
        raise _OutOfTheOrdinary from error


def _elements(data: bytes, position: int, tags: range, *, implicit: bool) -> dict[BaseTag, RawDataElement]:
    end = len(data)
    if implicit and data[position + 4 : position + 6].isupper():
        raise _OutOfTheOrdinary  # it is explicit all the same, which pydicom sees
    header = _implicit_header if implicit else _explicit_header
    elements: dict[BaseTag, RawDataElement] = {}
    while position < end:
        if position + _SHORTEST > end:
            raise _OutOfTheOrdinary
        number, vr, start, length = header(data, position)
        tag = BaseTag(number)
        said = length
        if length == _UNDEFINED:
            position = _after_undefined(data, tag, vr, start, implicit=implicit)
            length = position - _DELIMITER_BYTES - start
        else:
            position = start + length
        if position > end or number not in tags:
            raise _OutOfTheOrdinary
        plain = said if number == _PIXEL_DATA else length
        if not length:
            value = empty_value_for_VR(vr, raw=True)
        else:
            # Uncompressed pixels, the greater part of a file, are not copied.
            whole = memoryview(data) if number == _PIXEL_DATA and said == length else data
            value = whole[start : start + length]
        elements[tag] = RawDataElement(tag, vr, plain, value, start, implicit, True)  # noqa: FBT003 - a named tuple
    return elements


def _explicit_header(data: bytes, position: int) -> tuple[int, str, int, int]:
    group, number, code, length = _EXPLICIT(data, position)
    vr = _SHORT.get(code)
    if vr is not None:
        return group << 16 | number, vr, position + 8, length
    vr = _LONG.get(code)
    if vr is None or position + 12 > len(data):
        raise _OutOfTheOrdinary
    return group << 16 | number, vr, position + 12, _LENGTH(data, position + 8)[0]


def _implicit_header(data: bytes, position: int) -> tuple[int, None, int, int]:
    group, number, length = _IMPLICIT(data, position)
    return group << 16 | number, None, position + 8, length


def _after_undefined(data: bytes, tag: BaseTag, vr: str | None, start: int, *, implicit: bool) -> int:
    """Return the position after a sequence, or encapsulated pixel data, of undefined length."""
    if vr is None:
        vr = dictionary_VR(tag) if dictionary_has_tag(tag) else ""
    if vr != "SQ" and tag != _PIXEL_DATA:
        raise _OutOfTheOrdinary
    element = Element((tag.group, tag.element), vr.encode(), start, None)
    return skip_undefined(data, element, Encoding(implicit=implicit, big_endian=False))
