"""Grey frames whose bytes are the stored values, or RLE of them (PS3.5 8.2.2): decoded without pydicom's detours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from worker.errors import SeriesRefused
from worker.instances.plain_values import value_of

_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_KINDS = {(8, 0): "u1", (8, 1): "i1", (16, 0): "<u2", (16, 1): "<i2"}


def encapsulated_frame(dataset: Any, index: int) -> bytes:
    """Return the bytes of a compressed frame (PS3.5 A.4). Raises ValueError and others of pydicom's."""
    offsets = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
    frame: bytes = get_frame(
        dataset.PixelData,
        index,
        number_of_frames=int(dataset.get("NumberOfFrames") or 1),
        extended_offsets=offsets if all(offsets) else None,
    )
    return frame


def require_low_bits(dataset: Any) -> None:
    """Refuse values that are said to lie in the upper bits of their words, as old devices wrote them (PS3.5 8.1.1).

    Every decoder takes the lower ones. Raises SeriesRefused, and what pydicom raises over a value that is none.
    """
    high, stored = value_of(dataset, "HighBit"), value_of(dataset, "BitsStored")
    if high is not None and stored is not None and int(high) >= int(stored):
        raise SeriesRefused("odd bits: High Bit is not one less than Bits Stored, so the values lie in other bits")


def plain_frame(dataset: Any, number: int) -> NDArray[np.generic] | None:
    """Return a frame's stored values as ``(rows, columns)``, not to be written to; None for what is not plain.

    Args:
        dataset: With its pixel data.
        number: 1-based frame of a multi-frame image, 0 for a single-frame one.

    Raises what pydicom raises over a value that is none, and RuntimeError where there are too few of them.
    """
    syntax = value_of(dataset.file_meta, "TransferSyntaxUID")
    if syntax not in (*_UNCOMPRESSED, RLELossless) or int(value_of(dataset, "SamplesPerPixel") or 1) != 1:
        return None
    allocated, stored = value_of(dataset, "BitsAllocated"), value_of(dataset, "BitsStored") or 0
    kind = _KINDS.get((allocated, value_of(dataset, "PixelRepresentation")))
    grey = str(value_of(dataset, "PhotometricInterpretation")).startswith("MONOCHROME")
    frames = int(value_of(dataset, "NumberOfFrames") or 1)
    if kind is None or not grey or not 0 < stored <= allocated or not min(1, frames - 1) <= number <= frames:
        return None
    shape, index = (int(value_of(dataset, "Rows")), int(value_of(dataset, "Columns"))), max(number - 1, 0)
    length = shape[0] * shape[1] * allocated // 8
    data = _of_rle(dataset, index, length) if syntax == RLELossless else _of_plain(dataset, index, length, frames)
    if data is None:
        return None
    values = np.frombuffer(data, dtype=kind).reshape(shape)
    if stored == allocated:
        return values
    # PS3.5 8.1.1: nothing is said of the bits above those that are stored; an overlay of old may lie there.
    if values.dtype.kind == "u":
        masked: NDArray[np.generic] = values & values.dtype.type((1 << stored) - 1)
        return masked
    extended: NDArray[np.generic] = np.right_shift(np.left_shift(values, allocated - stored), allocated - stored)
    return extended


def _of_plain(dataset: Any, index: int, length: int, frames: int) -> memoryview | None:
    data = dataset.get("PixelData")
    if data is not None and len(data) < frames * length:
        raise RuntimeError(f"it is {len(data)} bytes, and the header announces {frames * length}; was it cut?")
    # Another length than announced, made even by a byte (PS3.5 8.1.1), is pydicom's to judge.
    if data is None or len(data) != frames * length + frames * length % 2:
        return None
    return memoryview(data)[index * length : (index + 1) * length]


def _of_rle(dataset: Any, index: int, length: int) -> bytes | bytearray | None:
    import imagecodecs  # noqa: PLC0415  # forty libraries, for who has compressed images

    try:
        # Into so many bytes and no more: whatever a segment claims to become, nothing else is written to.
        data: bytes | bytearray = imagecodecs.dicomrle_decode(
            encapsulated_frame(dataset, index), f"<u{dataset.BitsAllocated // 8}", out=bytearray(length)
        )
    except (ValueError, RuntimeError):
        return None  # pydicom says what is wrong with it
    return data if len(data) == length else None
