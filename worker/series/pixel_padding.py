"""Pixels that are no image but stand beside it (PS3.3 C.7.5.1.1.2): beyond a scanner's circle, under a shutter.

What they are stored as says nothing: -2000 is below air, 65535 brighter than everything. What is read there is the
darkest of the image, and no mean counts them.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.instances.plain_values import value_of
from worker.series.image_frames import Frame

#: Of the range of what is image: closer to that, padding may be what is dark, cut off at the scanner's lowest value.
_CLEARLY = 0.01
#: Of all voxels: where so many are darker and so many brighter than the one value that is called padding, the image
#: holds it too, such as 0 in phase images and subtractions.
_AMID = 0.01


def padding_of(dataset: Any, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return which pixels of a frame are padding; None where the header names none, or where no pixel is any.

    Raises what pydicom raises over a value that is none.
    """
    value, limit = value_of(dataset, "PixelPaddingValue"), value_of(dataset, "PixelPaddingRangeLimit")
    if not isinstance(value, int):
        return None
    low, high = (int(end) for end in stored_range(dataset))
    # Some write it as if signed where the pixels are not, or with the bits above those that are stored: as decoded.
    ends = [
        end if low <= end <= high else (end - low) % (high - low + 1) + low
        for end in (value, limit if isinstance(limit, int) else value)
    ]
    found = np.asarray(stored == ends[0] if ends[0] == ends[1] else (stored >= min(ends)) & (stored <= max(ends)))
    return found if found.any() else None


def stored_range(dataset: Any) -> tuple[float, float]:
    """Return the lowest and the highest value that the header lets a pixel have."""
    bits = int(dataset.BitsStored)
    if int(dataset.PixelRepresentation):
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1


class VolumePadding:
    """Gathers the padding of a volume's frames while they are decoded, and fills it in when all are."""

    def __init__(self) -> None:
        """Begin with none."""
        self._packed: dict[int, NDArray[np.uint8]] = {}
        self._of_padding_alone: set[int] = set()
        self._real: dict[int, tuple[float, float]] = {}
        self._others = self._below = self._above = 0

    def taken_out(self, place: int, dataset: Any, stored: NDArray[Any], frame: Frame) -> NDArray[Any]:
        """Return a frame's stored values with the darkest of the others in place of padding; 0 where there is no other.

        So no value stays that would need a larger type. Raises what pydicom raises over a value that is none.
        """
        padding = padding_of(dataset, stored)
        if padding is None:
            return stored
        self._packed[place] = np.packbits(padding, axis=-1)
        others, out = stored[~padding], stored[padding]
        first, last = out.min(), out.max()
        self._real[place] = (
            float(first) * frame.slope + frame.intercept,
            float(last) * frame.slope + frame.intercept,
        )
        self._others += others.size
        self._below += int(np.count_nonzero(others < first))
        self._above += int(np.count_nonzero(others > last))
        if not others.size:
            self._of_padding_alone.add(place)
            return np.zeros_like(stored)
        return np.where(padding, others.min() if frame.slope > 0 else others.max(), stored)

    def filled_in(self, volume: NDArray[Any]) -> tuple[NDArray[np.uint8] | None, bool]:
        """Give all padding of a volume one value; return where it is and whether what is shown ends there.

        The value is the darkest of everything else; but 0 stays 0 where nothing is below it: around a body it is what
        some networks have learnt to leave out. Both as `models.volume.Volume` keeps them. A value amid all others is
        one of the image, whatever the header calls it, and there is no padding.
        """
        if len(self._of_padding_alone) == len(volume) or not self._packed:
            return None, False
        if self._is_amid_the_others():
            self._write(volume, {place: first for place, (first, _) in self._real.items()})
            return None, False
        images = [image for place, image in enumerate(volume) if place not in self._of_padding_alone]
        darkest, brightest = min(image.min() for image in images), max(image.max() for image in images)
        clear, real = _CLEARLY * (float(brightest) - float(darkest)), list(chain(*self._real.values()))
        ends_there = max(real) < darkest - clear or min(real) > brightest + clear
        self._write(volume, dict.fromkeys(self._packed, 0 if not any(real) and darkest >= 0 else darkest))
        bits = np.zeros((*volume.shape[:2], -(-volume.shape[2] // 8)), np.uint8)
        for place, packed in self._packed.items():
            bits[place] = packed
        return bits, bool(ends_there)

    def _is_amid_the_others(self) -> bool:
        one_value = all(first == last for first, last in self._real.values())
        return one_value and min(self._below, self._above) > _AMID * self._others

    def _write(self, volume: NDArray[Any], values: Mapping[int, float]) -> None:
        for place, packed in self._packed.items():
            padding = np.unpackbits(packed, axis=-1, count=volume.shape[2]).astype(np.bool_)
            volume[place][padding] = values[place]
