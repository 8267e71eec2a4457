"""How many things of a label there are, as a number of its own: what a card asks for with the measurement ``count``."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.card_parts import Label
from models.components import count_parts
from models.errors import ImplausibleResult
from models.findings import NO_UNITS, Count, Detection, Measurement, Reading


def number_of(label: Label, count: int) -> Measurement:
    """Return how many there are as a measurement under the name that the card gives it."""
    return Measurement(name=label.counted_as, value=float(count), unit=NO_UNITS)


def parts_in(label: Label, mask: NDArray[np.bool_]) -> Measurement:
    """Return how many connected parts a structure's mask has."""
    return number_of(label, count_parts(mask))


def counts_of(
    detections: Sequence[Detection], missing: Sequence[Label], *, by_frame: bool = False
) -> tuple[Count, ...]:
    """Return how many of each label were detected, by the labels' numbers; of one that is missing there are 0.

    A structure's count is one of its own measurements.

    Args:
        detections: All of them.
        missing: Labels that were looked for and not found.
        by_frame: Frames show the same things again, as those of a clip do: most in one frame count, not all together.
    """
    found = {detection.label.number: detection.label for detection in detections} | {
        label.number: label for label in missing
    }
    return tuple(
        Count(label=label, measurement=number_of(label, most(alike, by_frame=by_frame)))
        for number, label in sorted(found.items())
        for alike in [[one for one in detections if one.label.number == number]]
        if label.counted
    )


def most(detections: Sequence[Detection], *, by_frame: bool) -> int:
    """Return how many there are, or how many in the frame that has most."""
    frames = Counter(one.slice_index for one in detections)
    return max(frames.values(), default=0) if by_frame else len(detections)


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
