"""How many things of a label there are, as a number of its own: what a card asks for with the measurement ``count``."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.card_parts import Label
from models.components import count_parts
from models.findings import NO_UNITS, Count, Detection, Measurement


def number_of(label: Label, count: int) -> Measurement:
    """Return how many there are as a measurement under the name that the card gives it."""
    return Measurement(name=label.counted_as, value=float(count), unit=NO_UNITS)


def parts_in(label: Label, mask: NDArray[np.bool_]) -> Measurement:
    """Return how many connected parts a structure's mask has."""
    return number_of(label, count_parts(mask))


def counts_of(detections: Sequence[Detection], missing: Sequence[Label]) -> tuple[Count, ...]:
    """Return how many of each label were detected, by the labels' numbers; of one that is missing there are 0.

    A structure's count is one of its own measurements.
    """
    found = {detection.label.number: detection.label for detection in detections} | {
        label.number: label for label in missing
    }
    return tuple(
        Count(label=label, measurement=number_of(label, sum(one.label.number == number for one in detections)))
        for number, label in sorted(found.items())
        if label.counted
    )
