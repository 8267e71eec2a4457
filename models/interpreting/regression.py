"""A network answers numbers about the whole input, such as an age: measurements of it."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.card.card_interpretation import NumbersInterpretation
from models.card.manifest import Card
from models.errors import CardError, ImplausibleResult
from models.findings import Measurement

#: What is larger cannot be told in digits.
_LARGEST = 1e15


def measurements_of(
    card: Card, interpretation: NumbersInterpretation, answers: Sequence[Mapping[str, NDArray[np.generic]]]
) -> tuple[Measurement, ...]:
    """Return the card's numbers, of several images the mean of each.

    Args:
        card: The model's.
        interpretation: The card's.
        answers: The network's, one to each image, or the one to a volume or a recording.

    Raises CardError when an answer is not the card's kind, ImplausibleResult outside of the card's range.
    """
    means = np.mean([_values(card, interpretation, answer) for answer in answers], axis=0)
    found = [
        Measurement(name=each.name, value=float(value) * each.scale + each.offset, unit=each.unit)
        for each, value in zip(interpretation.numbers, means, strict=True)
    ]
    problems = [
        f"{one.name.meaning}: {one.value:g} {one.unit.value} (plausible {each.plausible})"
        for each, one in zip(interpretation.numbers, found, strict=True)
        if not abs(one.value) <= _LARGEST or one.value not in each.plausible
    ]
    if problems:
        raise ImplausibleResult("the result is not sent: " + "; ".join(problems) + "; look at the source images")
    return tuple(found)


def _values(
    card: Card, interpretation: NumbersInterpretation, answer: Mapping[str, NDArray[np.generic]]
) -> NDArray[np.float64]:
    count, output = len(interpretation.numbers), next(iter(answer.values()))
    if len(answer) != 1 or output.shape not in {(1, count), (count,)}:
        shapes = {name: array.shape for name, array in answer.items()}
        raise CardError(
            f"{card.id}: the network answers {shapes}, not (1, {count}) in one output; mend numbers in the card"
        )
    return np.asarray(output, np.float64).reshape(count)
