"""Images that came more than once under one UID with different bytes: which version is read.

The newest, where all that a read depends on is the same: then only the header was corrected. Else nobody here knows
which one is right. Runs in the receiving process: bytes are compared where they lie, nothing is decoded.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicom_node.errors import NodeError
from dicom_node.head import first_of_group
from dicom_node.part10 import mapped, read_meta
from worker.bounded_inflating import read_header
from worker.pydicom_errors import PARSE_ERRORS

#: Waveforms (5400), spectra (5600), overlays (60xx) and pixels (7FE0) come last in a dataset.
_FIRST_OF_BULK = 0x5400
#: What stored values mean and where they lie; a change of any of these is no correction of the header.
_READ_FROM_HEADER = (
    *("SOPClassUID", "Modality", "ImageType", "FrameOfReferenceUID", "NumberOfFrames", "Rows", "Columns"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "PixelSpacing", "ImagerPixelSpacing"),
    *(
        "SliceThickness",
        "EstimatedRadiographicMagnificationFactor",
        "SequenceOfUltrasoundRegions",
        "GantryDetectorTilt",
    ),
    *("ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
_VERSION = re.compile("~[0-9a-f]+(?=[.]dcm$)")


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The images of a series.

    Attributes:
        files: One an image, the newest, relative to the spool, in their order.
        contradictory: Whether versions of an image differ in what a read depends on.
    """

    files: tuple[str, ...]
    contradictory: bool


def newest_versions(spool: Path, files: Sequence[str]) -> Versions:
    """Choose among the versions of each image. Raises OSError."""
    by_image: dict[str, list[str]] = {}
    for file in files:
        by_image.setdefault(first_version(file), []).append(file)
    several = [versions for versions in by_image.values() if len(versions) > 1]
    return Versions(
        files=tuple(max(versions, key=lambda file: _arrived(spool / file)) for versions in by_image.values()),
        contradictory=any(not _read_alike(spool, versions) for versions in several),
    )


def first_version(file: str) -> str:
    """Return the name in the spool of an image's first version."""
    return _VERSION.sub("", file)


def _arrived(file: Path) -> tuple[int, str]:
    return file.stat().st_mtime_ns, file.name


def _read_alike(spool: Path, versions: Sequence[str]) -> bool:
    first, *others = (spool / file for file in versions)
    try:
        header = _header(first)
        return all(_header(other) == header and _same_bulk(first, other) for other in others)
    except (*PARSE_ERRORS, NodeError):
        return False


def _header(file: Path) -> Any:
    return read_header(file, list(_READ_FROM_HEADER))


def _same_bulk(one: Path, other: Path) -> bool:
    """Say whether everything from the first element of the bulk on is the same, to the byte."""
    mine, theirs = read_meta(one), read_meta(other)
    with (
        mapped(one) as left,
        mapped(other) as right,
        left[mine.dataset_start :] as my_data,
        right[theirs.dataset_start :] as their_data,
    ):
        my_bulk = first_of_group(my_data, mine.transfer_syntax_uid, _FIRST_OF_BULK)
        their_bulk = first_of_group(their_data, theirs.transfer_syntax_uid, _FIRST_OF_BULK)
        if my_bulk is None or their_bulk is None:
            return my_bulk is their_bulk
        if (my_bulk.tag, my_bulk.length) != (their_bulk.tag, their_bulk.length):
            return False
        with my_data[my_bulk.start :] as my_bytes, their_data[their_bulk.start :] as their_bytes:
            return my_bytes == their_bytes
