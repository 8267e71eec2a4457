"""What a network's answer means, by the card's kind."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.asking.answers import answered, logit
from models.card.card_interpretation import LabelMapInterpretation
from models.errors import CardError, ImplausibleResult
from tests.readings import LABELS, a_card

SHAPE = (2, 3)
LOGITS = np.array([[[-2.0, 3.0, 0.1], [0.0, -1.0, 4.0]], [[1.0, 2.0, -3.0], [-1.0, 5.0, 3.0]]], np.float32)[np.newaxis]


def meaning(output: Any, **changes: Any) -> Any:
    """Return what an output says."""
    return answered("m", LabelMapInterpretation.model_validate(changes), {"output": np.asarray(output)}, SHAPE)


def test_overlapping_labels_are_resolved_by_the_likelier() -> None:
    """multi-label: above the threshold a channel is its label; of two the likelier; of none background."""
    np.testing.assert_array_equal(meaning(LOGITS, kind="multi-label"), [[2, 1, 1], [0, 2, 1]])
    sure = meaning(LOGITS, kind="multi-label", threshold=0.9)
    np.testing.assert_array_equal(sure, [[0, 1, 0], [0, 2, 1]])


def test_each_label_may_have_its_own_threshold() -> None:
    """multi-label: a label below its own threshold loses to one that is above its, however likely it is."""
    interpretation = LabelMapInterpretation.model_validate({"kind": "multi-label"})
    labels = [LABELS[0].model_copy(update={"number": 2, "threshold": 0.995})]
    found = answered("m", interpretation, {"output": LOGITS}, SHAPE, labels)
    # Of label 2 the logits are 1, 2, -3, -1, 5 and 3; that of 0.995 is 5.3.
    np.testing.assert_array_equal(found, [[0, 1, 1], [0, 0, 1]])
    labels = [LABELS[0].model_copy(update={"number": 2, "threshold": 0.2})]
    found = answered("m", interpretation, {"output": LOGITS}, SHAPE, labels)
    np.testing.assert_array_equal(found, [[2, 1, 1], [2, 2, 1]])


def test_a_threshold_that_nothing_reads_is_refused() -> None:
    """A label of a kind with one threshold for all cannot have its own."""
    with pytest.raises(ValidationError, match="multi-label"):
        a_card(labels=[LABELS[0].model_dump() | {"threshold": 0.3}])


def test_regions_are_drawn_in_their_order() -> None:
    """regions: of those above the threshold the last that is drawn counts, however likely another is."""
    drawn = meaning(LOGITS, kind="regions")
    turned = meaning(LOGITS, kind="regions", order=[2, 1])
    np.testing.assert_array_equal(drawn, np.where(LOGITS[0, 1] > 0, 2, LOGITS[0, 0] > 0))
    np.testing.assert_array_equal(turned, np.where(LOGITS[0, 0] > 0, 1, 2 * (LOGITS[0, 1] > 0)))
    with pytest.raises(ValidationError, match="order goes with kind = regions"):
        meaning(LOGITS, kind="multi-label", order=[2, 1])
    with pytest.raises(ValidationError, match=r"order needs each label's number once: \[1\], not \[2, 1\]"):
        a_card(labels=[LABELS[0].model_dump() | {"number": 1}], interpretation={"kind": "regions", "order": [2, 1]})


@pytest.mark.parametrize("kind", ["classes", "probability", "multi-label", "regions"])
def test_an_answer_that_is_no_number_is_not_nothing_found(kind: str) -> None:
    """No comparison with NaN is true: it would be told as "looked for and not found"."""
    broken = LOGITS.copy()
    broken[0, 1, 1, 2] = np.nan
    for output in (broken, broken.astype(np.float16)):
        with pytest.raises(ImplausibleResult, match="no numbers"):
            meaning(output, kind=kind)


def test_a_difference_that_is_no_number_is_refused_and_an_infinite_logit_is_none_of_these() -> None:
    """Networks mask with minus infinity; infinity less infinity says nothing."""
    masked = LOGITS.copy()
    masked[0, 1, 0, 0] = -np.inf
    assert meaning(masked, kind="classes")[0, 0] == 0
    masked[0, 0, 0, 0] = -np.inf
    with pytest.raises(ImplausibleResult):
        meaning(masked, kind="probability")


def test_what_overflows_is_not_nothing_found() -> None:
    """Beside an infinite logit an interpolated one is NaN, and of infinite classes the background would win."""
    endless = np.full_like(LOGITS[:, :1], np.inf)
    found = meaning(endless, kind="probability")
    assert np.isfinite(found).all()
    assert (found > 1000).all()
    for broken in (np.full_like(LOGITS, np.inf), np.full_like(LOGITS, -np.inf)):
        with pytest.raises(ImplausibleResult, match="infinite ones where the highest counts"):
            meaning(broken, kind="classes")


def test_classes_are_the_highest_channel() -> None:
    """classes: the first channel is background."""
    np.testing.assert_array_equal(meaning(LOGITS, kind="classes"), [[1, 0, 0], [0, 1, 0]])


def test_one_channel_is_the_labels_own_logit() -> None:
    """probability: of two channels the difference, of one the channel."""
    np.testing.assert_array_equal(meaning(LOGITS, kind="probability"), LOGITS[0, 1] - LOGITS[0, 0])
    np.testing.assert_array_equal(meaning(LOGITS[:, :1], kind="probability"), LOGITS[0, 0])


@pytest.mark.parametrize("channels", [1, 2])
def test_probabilities_become_logits(channels: int) -> None:
    """A network that ends in a sigmoid or softmax gives the same mask as its logits would; 0 and 1 stay finite."""
    values = np.linspace(0, 1, 6, dtype=np.float32).reshape(SHAPE)
    output = np.stack([1 - values, values][-channels:])[np.newaxis]
    found = meaning(output, kind="probability", activation="probabilities")
    np.testing.assert_array_equal(found > logit(0.5), values > 0.5)
    assert np.isfinite(found).all()


def test_label_numbers_are_taken_as_they_are() -> None:
    """labels: any integer type, with or without a channel axis."""
    numbers = np.arange(6, dtype=np.int64).reshape(1, *SHAPE)
    for output in (numbers, numbers[np.newaxis]):
        found = meaning(output, kind="labels")
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, numbers[0])


@pytest.mark.parametrize("kind", ["labels", "classes", "probability", "multi-label", "regions"])
def test_another_shape_is_refused(kind: str) -> None:
    """An answer that cannot be what the card says names its shape."""
    with pytest.raises(CardError, match=rf"\(1, 3, 9, 9\).*not {kind}"):
        meaning(np.zeros((1, 3, 9, 9)), kind=kind)


def test_three_channels_are_no_probability() -> None:
    """Probability is of background and one label."""
    with pytest.raises(CardError, match="not probability"):
        meaning(np.zeros((1, 3, *SHAPE)), kind="probability")


@pytest.mark.parametrize("output", [np.full((1, *SHAPE), 0.99), np.full((1, *SHAPE), 256), np.full((1, *SHAPE), -1)])
def test_what_are_no_label_numbers_is_refused(output: Any) -> None:
    """0.99 would become 0: every read would say that nothing was found."""
    with pytest.raises(CardError, match="no label numbers"):
        meaning(output, kind="labels")


@pytest.mark.parametrize(("kind", "number"), [("classes", 2), ("multi-label", 3), ("regions", 3)])
def test_a_network_that_cannot_answer_a_label_is_refused(kind: str, number: int) -> None:
    """It would be told as looked for and not found, in every read."""
    interpretation = LabelMapInterpretation.model_validate({"kind": kind})
    labels = [LABELS[0].model_copy(update={"number": number})]
    with pytest.raises(CardError, match=f"2 channels, and the card has label {number}"):
        answered("m", interpretation, {"output": LOGITS}, SHAPE, labels)


def test_logits_are_no_probabilities() -> None:
    """They would be cut off at 0 and 1, and the threshold would be another; rounding of a low precision is none."""
    with pytest.raises(CardError, match="no probabilities"):
        meaning(LOGITS[:, :1], kind="probability", activation="probabilities")
    rounded = np.full((1, 1, *SHAPE), 1.004, np.float32)
    assert np.isfinite(meaning(rounded, kind="probability", activation="probabilities")).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {
                "inference": {"strategy": "sliding-window", "window": [8, 8, 8], "overlap": 0.5},
                "interpretation": {"kind": "labels"},
            },
            "interpretation.kind: labels does not go with .* inference.strategy = sliding-window; allowed are classes",
        ),
    ],
)
def test_a_card_whose_answers_cannot_be_joined_is_refused(changes: dict[str, Any], words: str) -> None:
    """Halfway between label 1 and label 3 there is another organ."""
    with pytest.raises(ValidationError, match=words):
        a_card(**changes)


@pytest.mark.parametrize(("kind", "most"), [("classes", 256), ("multi-label", 255), ("regions", 255)])
def test_more_channels_than_label_numbers_are_refused(kind: str, most: int) -> None:
    """Channel 257 would be told as label 1."""
    output = np.full((1, most + 1, *SHAPE), -9.0, np.float32)
    output[0, most - 1] = 9.0
    assert np.all(meaning(output[:, :most], kind=kind) == 255)
    with pytest.raises(CardError, match="label numbers end at 255"):
        meaning(output, kind=kind)
