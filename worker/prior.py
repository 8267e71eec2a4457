"""Today's numbers beside those of an earlier read of the same patient by the same model: what has changed.

Pure: no file, no clock. A pair is compared only where there is no doubt which two belong together; a comparison that
is left out does no harm, a wrong one does.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from models.findings import Detection, Measurement, Reading, Structure
from models.manifest import Concept, Label

#: Value and scheme of a coded concept; its meaning is for people.
Code = tuple[str, str]

_VOLUME: Code = ("118565006", "SCT")
#: A doubling time is told of what may grow, not of an organ: Morphologically Abnormal Structure.
_ABNORMAL: Code = ("49755003", "SCT")
#: Below these a doubling time says more about the measurement than about the lesion.
_LEAST_GROWTH = 1.25
_LEAST_DAYS = 30
#: A thing that is so many times as wide, or the reverse, is taken to be another one.
_FARTHEST_WIDTHS = 2.0
#: Another partner must be so many times as far in the logarithm of the width, and differ by a quarter of the width.
_CLEARLY = 2.0
_LEAST_CLEARANCE = math.log(1.25)
_NOT_SIZES = ("%",)
#: Less than this, in any unit, is nothing: no share of it can be told.
_NOTHING = 1e-6

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


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One thing with numbers, as a report keeps it.

    Attributes:
        concept: What it is.
        site: Where, of a detection; None where the report does not say, or where it is the thing itself.
        side: On which side; empty where it has none.
        measurements: Its numbers.
    """

    concept: Code
    site: Code | None
    side: str
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, kw_only=True)
class InstanceReference:
    """An instance that is referred to."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class EarlierRead:
    """What an earlier read found, taken back out of its reports.

    Attributes:
        studied_on: Date of the earlier study.
        studied_at: Date and time of it, for `worker.study_moment`.
        model_version: The version that read it.
        things: Structures and detections with their numbers.
        whole: Numbers of the whole input.
        references: The reports, all of one study.
    """

    studied_on: date
    studied_at: str
    model_version: str
    things: tuple[Observed, ...]
    whole: tuple[Measurement, ...]
    references: tuple[InstanceReference, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One number then and now, in today's unit.

    Attributes:
        label: What it is of, as today's read calls it; None for the whole input.
        number: Of a detection, as today's read counts it.
        name: What was measured.
        unit: UCUM unit of both numbers.
        method: As in the measurement.
        earlier: Then.
        now: Today.
        doubling_days: Days in which the volume doubles at this pace; None where that means nothing.
    """

    label: Label | None
    number: int | None
    name: Concept
    unit: Concept
    method: Concept | None
    earlier: float
    now: float
    doubling_days: float | None = None

    @property
    def difference(self) -> float:
        """How much more it is today."""
        return self.now - self.earlier

    @property
    def percent(self) -> float | None:
        """The difference in percent of the earlier number; None where that was nothing."""
        return None if abs(self.earlier) < _NOTHING else 100.0 * self.difference / abs(self.earlier)


@dataclass(frozen=True, kw_only=True)
class Prior:
    """The comparison that a case carries.

    Attributes:
        studied_on: Date of the earlier study.
        days: From that study to this one.
        model_version: The version that read it; empty where it is today's.
        changes: Structures and detections first, then the whole input; at least one.
        unpaired: What was found several times then or now, so that no pair is certain.
        references: The earlier reports.
    """

    studied_on: date
    days: int
    model_version: str
    changes: tuple[Change, ...]
    unpaired: tuple[Label, ...]
    references: tuple[InstanceReference, ...]


def compare(reading: Reading, earlier: EarlierRead, *, studied_on: date, model_version: str) -> Prior | None:
    """Compare today's reading with an earlier one; None where no number can be compared."""
    days = (studied_on - earlier.studied_on).days
    pairs, unpaired = _pairs(reading, earlier.things)
    changes = [change for thing, then in pairs for change in _changes_of(thing, then, days)]
    changes += _changes(None, reading.measurements, earlier.whole)
    if days < 0 or not changes:
        return None
    return Prior(
        studied_on=earlier.studied_on,
        days=days,
        model_version="" if earlier.model_version == model_version else earlier.model_version,
        changes=tuple(changes),
        unpaired=unpaired,
        references=earlier.references,
    )


def doubling_days(earlier: float, now: float, days: int) -> float | None:
    """Return the days in which a volume doubles at this pace.

    None where it did not grow by at least a quarter, or where the studies are less than 30 days apart.
    """
    if days < _LEAST_DAYS or earlier < _NOTHING or now < earlier * _LEAST_GROWTH:
        return None
    return days * math.log(2.0) / math.log(now / earlier)


_Thing = Structure | Detection


