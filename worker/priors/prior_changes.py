"""Today's numbers beside those of an earlier read of the same patient by the same model: what has changed.

Pure: no file, no clock. A comparison that is left out does no harm, a wrong one does.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from models.findings import NO_UNITS, Count, Detection, Measurement, Reading
from worker.case.labels_told import of_abnormal_category
from worker.case.prior import (
    NO_SIZES_BY_NAME,
    NOT_SIZES,
    NOTHING,
    PIXELS,
    Change,
    Code,
    EarlierRead,
    Method,
    Observed,
    Obstacle,
    Prior,
)
from worker.instances.acquired import Acquired
from worker.instances.sampling import Sampling
from worker.priors.prior_pairs import Thing, gone_of, pairs_of
from worker.priors.prior_sizes import disagreement, in_unit, is_length, most_different

_VOLUME: Code = ("118565006", "SCT")
#: Below these a doubling time says more about the measurement than about the lesion.
_LEAST_GROWTH = 1.25
_LEAST_DAYS = 30
#: Of the change of a diameter and of the width that a volume says: one of them has doubled beside the other.
_MOST_DISAGREEMENT = math.log(2.0)


def compare(
    reading: Reading,
    earlier: EarlierRead,
    *,
    studied_on: date,
    method: Method,
    sampling: Sampling | None = None,
    acquired: Acquired | None = None,
) -> Prior | None:
    """Compare today's reading with an earlier one; None where there is nothing to be said of it.

    Another model, or another state of it, measures otherwise: of such a read it is only said that it is not compared.
    Where the site's thresholds alone are others, what was found one by one and counted is not compared, since another
    share of it was told; the sizes of structures and numbers of the whole input depend on no threshold.
    Where slices or pixels lay clearly further apart in one of the two, slices were thicker, the kernel was another,
    or the images of one alone name a contrast agent, that is told and no doubling time.

    Args:
        reading: Today's.
        earlier: What to compare it with.
        studied_on: When today's study was made.
        method: How today's was read.
        sampling: How far apart slices and pixels of today's images lie; None of images without a place in space.
        acquired: How these were taken; None likewise.
    """
    sampled, taken = _sampled_otherwise(earlier.sampling, sampling), acquired or Acquired()
    contrasted = taken.otherwise_contrasted(earlier.acquired)
    kernels = taken.otherwise_reconstructed(earlier.acquired)
    thickness = None if sampled else taken.otherwise_thick(earlier.acquired)
    days = (studied_on - earlier.studied_on).days
    # Of what differs for another reason there is no pace.
    pace_days = 0 if sampled or thickness or kernels or contrasted is not None else days
    pairs = pairs_of(reading, earlier.things)
    changes = [change for thing, then in pairs.found for change in _changes_of(thing, then, pace_days)]
    changes += [change for count in reading.counts for change in _changes_of_count(count, earlier.counts)]
    changes += _changes(None, reading.measurements, earlier.whole)
    differing = [change for thing, then in pairs.differing for change in _size_apart(thing, then)]
    gone = gone_of(reading, earlier.things)
    if days < 0 or not (changes or differing or pairs.cut or gone):
        return None
    found = Prior(
        studied_on=earlier.studied_on,
        days=days,
        model_version=earlier.method.model_version,
        changes=tuple(changes),
        differing=tuple(differing),
        unpaired=pairs.unpaired,
        cut=pairs.cut,
        gone=gone,
        sampled=sampled,
        contrasted=contrasted,
        thickness=thickness,
        kernels=kernels,
        reach=taken.reaching_otherwise(earlier.acquired),
        references=earlier.references,
    )
    return _within(_obstacle(earlier.method, method), found)


def _sampled_otherwise(then: Sampling | None, now: Sampling | None) -> tuple[Sampling, Sampling] | None:
    if then is None or now is None or not now.differs_from(then):
        return None
    return then, now


def _obstacle(then: Method, now: Method) -> Obstacle | None:
    if then.model_version != now.model_version:
        return Obstacle.VERSION
    if then.serial_number != now.serial_number:
        return Obstacle.MODEL
    return None if then.thresholds == now.thresholds else Obstacle.THRESHOLDS


def _within(obstacle: Obstacle | None, found: Prior) -> Prior:
    """Return what of a comparison means something."""
    if obstacle is None:
        return found
    kept = tuple(one for one in found.changes if obstacle is Obstacle.THRESHOLDS and not _by_threshold(one))
    gone = tuple(one for one in found.gone if obstacle is Obstacle.THRESHOLDS and not one.label.instances)
    if obstacle is Obstacle.THRESHOLDS and (kept, gone) == (found.changes, found.gone) and not found.differing:
        return found
    cut = found.cut if obstacle is Obstacle.THRESHOLDS else ()
    return replace(found, changes=kept, differing=(), unpaired=(), cut=cut, gone=gone, obstacle=obstacle)


def _by_threshold(change: Change) -> bool:
    """Say whether a threshold decides what a number is of: of a detection, and of how many there are."""
    return change.number is not None or (change.label is not None and change.unit.value == NO_UNITS.value)


def doubling_days(earlier: float, now: float, days: int) -> float | None:
    """Return the days in which a volume doubles at this pace.

    None where it did not grow by at least a quarter, or where the studies are less than 30 days apart.
    """
    if days < _LEAST_DAYS or earlier < NOTHING or now < earlier * _LEAST_GROWTH:
        return None
    return days * math.log(2.0) / math.log(now / earlier)


def _changes_of(thing: Thing, then: Observed, days: int) -> Iterator[Change]:
    # A doubling time is told of what may grow, not of an organ.
    abnormal = of_abnormal_category(thing.label)
    for change in _changes(thing, *_of_one_extent(thing, then)):
        volume = (change.name.value, change.name.scheme) == _VOLUME
        doubling = doubling_days(change.earlier, change.now, days) if abnormal and volume else None
        yield replace(change, doubling_days=doubling)


def _of_one_extent(thing: Thing, then: Observed) -> tuple[Iterable[Measurement], Iterable[Measurement]]:
    """Return what is measured today and was then, of a structure without diameters that its volume contradicts.

    A diameter is that of one part. Where parts have joined or come apart in between, or an earlier release measured
    from one part to another, it has changed and the structure has not.
    """
    now, before = thing.measurements, then.measurements
    if isinstance(thing, Detection) or disagreement(now, before) <= _MOST_DISAGREEMENT:
        return now, before
    return [one for one in now if not is_length(one)], before


def _size_apart(thing: Thing, then: Observed) -> Iterator[Change]:
    """Yield the size in which two things differ most; none where no size of both can be compared."""
    sizes = most_different(thing.measurements, then.measurements)
    earlier = in_unit(sizes[1], sizes[0].unit) if sizes else None
    if sizes and earlier is not None:
        yield _change(thing, sizes[0], earlier)


def _changes_of_count(count: Count, then: Iterable[Observed]) -> Iterator[Change]:
    """Compare how many there are of a label with what the one count of its kind was; none where there is any doubt."""
    label = count.label
    key = ((label.concept.value, label.concept.scheme), label.laterality or "")
    before = [observed for observed in then if (observed.concept, observed.side) == key]
    if len(before) == 1:
        for change in _changes(None, (count.measurement,), before[0].measurements):
            yield replace(change, label=label)


def _changes(thing: Thing | None, now: Iterable[Measurement], then: Iterable[Measurement]) -> list[Change]:
    """Compare numbers of one name and method that are each there once; what says no size of its own is left out."""
    past: dict[tuple[Code, Code | None], list[Measurement]] = defaultdict(list)
    for measurement in then:
        past[_name(measurement)].append(measurement)
    today: dict[tuple[Code, Code | None], list[Measurement]] = defaultdict(list)
    for measurement in now:
        today[_name(measurement)].append(measurement)
    changes = []
    for name, measurements in today.items():
        if len(measurements) != 1 or len(past.get(name, ())) != 1:
            continue
        if measurements[0].unit.value in (NOT_SIZES if thing else (PIXELS,)) or name[0] in NO_SIZES_BY_NAME:
            continue
        (measured,), (before,) = measurements, past[name]
        earlier = in_unit(before, measured.unit)
        if earlier is not None:
            changes.append(_change(thing, measured, earlier))
    return changes


def _change(thing: Thing | None, now: Measurement, earlier: float) -> Change:
    return Change(
        label=thing.label if thing else None,
        number=thing.number if isinstance(thing, Detection) else None,
        name=now.name,
        unit=now.unit,
        method=now.method,
        earlier=earlier,
        now=now.value,
    )


def _name(measurement: Measurement) -> tuple[Code, Code | None]:
    method = measurement.method
    return (measurement.name.value, measurement.name.scheme), (method.value, method.scheme) if method else None
