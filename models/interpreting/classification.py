"""From a network's answer about the whole input to findings: present or absent, and how certain."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from models.asking.answers import are_probabilities
from models.card.card_interpretation import ClassificationInterpretation
from models.card.card_parts import Concept
from models.card.manifest import Card
from models.errors import CardError, ImplausibleResult
from models.findings import Finding

PRESENT = Concept(value="52101004", scheme="SCT", meaning="Present")
ABSENT = Concept(value="2667000", scheme="SCT", meaning="Absent")


def probabilities(
    card: Card, interpretation: ClassificationInterpretation, answer: Mapping[str, NDArray[np.generic]]
) -> NDArray[np.float64]:
    """Return the probability of each class, ``(classes,)``.

    Raises CardError when the answer is not the card's kind, ImplausibleResult when it is no probability.
    """
    name = interpretation.answer_output or (next(iter(answer)) if len(answer) == 1 else "")
    output = answer.get(name)
    count = len(interpretation.classes)
    if output is None or output.shape not in {(1, count), (count,)}:
        shapes = {each: array.shape for each, array in answer.items()}
        raise CardError(
            f"{card.id}: the network answers {shapes}, not (1, {count}) in "
            f"{name or 'one output'}; mend classes or answer_output in the card"
        )
    values = np.asarray(output, np.float64).reshape(count)
    if interpretation.activation == "sigmoid":
        values = expit(values)
    elif interpretation.activation == "softmax":
        values = softmax(values)
    if not are_probabilities(values):
        raise ImplausibleResult(
            "the result is not sent: the network's answer is no probability; look at the source images, and at "
            "activation in the card"
        )
    return np.clip(values, 0.0, 1.0)


def findings_of(interpretation: ClassificationInterpretation, by_image: NDArray[np.float64]) -> tuple[Finding, ...]:
    """Return what is said of the whole input, in the order of the card's classes.

    An answer's certainty is that of the answer: what is absent is as certain as it is improbable. A question is
    answered by the mean over the images: its classes exclude each other, and one image would overrule all others.

    Args:
        interpretation: The card's.
        by_image: Probabilities, ``(images, classes)``.
    """
    mean = interpretation.question is not None or interpretation.frames == "mean"
    merged = by_image.mean(axis=0) if mean else by_image.max(axis=0)
    classes = zip(interpretation.classes, merged, strict=True)
    told = [(each, each.concept, float(value)) for each, value in classes if each.concept is not None]
    if interpretation.question is not None:
        _, answer, value = max(told, key=lambda one: one[2])
        return (Finding(name=interpretation.question, value=answer, certainty_percent=100.0 * value),)
    return tuple(
        Finding(name=concept, value=PRESENT, certainty_percent=100.0 * value)
        if value >= each.threshold
        else Finding(name=concept, value=ABSENT, certainty_percent=100.0 * (1.0 - value))
        for each, concept, value in told
    )


def mapped_classes(
    interpretation: ClassificationInterpretation, findings: tuple[Finding, ...]
) -> tuple[tuple[int, Concept], ...]:
    """Return index and concept of each class that a heat map is worth showing of: what is said to be there."""
    said = {(finding.name, finding.value) for finding in findings}
    return tuple(
        (index, each.concept)
        for index, each in enumerate(interpretation.classes)
        if each.concept is not None
        and ((each.concept, PRESENT) in said or (interpretation.question, each.concept) in said)
    )


def class_activation(
    card: Card, interpretation: ClassificationInterpretation, answer: Mapping[str, NDArray[np.generic]], axes: int
) -> NDArray[np.float32] | None:
    """Return how much each place spoke for each class, ``(classes, ...)``, never below 0; None without such an output.

    Raises CardError when that output is not ``(1, classes)`` and as many axes as the input has.
    """
    if not interpretation.heat_map_output:
        return None
    output, count = answer.get(interpretation.heat_map_output), len(interpretation.classes)
    if output is None or output.ndim != axes + 2 or output.shape[:2] != (1, count):
        shapes = {each: array.shape for each, array in answer.items()}
        raise CardError(
            f"{card.id}: the network answers {shapes}, and {interpretation.heat_map_output} is not (1, {count}, ...); "
            "mend heat_map_output in the card"
        )
    return np.maximum(np.nan_to_num(np.asarray(output[0], np.float32)), 0.0)


def scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a heat map from 0 to 1; one that is 0 everywhere stays so."""
    highest = float(values.max())
    return np.asarray(np.clip(values / highest, 0.0, 1.0), np.float32) if highest > 0 else values