def _pairs(reading: Reading, then: Sequence[Observed]) -> tuple[list[tuple[_Thing, Observed]], tuple[Label, ...]]:
    """Return what belongs together, in today's order, and what cannot be told apart."""
    today: dict[tuple[Code, Code | None, str], list[_Thing]] = defaultdict(list)
    observed_now: list[_Thing] = [*reading.structures, *reading.detections]
    for thing in observed_now:
        today[_key_of(thing)].append(thing)
    past: dict[tuple[Code, Code | None, str], list[Observed]] = defaultdict(list)
    for observed in then:
        past[observed.concept, observed.site, observed.side].append(observed)
    found: list[tuple[_Thing, Observed]] = []
    unpaired: dict[int, Label] = {}
    for key, things in today.items():
        if any(isinstance(thing, Structure) for thing in things):
            # A structure is one thing by its label; two of one name would be two labels of one concept.
            if len(things) == len(past.get(key, ())) == 1:
                found.append((things[0], past[key][0]))
            continue
        matched = _nearest(things, past.get(key, []))
        found += matched
        if past.get(key) and len(matched) < max(len(things), len(past[key])):
            unpaired[things[0].label.number] = things[0].label
    return found, tuple(unpaired.values())


def _key_of(thing: _Thing) -> tuple[Code, Code | None, str]:
    concept = (thing.label.concept.value, thing.label.concept.scheme)
    if isinstance(thing, Structure):
        return concept, None, thing.label.laterality or ""
    site = (thing.site.value, thing.site.scheme) if thing.site else None
    return concept, site, thing.laterality or thing.label.laterality or ""


def _nearest(things: Sequence[_Thing], then: Sequence[Observed]) -> list[tuple[_Thing, Observed]]:
    """Pair things of one kind at one site by size; all of them, or none where any pair is in doubt.

    Each must be the other's nearest by far, and not so different that it is more likely another one.
    """
    if not then or len(things) != len(then):
        return []
    apart = [[_apart(thing.measurements, observed.measurements) for observed in then] for thing in things]
    pairs = []
    for row, distances in enumerate(apart):
        best = min(range(len(then)), key=distances.__getitem__)
        others = [d for place, d in enumerate(distances) if place != best]
        others += [apart[other][best] for other in range(len(things)) if other != row]
        clear = max(distances[best] * _CLEARLY, _LEAST_CLEARANCE)
        if distances[best] > math.log(_FARTHEST_WIDTHS) or any(d < clear for d in others):
            return []
        pairs.append((things[row], then[best]))
    return pairs


def _apart(now: Iterable[Measurement], then: Iterable[Measurement]) -> float:
    """Return how different two things are in width, as a logarithm; infinite where no size says it."""
    sizes = {(m.name.value, _kind(m)): m.value * _UNITS[m.unit.value][1] for m in now if m.unit.value in _UNITS}
    apart = [
        abs(math.log(m.value * _UNITS[m.unit.value][1] / sizes[key])) / _DIMENSIONS[_kind(m)]
        for m in then
        if (key := (m.name.value, _kind(m))) in sizes and m.value > 0 and sizes[key] > 0
    ]
    return max(apart, default=math.inf)


def _kind(measurement: Measurement) -> str:
    return _UNITS.get(measurement.unit.value, ("", 1.0))[0]


def _changes_of(thing: _Thing, then: Observed, days: int) -> Iterator[Change]:
    abnormal = (thing.label.category.value, thing.label.category.scheme) == _ABNORMAL
    for change in _changes(thing, thing.measurements, then.measurements):
        volume = (change.name.value, change.name.scheme) == _VOLUME
        doubling = doubling_days(change.earlier, change.now, days) if abnormal and volume else None
        yield replace(change, doubling_days=doubling)


def _changes(thing: _Thing | None, now: Iterable[Measurement], then: Iterable[Measurement]) -> list[Change]:
    """Compare numbers of one name and method that are each there once; certainties are no sizes and are left out."""
    past: dict[tuple[Code, Code | None], list[Measurement]] = defaultdict(list)
    for measurement in then:
        past[_name(measurement)].append(measurement)
    today: dict[tuple[Code, Code | None], list[Measurement]] = defaultdict(list)
    for measurement in now:
        today[_name(measurement)].append(measurement)
    changes = []
    for name, measurements in today.items():
        if len(measurements) != 1 or len(past.get(name, ())) != 1 or measurements[0].unit.value in _NOT_SIZES:
            continue
        (measured,), (before,) = measurements, past[name]
        earlier = _in_unit(before, measured.unit)
        if earlier is not None:
            changes.append(
                Change(
                    label=thing.label if thing else None,
                    number=thing.number if isinstance(thing, Detection) else None,
                    name=measured.name,
                    unit=measured.unit,
                    method=measured.method,
                    earlier=earlier,
                    now=measured.value,
                )
            )
    return changes


def _name(measurement: Measurement) -> tuple[Code, Code | None]:
    method = measurement.method
    return (measurement.name.value, measurement.name.scheme), (method.value, method.scheme) if method else None


def _in_unit(measurement: Measurement, unit: Concept) -> float | None:
    """Return the number in another unit, None where the two do not measure the same."""
    if not math.isfinite(measurement.value):
        return None
    if measurement.unit.value == unit.value:
        return measurement.value
    mine, wanted = _UNITS.get(measurement.unit.value), _UNITS.get(unit.value)
    if mine is None or wanted is None or mine[0] != wanted[0]:
        return None
    return measurement.value * mine[1] / wanted[1]
