"""How many millimetres a pixel of an image without a place in space measures, and its aspect, as its header says.

PS3.3 10.7.1.3: Pixel Spacing is calibrated where it differs from Imager Pixel Spacing, which is the detector's own.
"""

import math
from collections.abc import Sequence
from typing import Any

#: PS3.3 C.8.5.5.1.1: a region of two dimensions; C.8.5.5.1.15: centimetre.
_TWO_DIMENSIONS, _CENTIMETRE = 1, 3
_MM_PER_CM = 10.0
_SAME = 1e-4


def spacing_mm(dataset: Any) -> tuple[float, float] | None:
    """Return the distance in mm between rows and between columns, None where the source does not say it.

    Raises whatever pydicom raises over values that are none.
    """
    stated, at_detector = _pair(dataset.get("PixelSpacing")), _pair(dataset.get("ImagerPixelSpacing"))
    if stated is not None and (at_detector is None or not _same(stated, at_detector)):
        return stated
    if at_detector is not None:
        factor = float(dataset.get("EstimatedRadiographicMagnificationFactor") or 1.0)
        if not (math.isfinite(factor) and factor > 0):
            return None
        return at_detector[0] / factor, at_detector[1] / factor
    return _of_regions(dataset.get("SequenceOfUltrasoundRegions") or ())


def pixel_aspect(dataset: Any) -> float:
    """Return how many widths of a pixel its height is: by its spacing, else by Pixel Aspect Ratio (PS3.3 C.7.6.3.1.7).

    Raises whatever pydicom raises over values that are none.
    """
    sides = spacing_mm(dataset) or _pair(dataset.get("ImagerPixelSpacing")) or _pair(dataset.get("PixelAspectRatio"))
    return sides[0] / sides[1] if sides else 1.0


def is_at_detector(dataset: Any) -> bool:
    """Say whether `spacing_mm` is the detector's own, with nothing to tell how much larger the image is than the body.

    Raises whatever pydicom raises over values that are none.
    """
    stated, at_detector = _pair(dataset.get("PixelSpacing")), _pair(dataset.get("ImagerPixelSpacing"))
    calibrated = stated is not None and (at_detector is None or not _same(stated, at_detector))
    return at_detector is not None and not calibrated and not dataset.get("EstimatedRadiographicMagnificationFactor")


def _pair(value: Any) -> tuple[float, float] | None:
    numbers = [float(part) for part in value or ()]
    # Senders that do not know it have been seen to write zeros.
    if len(numbers) != 2 or not all(math.isfinite(number) and number > 0 for number in numbers):  # noqa: PLR2004
        return None
    return numbers[0], numbers[1]


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(math.isclose(a, b, rel_tol=_SAME) for a, b in zip(one, other, strict=True))


def _of_regions(regions: Sequence[Any]) -> tuple[float, float] | None:
    """Return the spacing of an ultrasound's 2D regions (PS3.3 C.8.5.5), None where they differ."""
    found = {
        _pair([abs(float(region.PhysicalDeltaY)) * _MM_PER_CM, abs(float(region.PhysicalDeltaX)) * _MM_PER_CM])
        for region in regions
        if int(region.get("RegionSpatialFormat") or 0) == _TWO_DIMENSIONS
        and int(region.get("PhysicalUnitsXDirection") or 0) == _CENTIMETRE
        and int(region.get("PhysicalUnitsYDirection") or 0) == _CENTIMETRE
    }
    return found.pop() if len(found) == 1 else None
