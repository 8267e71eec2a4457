"""How many things of a label there are, as a number of its own: what a card asks for with the measurement ``count``."""

from collections import Counter
from collections.abc import Iterator, Sequence

from models.card.card_parts import Label
from models.errors import ImplausibleResult
from models.findings import NO_UNITS, Count, Detection, Measurement, Reading
from models.volume import Image, Source


def number_of(label: Label, count: int) -> Measurement:
    """Return how many there are as a measurement under the name that the card gives it."""
    return Measurement(name=label.counted_as, value=float(count), unit=NO_UNITS)


def counts_of(
    detections: Sequence[Detection], missing: Sequence[Label], source: Source | None = None
) -> tuple[Count, ...]:
    """Return how many of each label were detected, by the labels' numbers; of one that is missing there are 0.

    A structure's count is one of its own measurements.

    Args:
        detections: All of them.
        missing: Labels that were looked for and not found.
        source: What was read; left out: a volume.
    """
    found = {detection.label.number: detection.label for detection in detections} | {
        label.number: label for label in missing
    }
    return tuple(
        Count(label=label, measurement=number_of(label, number_shown(alike, source)))
        for number, label in sorted(found.items())
        for alike in [[one for one in detections if one.label.number == number]]
        if label.counted
    )


def number_shown(detections: Sequence[Detection], source: Source | None) -> int:
    """Return how many things these are. Text, SR and critical rules all tell this number.

    In a volume each is one. Images show the same things again, as frames of a clip and views of a chest do: the most in
    one image count; where left and right are told apart the most of each, since no image of one shows the other.
    """
    if not isinstance(source, Image):
        return len(detections)
    sides = {source.side(one.slice_index) for one in detections}
    return sum(most_in_one([one for one in detections if source.side(one.slice_index) == side]) for side in sides)


def most_in_one(detections: Sequence[Detection]) -> int:
    """Return how many there are in the slice, or frame, that has most."""
    return max(Counter(one.slice_index for one in detections).values(), default=0)


def counts_in(reading: Reading) -> Iterator[Count]:
    """Yield how many there are of each label that wants it told, those of structures first."""
    for structure in reading.structures:
        label = structure.label
        for measurement in structure.measurements:
            if label.counted and (measurement.name, measurement.unit) == (label.counted_as, NO_UNITS):
                yield Count(label=label, measurement=measurement)
    yield from reading.counts


def plausibly_counted(reading: Reading) -> Reading:
    """Return the reading. Raises ImplausibleResult where there are more or fewer of a label than its card says."""
    problems = [
        f"{count.label.name}: {count.measurement.value:.0f} found (plausible {count.label.plausible_count})"
        for count in counts_in(reading)
        if count.measurement.value not in count.label.plausible_count
    ]
    if problems:
        raise ImplausibleResult("the result is not sent: " + "; ".join(problems) + "; look at the source images")
    return reading
