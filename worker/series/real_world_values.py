"""Stored values to real ones by Real World Value Mapping (PS3.3 C.7.6.16.2.11): where no Rescale Slope says it.

It maps stored values, and not those after Rescale Slope and Intercept. Where an image has both, the latter count, as
for nearly everybody who reads images, and so for networks.
"""

import math
from collections.abc import Sequence
from typing import Any

from worker.errors import SeriesRefused
from worker.instances.plain_values import value_of

#: Slope, intercept, and UCUM unit, empty where there is none.
Mapping = tuple[float, float, str]
#: UCUM's words for a pure number.
_NO_UNIT = "1"


def linear_mapping(items: Sequence[Any]) -> Mapping:
    """Return the one straight line by which a frame's stored values become real ones.

    It is continued beyond Real World Value First and Last Value Mapped: what lies there is background mostly.

    Args:
        items: Of the frame's Real World Value Mapping Sequence, at least one.

    Raises SeriesRefused where they are several mappings, or no straight line, and whatever pydicom raises.
    """
    found = {_mapping(item) for item in items}
    if len(found) > 1:
        raise SeriesRefused(
            "several real world values: the stored values have more than one Real World Value Mapping, and no Rescale "
            "Slope says which is meant"
        )
    return found.pop()


def _mapping(item: Any) -> Mapping:
    if "RealWorldValueLUTData" in item:
        raise SeriesRefused(
            "lookup table: values mean something only through a Real World Value LUT, which is not read"
        )
    slope, intercept = (value_of(item, f"RealWorldValue{keyword}") for keyword in ("Slope", "Intercept"))
    if slope is None or intercept is None or not slope or not all(map(math.isfinite, (slope, intercept))):
        raise SeriesRefused("no scale: Real World Value Slope or Intercept is missing, 0 or not finite")
    units = item.get("MeasurementUnitsCodeSequence")
    unit = str((value_of(units[0], "CodeValue") if units else None) or "")
    return float(slope), float(intercept), "" if unit == _NO_UNIT else unit
