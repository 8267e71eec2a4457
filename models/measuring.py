"""What a card wants measured in a structure beside its volume: values inside, diameters in plane, how many parts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.card_parts import Concept, Label
from models.components import count_parts
from models.counting import parts_in
from models.findings import Measurement
from models.instances import DEVIATION, DIAMETER, MEAN, MILLIMETRE, SHORT_AXIS, widest
from models.sentence import Sentence
from models.volume import Volume

IN_PARTS = Sentence("The diameter of what lies in several parts is that of the widest part.")


def measure(label: Label, mask: NDArray[np.bool_], source: Volume, value_unit: Concept) -> tuple[Measurement, ...]:
    """Return what the label asks for, in its order.

    Args:
        label: The card's.
        mask: Of the structure, on the source grid, not empty.
        source: What was read.
        value_unit: Of the source's values.
    """
    if not label.measurements:
        return ()
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    part: NDArray[np.bool_] = mask[box]
    found: list[Measurement] = []
    for wanted in label.measurements:
        if wanted == "diameters":
            _, long_mm, short_mm = widest(part, box, source.spacing_mm[1], source.spacing_mm[2])
            found.append(Measurement(name=DIAMETER, value=long_mm, unit=MILLIMETRE))
            found.append(Measurement(name=SHORT_AXIS, value=short_mm, unit=MILLIMETRE))
            continue
        if wanted == "count":
            found.append(parts_in(label, part))
            continue
        values: NDArray[Any] = np.asarray(source.array[box])[part].astype(np.float64)
        name, number = (MEAN, values.mean()) if wanted == "mean" else (DEVIATION, values.std())
        found.append(Measurement(name=name, value=float(number), unit=value_unit))
    return tuple(found)


def notes_on(known: Sequence[Label], labels: NDArray[np.uint8]) -> tuple[Sentence, ...]:
    """Return what must be told of measurements: a structure's diameter may be that of one of its parts alone."""
    measured = [label for label in known if "diameters" in label.measurements and not label.instances]
    return (IN_PARTS,) if any(count_parts(labels == label.number) > 1 for label in measured) else ()
