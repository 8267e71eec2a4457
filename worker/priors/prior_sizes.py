"""Sizes in whatever unit a report keeps them in."""

import math
from collections.abc import Iterable, Iterator, Mapping

from models.card.card_parts import Concept
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
    return max((difference for difference, _, _ in _differences(now, then)), default=math.inf)


def disagreement(now: Iterable[Measurement], then: Iterable[Measurement]) -> float:
    """Return how far a length's change lies from that of the width which the volume says, as a logarithm."""
    ratios = [(ratio, _kind(today)) for ratio, today, _ in _ratios(now, then)]
    lengths, volumes = ([ratio for ratio, kind in ratios if kind == wanted] for wanted in ("length", "volume"))
    return max((abs(length - volume) for length in lengths for volume in volumes), default=0.0)


def is_length(measurement: Measurement) -> bool:
    """Say whether it is in a unit of length."""
    return _kind(measurement) == "length"


def largest(things: Iterable[Iterable[Measurement]]) -> Measurement | None:
    """Return the size of the largest of several things, of each the first that it has; None where they have none."""
    first = [size for sizes in things if (size := next((m for m in sizes if m.unit.value in _UNITS), None)) is not None]
    alike = [size for size in first if _measured(size) == _measured(first[0])]
    return max(alike, key=lambda size: size.value * _UNITS[size.unit.value][1], default=None)


def most_different(now: Iterable[Measurement], then: Iterable[Measurement]) -> tuple[Measurement, Measurement] | None:
    """Return the size of today and the one of then that differ most in width, None where none can be compared."""
    # Of two that say the same but for rounding, such as diameter and volume of a ball, the one that is named first.
    _, today, before = max(_differences(now, then), key=lambda each: round(each[0], 6), default=(0.0, None, None))
    return (today, before) if today and before else None


def _differences(
    now: Iterable[Measurement], then: Iterable[Measurement]
) -> Iterator[tuple[float, Measurement, Measurement]]:
    return ((abs(ratio), today, before) for ratio, today, before in _ratios(now, then))


def _ratios(
    now: Iterable[Measurement], then: Iterable[Measurement]
) -> Iterator[tuple[float, Measurement, Measurement]]:
    sizes = {_measured(m): m for m in now if m.unit.value in _UNITS}
    for before in then:
        today = sizes.get(_measured(before))
        if today is not None and before.value > 0 and today.value > 0:
            ratio = before.value * _UNITS[before.unit.value][1] / (today.value * _UNITS[today.unit.value][1])
            yield math.log(ratio) / _DIMENSIONS[_kind(before)], today, before


def _measured(measurement: Measurement) -> tuple[str, str, str]:
    """Return what a size is of, and how it was measured: by another method it is another one."""
    method = measurement.method.value if measurement.method else ""
    return measurement.name.value, _kind(measurement), method


def _kind(measurement: Measurement) -> str:
    return _UNITS.get(measurement.unit.value, ("", 1.0))[0]


def in_unit(measurement: Measurement, unit: Concept) -> float | None:
    """Return the number in another unit, None where the two do not measure the same."""
    if measurement.unit.value == unit.value:
        return measurement.value
    mine, wanted = _UNITS.get(measurement.unit.value), _UNITS.get(unit.value)
    if mine is None or wanted is None or mine[0] != wanted[0]:
        return None
    return measurement.value * mine[1] / wanted[1]
