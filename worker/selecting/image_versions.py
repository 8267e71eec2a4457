"""Images that came more than once under one UID with different bytes: which version is read.

The newest, where all that a read depends on is the same: then only the header was corrected. Else nobody here knows
which one is right. Runs in the node's first process: bytes are compared where they lie, nothing is decoded.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicom_node.datasets.head import first_of_group
from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.datasets.part10 import mapped, read_meta
from dicom_node.errors import NodeError
from worker.instances.bounded_inflating import read_header

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
    *("RescaleType", "Units", "SUVType", "SpacingBetweenSlices", "PixelAspectRatio", "RealWorldValueMappingSequence"),
    *(
        f"{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue")
        for part in ("Descriptor", "Data")
    ),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
#: Of which side of the body an image is; who fills in what was left out corrects the header.
_SIDE = ("ImageLaterality", "Laterality")
#: Bytes that are compared at a time: as many as a page of a file system, which is what it loses.
_PIECE = 4096
_VERSION = re.compile("~[0-9a-f]+(?=[.]dcm$)")


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The images of a series.

    Attributes:
        files: One an image, the newest, relative to the spool, in their order.
        disputed: Of these the images whose versions differ in what a read depends on.
        zeroed: Whether what came before of these holds nothing but zeros where it differs, as in a file that a power
            cut has damaged here.
    """

    files: tuple[str, ...]
    disputed: tuple[str, ...] = ()
    zeroed: bool = False


def newest_versions(spool: Path, files: Sequence[str]) -> Versions:
    """Choose among the versions of each image. Raises OSError."""
    by_image: dict[str, list[str]] = {}
    for file in files:
        by_image.setdefault(first_version(file), []).append(file)
    by_newest = {max(versions, key=lambda file: arrived(spool / file)): versions for versions in by_image.values()}
    disputed = {
        newest: versions
        for newest, versions in by_newest.items()
        if len(versions) > 1 and not read_alike([spool / file for file in versions])
    }
    return Versions(
        files=tuple(by_newest),
        disputed=tuple(disputed),
        zeroed=bool(disputed)
        and all(
            _zeroed(spool / file, spool / newest)
            for newest, versions in disputed.items()
            for file in versions
            if file != newest
        ),
    )


def first_version(file: str) -> str:
    """Return the name in the spool of an image's first version."""
    return _VERSION.sub("", file)


def arrived(file: Path) -> tuple[int, str]:
    """Return what puts the versions of an image in the order in which they came. Raises OSError."""
    return file.stat().st_mtime_ns, file.name


def read_alike(versions: Sequence[Path]) -> bool:
    """Say whether all that a read depends on is the same in versions of an image; not where one cannot be parsed."""
    first, *others = versions
    try:
        header = _header(first)
        alike = all(_header(other) == header for other in others) and len({*map(_side, versions)} - {""}) <= 1
        return alike and pixels_alike(versions)
    except (*PARSE_ERRORS, NodeError):
        return False


def pixels_alike(versions: Sequence[Path]) -> bool:
    """Say whether the pixels, or samples, of versions are the same, to the byte; not where one cannot be parsed."""
    first, *others = versions
    try:
        return all(_same_bulk(first, other) for other in others)
    except (*PARSE_ERRORS, NodeError):
        return False


def _header(file: Path) -> Any:
    return read_header(file, list(_READ_FROM_HEADER))


def _side(file: Path) -> str:
    found = read_header(file, list(_SIDE))
    return next((str(found.get(keyword)).strip() for keyword in _SIDE if found.get(keyword)), "")


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


def _zeroed(one: Path, other: Path) -> bool:
    """Say whether two datasets of one length differ only where the first holds zeros."""
    try:
        mine, theirs = read_meta(one), read_meta(other)
    except NodeError:
        return False
    with (
        mapped(one) as left,
        mapped(other) as right,
        left[mine.dataset_start :] as my_data,
        right[theirs.dataset_start :] as their_data,
    ):
        pieces = (
            (bytes(my_data[start : start + _PIECE]), bytes(their_data[start : start + _PIECE]))
            for start in range(0, len(my_data), _PIECE)
        )
        return len(my_data) == len(their_data) and all(_only_zeros_differ(*both) for both in pieces)


def _only_zeros_differ(piece: bytes, other: bytes) -> bool:
    """Say whether a piece holds zeros wherever it is not the other one of its length."""
    if piece == other or not piece.strip(b"\0"):
        return True
    return all(not byte or byte == whole for byte, whole in zip(piece, other, strict=True))
