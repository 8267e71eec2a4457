"""A model answers numbers about the whole input, such as an age: measurements of it."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.card.card_interpretation import NumberCard, NumbersInterpretation
from models.card.manifest import Card
from models.errors import CardError, ImplausibleResult, RuntimeFailed
from models.findings import Measurement


def measurements_of(
    card: Card, interpretation: NumbersInterpretation, answers: Sequence[Mapping[str, NDArray[np.generic]]]
) -> tuple[Measurement, ...]:
    """Return the card's numbers, of several images the mean of each.

    Args:
        card: The model's.
        interpretation: The card's.
        answers: The network's, one to each image, or the one to a volume or a recording; or what code answers.

    Raises CardError when an answer is not the card's kind, ImplausibleResult outside of the card's range.
    """
    means = np.mean([_values(card, interpretation, answer) for answer in answers], axis=0)
    numbers = interpretation.numbers
    return _plausible(
        numbers, [float(mean) * each.scale + each.offset for each, mean in zip(numbers, means, strict=True)]
    )


def measurements_by_name(
    card: Card, interpretation: NumbersInterpretation, told: Sequence[Measurement]
) -> tuple[Measurement, ...]:
    """Return the card's numbers, in its order, of what a program tells by name and unit.

    Raises RuntimeFailed unless they are those of the card, ImplausibleResult outside of its range.
    """
    values = {(one.name.code, one.unit.value): one.value for one in told}
    wanted = [(each.name.code, each.unit.value) for each in interpretation.numbers]
    if len(told) != len(wanted) or set(values) != set(wanted):
        names = ", ".join(f"{each.name.meaning} in {each.unit.value}" for each in interpretation.numbers)
        raise RuntimeFailed(
            f"{card.id}: the program tells other numbers than its card; wanted is each of these once: {names}; mend "
            "the program, or numbers in the card"
        )
    return _plausible(interpretation.numbers, [values[key] for key in wanted])


def _plausible(numbers: Sequence[NumberCard], values: Sequence[float]) -> tuple[Measurement, ...]:
    problems = [
        f"{each.name.meaning}: {value:g} {each.unit.value} (plausible {each.plausible})"
        for each, value in zip(numbers, values, strict=True)
        if value not in each.plausible
    ]
    if problems:
        raise ImplausibleResult("the result is not sent: " + "; ".join(problems) + "; look at the source images")
    return tuple(
        Measurement(name=each.name, value=value, unit=each.unit) for each, value in zip(numbers, values, strict=True)
    )


def _values(
    card: Card, interpretation: NumbersInterpretation, answer: Mapping[str, NDArray[np.generic]]
) -> NDArray[np.float64]:
    count, output = len(interpretation.numbers), np.atleast_1d(next(iter(answer.values())))
    if len(answer) != 1 or output.shape not in {(1, count), (count,)}:
        shapes = {name: array.shape for name, array in answer.items()}
        raise CardError(
            f"{card.id}: the model answers {shapes}, not (1, {count}) in one output; mend numbers in the card"
        )
    return np.asarray(output, np.float64).reshape(count)
