"""Sizes in whatever unit a report keeps them in."""

import math
from collections.abc import Iterable, Mapping

from models.card_parts import Concept
from models.findings import Measurement

#: UCUM unit to (what it measures, its size in the first of that kind).
_UNITS: Mapping[str, tuple[str, float]] = {
    "mm": ("length", 1.0),
    "cm": ("length", 10.0),
    "mm2": ("area", 1.0),
    "cm2": ("area", 100.0),
    "mm3": ("volume", 1.0),
    "cm3": ("volume", 1000.0),
    "ml": ("volume", 1000.0),
    "mL": ("volume", 1000.0),
}
_DIMENSIONS: Mapping[str, int] = {"length": 1, "area": 2, "volume": 3}


def apart(now: Iterable[Measurement], then: Iterable[Measurement]) -> float:
    """Return how different two things are in width, as a logarithm; infinite where no size says it."""
    sizes = {(m.name.value, _kind(m)): m.value * _UNITS[m.unit.value][1] for m in now if m.unit.value in _UNITS}
    differences = [
        abs(math.log(m.value * _UNITS[m.unit.value][1] / sizes[key])) / _DIMENSIONS[_kind(m)]
        for m in then
        if (key := (m.name.value, _kind(m))) in sizes and m.value > 0 and sizes[key] > 0
    ]
    return max(differences, default=math.inf)


def _kind(measurement: Measurement) -> str:
    return _UNITS.get(measurement.unit.value, ("", 1.0))[0]


def in_unit(measurement: Measurement, unit: Concept) -> float | None:
    """Return the number in another unit, None where the two do not measure the same."""
    if not math.isfinite(measurement.value):
        return None
    if measurement.unit.value == unit.value:
        return measurement.value
    mine, wanted = _UNITS.get(measurement.unit.value), _UNITS.get(unit.value)
    if mine is None or wanted is None or mine[0] != wanted[0]:
        return None
    return measurement.value * mine[1] / wanted[1]
