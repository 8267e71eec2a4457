"""What a card wants measured in a structure beside its volume: values inside, diameters in plane, how many parts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card.card_parts import Concept, Label
from models.components import count_parts
from models.findings import NO_UNITS, Detection, Measurement
from models.interpreting.counting import number_of
from models.interpreting.instances import DEVIATION, DIAMETER, MEAN, MILLIMETRE, short_axis_of, widest
from models.preparing.grid import Box
from models.sentence import Sentence
from models.volume import Volume

ANOTHER_UNIT = Sentence(
    "The images state another unit than the model expects: what was found may be wrong, and means and deviations are "
    "left out."
)
IN_PARTS = Sentence("The diameter of what lies in several parts is that of the widest part.")
_OF_PARTS = frozenset({"count", "diameters"})
#: What UCUM lets anybody add to a unit says no more than what it is a unit of.
_ANNOTATION = re.compile(r"\{[^}]*\}")
#: But uptake by body weight and by lean mass are different numbers, and both are g/ml.
_SUV = re.compile(r"\{SUV[^}]*\}")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured in a structure.

    Attributes:
        numbers: What its label asks for, in its order.
        in_parts: Whether it has diameters, and these are of one of its parts alone: it is in several, or the slice on
            which it is widest cuts it more than once.
    """

    numbers: tuple[Measurement, ...]
    in_parts: bool


def measure(
    label: Label,
    part: NDArray[np.bool_],
    box: Box,
    source: Volume,
    value_unit: Concept | None,
    *,
    parts: int | None = None,
) -> Measured:
    """Return what the label asks for.

    Args:
        label: The card's.
        part: Of the structure within its box, not empty.
        box: Where that lies on the source grid.
        source: What was read.
        value_unit: Of the source's values; None where it is not the card's: then no number of them is told.
        parts: How many connected parts it has, where that is known: counting them takes seconds, and four times the
            memory of the box.
    """
    if parts is None:
        parts = count_parts(part) if _OF_PARTS & set(label.measurements) else 1
    found: list[Measurement] = []
    in_parts = False
    for wanted in label.measurements:
        if wanted == "diameters":
            index, long_mm, short_mm = widest(part, box, source.spacing_mm[1], source.spacing_mm[2])
            found.append(Measurement(name=DIAMETER, value=long_mm, unit=MILLIMETRE))
            found.append(short_axis_of(short_mm))
            in_parts = parts > 1 or cut_more_than_once(part[index - box[0].start])
            continue
        if wanted == "count":
            found.append(number_of(label, parts))
            continue
        if value_unit is None:
            continue
        values: NDArray[Any] = np.asarray(source.array[box])[part & source.imaged(box)].astype(np.float64)
        if not values.size:
            continue
        name, number = (MEAN, values.mean()) if wanted == "mean" else (DEVIATION, values.std())
        found.append(Measurement(name=name, value=float(number), unit=value_unit))
    return Measured(numbers=tuple(found), in_parts=in_parts)


def unit_of_values(source: Volume, value_unit: Concept) -> Concept | None:
    """Return the card's unit of the values; None where the images state another one.

    A card that names none (1, no units) says nothing that could be wrong.
    """
    unnamed = value_unit.value == NO_UNITS.value or not source.unit
    return value_unit if unnamed or _alike(source.unit, value_unit.value) else None


def _alike(one: str, other: str) -> bool:
    kinds = [set(_SUV.findall(unit)) for unit in (one, other)]
    return _bare(one) == _bare(other) and (not all(kinds) or kinds[0] == kinds[1])


def _bare(unit: str) -> str:
    """Return a UCUM unit without annotations, where something is left, and with one letter for the litre."""
    return (_ANNOTATION.sub("", unit) or unit).replace("L", "l")


def cut_more_than_once(mask: NDArray[np.bool_]) -> bool:
    """Say whether a mask ``(rows, columns)`` is in several parts (8 neighbours), as a slice through a V is."""
    return count_parts(mask[np.newaxis]) > 1


def any_cut_more_than_once(detections: Iterable[Detection], instances: NDArray[np.uint16]) -> bool:
    """Say whether the slice on which one of these was measured cuts it more than once."""
    return any(cut_more_than_once(instances[one.slice_index] == one.number) for one in detections)
