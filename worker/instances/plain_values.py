"""Simple values of a header, told from their bytes: pydicom makes an object of each value that it is asked for.

A series has thousands of them, and making those objects takes longer than decoding its pixels. What is not plainly a
value of its VR is pydicom's to judge, by its rules and with its errors.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag

#: PS3.5 6.2, with room for the sender that writes a few more digits than a Decimal String may have.
_LONGEST_DECIMAL, _LONGEST_WHOLE, _LONGEST_TEXT = 32, 9, 64
_SHORT_BYTES = 2
_DECIMAL = re.compile(rb" *[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})? *")
_WHOLE = re.compile(rb" *[+-]?\d+ *")
_TEXT = re.compile(rb"[A-Za-z0-9_.](?:[A-Za-z0-9_. ]*[A-Za-z0-9_.])?")


def value_of(dataset: Any, keyword: str) -> Any:
    """Return what `dataset.get(keyword)` is, as int, float or str; None where it is missing, or empty.

    Raises what pydicom raises over a value that is none.
    """
    tag, representation = _known(keyword)
    element = dataset.get_item(tag)
    if isinstance(element, RawDataElement) and element.is_little_endian:
        if not element.value:
            return None
        told = _READERS.get(element.VR or representation, _nothing)(element.value)
        if told is not None:
            return told
    value = None if element is None else dataset[tag].value
    # pydicom's own numbers are written as they came: 22.0000 is not the text of the same number elsewhere.
    return next((plain(value) for plain in (int, float) if isinstance(value, plain)), value)


@lru_cache(maxsize=256)
def _known(keyword: str) -> tuple[BaseTag, str]:
    tag = Tag(keyword)
    return tag, dictionary_VR(tag)


def _nothing(value: bytes) -> None:
    del value


def _short(value: bytes) -> int | None:
    return int.from_bytes(value, "little") if len(value) == _SHORT_BYTES else None


def _whole(value: bytes) -> int | None:
    plain = len(value) <= _LONGEST_WHOLE and _WHOLE.fullmatch(value)
    return int(value) if plain else None


def _decimal(value: bytes) -> float | None:
    plain = len(value) <= _LONGEST_DECIMAL and _DECIMAL.fullmatch(value)
    return float(value) if plain else None


def _text(value: bytes) -> str | None:
    told = value.rstrip(b"\0 ")
    plain = len(told) <= _LONGEST_TEXT and _TEXT.fullmatch(told)
    return told.decode("ascii") if plain else None


_READERS: Mapping[str, Callable[[bytes], Any]] = {
    "US": _short,
    "IS": _whole,
    "DS": _decimal,
    "CS": _text,
    "UI": _text,
}
