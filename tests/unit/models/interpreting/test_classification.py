"""From what a network answers about the whole input to findings."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.card.card_interpretation import ClassificationInterpretation
from models.card.card_parts import Concept
from models.card.manifest import Card
from models.errors import CardError, ImplausibleResult
from models.interpreting.classification import (
    ABSENT,
    PRESENT,
    class_activation,
    findings_of,
    mapped_classes,
    probabilities,
    scaled,
)
from tests.readings import PNEUMONIA, PNEUMOTHORAX, a_card

DENSITY = Concept(value="129715009", scheme="SCT", meaning="Breast composition")


def interpretation(**values: Any) -> ClassificationInterpretation:
    """Return two conditions and a class of which nothing is said; keywords replace its keys."""
    classes = [
        {"name": "normal"},
        {"name": "pneumonia", "concept": PNEUMONIA.model_dump()},
        {"name": "pneumothorax", "concept": PNEUMOTHORAX.model_dump(), "threshold": 0.2},
    ]
    return ClassificationInterpretation.model_validate(
        {"kind": "classification", "activation": "none", "classes": classes} | values
    )


def a_card_of(what: ClassificationInterpretation) -> Card:
    """Return a card with this interpretation."""
    return a_card(interpretation=what.model_dump(), labels=[])


def answer(*values: float) -> dict[str, NDArray[np.generic]]:
    """Return what a network answers."""
    return {"output": np.array([values], np.float32)}


def test_each_condition_is_present_or_absent_by_its_own_threshold() -> None:
    """What is absent is as certain as it is improbable; a class without a concept is not told."""
    first, second = findings_of(interpretation(), np.array([[0.9, 0.25, 0.25]]))
    assert (first.name, first.value, first.certainty_percent) == (PNEUMONIA, ABSENT, pytest.approx(75.0))
    assert (second.name, second.value, second.certainty_percent) == (PNEUMOTHORAX, PRESENT, pytest.approx(25.0))


def test_of_several_images_the_card_says_which_counts() -> None:
    """The most suspicious view by default, else the mean of all."""
    both = np.array([[0.0, 0.1, 0.0], [0.0, 0.7, 0.0]])
    assert findings_of(interpretation(), both)[0].value == PRESENT
    assert findings_of(interpretation(frames="mean"), both)[0].certainty_percent == pytest.approx(60.0)


def test_a_question_has_one_answer() -> None:
    """The likeliest class answers it."""
    classes = [
        {"name": letter, "concept": {"value": letter, "scheme": "99T", "meaning": f"Composition {letter}"}}
        for letter in "abcd"
    ]
    asked = interpretation(activation="softmax", classes=classes, question=DENSITY.model_dump())
    (finding,) = findings_of(asked, np.array([[0.1, 0.2, 0.6, 0.1]]))
    assert (finding.name, finding.value.value, finding.certainty_percent) == (DENSITY, "c", pytest.approx(60.0))
    assert [index for index, _ in mapped_classes(asked, (finding,))] == [2]


def test_a_question_is_answered_by_all_images() -> None:
    """One outlier among four does not answer it, as the highest probability of each class would have it."""
    classes = [
        {"name": letter, "concept": {"value": letter, "scheme": "99T", "meaning": f"Composition {letter}"}}
        for letter in "ab"
    ]
    values: dict[str, Any] = {"activation": "softmax", "classes": classes, "question": DENSITY.model_dump()}
    images = np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.3, 0.7]])
    for card in (interpretation(**values), interpretation(frames="mean", **values)):
        (finding,) = findings_of(card, images)
        assert (finding.value.value, finding.certainty_percent) == ("b", pytest.approx(60.0))


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("sigmoid", [0.5, 0.75, 0.25]), ("softmax", [0.1875, 0.75 * 0.75, 0.0625]), ("none", None)],
)
def test_activations(activation: str, expected: list[float] | None) -> None:
    """Logits become probabilities as the card says; what already is one stays."""
    what = interpretation(activation=activation)
    given = [0.0, np.log(3), -np.log(3)] if expected else [0.1, 0.2, 0.3]
    found = probabilities(a_card_of(what), what, answer(*given))
    if activation == "softmax":
        weights = np.exp(given) / np.exp(given).sum()
        np.testing.assert_allclose(found, weights, rtol=1e-6)
    else:
        np.testing.assert_allclose(found, expected or given, rtol=1e-6)


def test_what_rounding_brings_beyond_1_is_1() -> None:
    """A network that ends in Softmax answers 1.004 in bf16; its study was refused."""
    what = interpretation()
    assert probabilities(a_card_of(what), what, answer(1.0039, -0.001, 0.5)).tolist() == [1.0, 0.0, 0.5]


@pytest.mark.parametrize("values", [(np.nan, 0.0, 0.0), (2.0, 0.0, 0.0), (-0.1, 0.0, 0.0)])
def test_what_is_no_probability_is_not_sent(values: tuple[float, ...]) -> None:
    """Not a number, or logits where the card promises probabilities."""
    what = interpretation()
    with pytest.raises(ImplausibleResult, match="no probability"):
        probabilities(a_card_of(what), what, answer(*values))


def test_an_answer_of_another_shape_is_the_cards_fault() -> None:
    """The message says what the network answers."""
    what = interpretation()
    with pytest.raises(CardError, match=r"output.*\(1, 2\)"):
        probabilities(a_card_of(what), what, answer(0.1, 0.2))
    with pytest.raises(CardError, match="one output"):
        probabilities(a_card_of(what), what, answer(0.1, 0.2, 0.3) | {"other": np.zeros(1)})


def test_heat_maps_are_of_what_is_there() -> None:
    """Never negative, scaled to 1; of what is absent there is none to look at."""
    what = interpretation(answer_output="output", heat_map_output="places")
    findings = findings_of(what, np.array([[0.0, 0.9, 0.0]]))
    assert mapped_classes(what, findings) == ((1, PNEUMONIA),)
    spoke = np.array([-1.0, 2.0, 4.0] * 3, np.float32).reshape(1, 3, 1, 3)
    values = class_activation(a_card_of(what), what, answer(0, 0, 0) | {"places": spoke}, axes=2)
    assert values is not None
    np.testing.assert_array_equal(scaled(values[1]), [[0.0, 0.5, 1.0]])
    with pytest.raises(CardError, match="places"):
        class_activation(a_card_of(what), what, answer(0, 0, 0), axes=2)
    assert class_activation(a_card_of(what), interpretation(), answer(0, 0, 0), axes=2) is None
