"""Stored values to real ones: times slope plus intercept (PS3.3 C.11.1), in no more bytes than that takes.

Integers stay integers where nothing is rescaled, and where a whole intercept leaves them within 16 bits, as it does for
CT; else values are float32.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.series.image_frames import Frame

#: Integers of at most this size are exact in float32.
_EXACT_BYTES = 2
_SMALL = (np.int8, np.uint8, np.int16, np.uint16)


def stay_whole(stored: np.dtype[Any], frames: Sequence[Frame]) -> bool:
    """Say whether values of this type remain what they are, or integers that an integer is added to."""
    if any(frame.slope != 1 for frame in frames):
        return False
    if all(frame.intercept == 0 for frame in frames):
        return True
    small = stored.kind in "iu" and stored.itemsize <= _EXACT_BYTES
    return small and all(frame.intercept.is_integer() for frame in frames)


def whole_dtype(stored: np.dtype[Any], bits: int, frames: Sequence[Frame]) -> np.dtype[Any]:
    """Return the type of a volume of whole values that are stored in so many bits of a type."""
    intercepts = [frame.intercept for frame in frames]
    if not any(intercepts):
        return stored
    signed = stored.kind == "i"
    low = min(intercepts) - (1 << bits - 1 if signed else 0)
    high = max(intercepts) + (1 << bits - signed) - 1
    fitting = [kind for kind in _SMALL if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max]
    return np.dtype(fitting[0] if fitting else np.float32)


def add_whole(volume: NDArray[Any], place: int, values: NDArray[Any], intercept: float) -> NDArray[Any]:
    """Write values plus intercept to a place; return the volume, a wider one where they would not have fitted.

    Not every file tells the truth about its bits, nor has every file of a series the first one's.
    """
    if intercept == 0:
        if not np.can_cast(values.dtype, volume.dtype, casting="safe"):
            volume = volume.astype(np.promote_types(values.dtype, volume.dtype))
        volume[place] = values
        return volume
    ends = float(values.min()) + intercept, float(values.max()) + intercept
    limits = np.iinfo(volume.dtype) if volume.dtype.kind in "iu" else None
    if values.dtype.kind not in "iu" or (limits is not None and not limits.min <= min(ends) <= max(ends) <= limits.max):
        volume = volume.astype(np.promote_types(np.float32, volume.dtype))
    size = volume.dtype.itemsize
    if volume.dtype.kind in "iu" and size == values.dtype.itemsize and values.dtype.isnative:
        # In one step: integers are added modulo their size, signed or not, so what fits in the end is right.
        unsigned = np.dtype(f"u{size}")
        added = unsigned.type(int(intercept) % (1 << 8 * size))
        np.add(values.view(unsigned), added, out=volume[place].view(unsigned))
        return volume
    volume[place] = values
    volume[place] += volume.dtype.type(intercept)
    return volume


def scale(values: NDArray[Any], frame: Frame, out: NDArray[Any]) -> None:
    """Write values times slope plus intercept in float32."""
    if frame.slope == 1 and values.dtype.itemsize <= _EXACT_BYTES:
        out[...] = values
    else:
        np.multiply(values, np.float32(frame.slope), out=out, casting="unsafe")
    if frame.intercept != 0:
        out += np.float32(frame.intercept)
