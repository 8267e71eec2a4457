"""Whether two datasets differ in nothing but their encoding.

A sender that negotiates another transfer syntax the second time has not changed the instance.
"""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import dcmread, read_dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_node.part10 import read_meta

#: Between these two the bytes of values stay the same. Big endian swaps them, and nothing here decompresses.
_COMPARABLE = frozenset({ExplicitVRLittleEndian, ImplicitVRLittleEndian})
_DATASET_TRAILING_PADDING = 0xFFFCFFFC
#: What pydicom raises over bytes that are not what they claim to be.
_PARSE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    ArithmeticError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    NotImplementedError,
    RecursionError,
    struct.error,
)


def same_when_reencoded(file: Path, dataset: bytes | memoryview | bytearray, transfer_syntax_uid: str) -> bool:
    """Say whether a file holds the values of this dataset in the other of the two little endian encodings.

    What cannot be parsed is not the same. Raises NotDicom, OSError over the file.
    """
    kept = read_meta(file).transfer_syntax_uid
    if kept == transfer_syntax_uid or not {kept, transfer_syntax_uid} <= _COMPARABLE:
        return False
    try:
        implicit = transfer_syntax_uid == ImplicitVRLittleEndian
        arrived = read_dataset(BytesIO(dataset), is_implicit_VR=implicit, is_little_endian=True)
        return _same(dcmread(file), arrived)
    except _PARSE_ERRORS:
        return False
    except OSError as error:
        # The system's have a number. pydicom's own, over bytes that break off, is not the disk's fault.
        if error.errno is not None:
            raise
        return False


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
