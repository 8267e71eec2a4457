"""Whether two datasets differ in nothing but their encoding.

A sender that negotiates another transfer syntax the second time has not changed the instance.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.filereader import read_dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_node.datasets.elements import Encoding, Tag, encoding_of, read_element, skip_undefined
from dicom_node.datasets.modesty import require_modest
from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.datasets.part10 import mapped, read_meta
from dicom_node.errors import HeadUnreadable

#: Between these two the bytes of values stay the same. Big endian swaps them, and nothing here decompresses.
_COMPARABLE = frozenset({ExplicitVRLittleEndian, ImplicitVRLittleEndian})
_PIXEL_DATA: Tag = (0x7FE0, 0x0010)
_DATASET_TRAILING_PADDING = 0xFFFCFFFC
_PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where Pixel Data (7FE0,0010) lies in a dataset: its header, its value, and what follows."""

    header: int
    start: int
    end: int


def same_when_reencoded(file: Path, dataset: bytes | memoryview | bytearray, transfer_syntax_uid: str) -> bool:
    """Say whether a file holds the values of this dataset in the other of the two little endian encodings.

    What cannot be parsed is not the same. Raises NotDicom, OSError over the file.
    """
    meta = read_meta(file)
    if meta.transfer_syntax_uid == transfer_syntax_uid:
        return False
    if not {meta.transfer_syntax_uid, transfer_syntax_uid} <= _COMPARABLE:
        return False
    try:
        with mapped(file) as view, view[meta.dataset_start :] as kept, memoryview(dataset) as arrived:
            ours, theirs = encoding_of(meta.transfer_syntax_uid), encoding_of(transfer_syntax_uid)
            # Pixels are most of it, and are compared where they lie: parsed they would be in memory several times.
            one, other = _pixels(kept, ours), _pixels(arrived, theirs)
            return _same_pixels(kept, one, arrived, other) and _same(
                _parsed(kept, one, ours), _parsed(arrived, other, theirs)
            )
    except (HeadUnreadable, *PARSE_ERRORS) as error:
        # The system's have a number. pydicom's own, over bytes that break off, is not the disk's fault.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        return False


def _pixels(dataset: memoryview, encoding: Encoding) -> _Place:
    """Return where the pixels are; at the end, and empty, where there are none. Raises HeadUnreadable."""
    position = 0
    while position < len(dataset):
        element = read_element(dataset, position, encoding)
        end = skip_undefined(dataset, element, encoding) if element.length is None else element.start + element.length
        if element.tag == _PIXEL_DATA:
            return _Place(header=position, start=element.start, end=end)
        position = end
    return _Place(header=len(dataset), start=len(dataset), end=len(dataset))


def _same_pixels(kept: memoryview, one: _Place, arrived: memoryview, other: _Place) -> bool:
    length = one.end - one.start
    return (
        (one.header == one.start) == (other.header == other.start)
        and length == other.end - other.start
        and all(
            bytes(kept[one.start + at : min(one.start + at + _PIECE, one.end)])
            == bytes(arrived[other.start + at : min(other.start + at + _PIECE, other.end)])
            for at in range(0, length, _PIECE)
        )
    )


def _parsed(dataset: memoryview, pixels: _Place, encoding: Encoding) -> Any:
    """Return the dataset without its pixels."""
    if pixels.end > len(dataset):
        raise HeadUnreadable("Pixel Data claims more bytes than there are")
    rest = bytes(dataset[: pixels.header]) + bytes(dataset[pixels.end :])
    syntax = ImplicitVRLittleEndian if encoding.implicit else ExplicitVRLittleEndian
    require_modest(rest, str(syntax), before_pixels=False)
    return read_dataset(BytesIO(rest), is_implicit_VR=encoding.implicit, is_little_endian=True)


def _same(one: Any, other: Any) -> bool:
    tags = _tags(one)
    return tags == _tags(other) and all(_same_element(one, other, tag) for tag in tags)


def _tags(dataset: Any) -> list[Any]:
    """Return the tags that carry values: group lengths and padding depend on the encoding."""
    return [tag for tag in sorted(dataset.keys()) if tag.element != 0 and tag != _DATASET_TRAILING_PADDING]


def _same_element(one: Any, other: Any, tag: Any) -> bool:
    if "SQ" in (one[tag].VR, other[tag].VR):
        mine, theirs = one[tag].value, other[tag].value
        return one[tag].VR == other[tag].VR and len(mine) == len(theirs) and all(map(_same, mine, theirs))
    return bool(one[tag].value == other[tag].value)
