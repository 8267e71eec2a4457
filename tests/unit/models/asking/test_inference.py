"""Networks are asked in the right order, about the right part."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.asking.inference import ask, located_box
from models.card.card_inference import LocateThenRead
from models.card.manifest import Card
from models.catalog import CatalogEntry
from models.errors import CardError, InputRefused
from models.preparing.grid import grid_of
from models.preparing.preparation import prepare
from models.reading import read
from models.runtimes.runtime import Arrays
from models.volume import Volume

STRATEGY = {"strategy": "locate-then-read", "plane_mean_above": 0.02, "enlarge": 1.2, "read_size": [32, 32, 32]}


def two_step(card: Card) -> Card:
    """Return the card with a locator before its network, and logits instead of labels."""
    values: dict[str, Any] = card.model_dump(by_alias=True)
    values["networks"] = {"locator": values["networks"]["main"], "main": values["networks"]["main"]}
    values["inference"] = STRATEGY
    values["preparation"] |= {"orientation": "RAS", "normalisation": "percentile-z-score", "percentiles": (0.5, 99.5)}
    values["interpretation"] = {"kind": "probability"}
    return Card.model_validate(values)


def always(**answer: Any) -> Any:
    """Return networks that answer the same to everything."""

    def infer(network: str, inputs: Arrays) -> Arrays:
        return answer

    return infer


def bright_as_logits(asked: list[tuple[str, Arrays]]) -> Any:
    """Return networks that remember what they were asked and answer logits of what is brighter than the mean."""

    def infer(network: str, inputs: Arrays) -> Arrays:
        asked.append((network, inputs))
        values = np.asarray(inputs["input"], np.float32)
        return {"logits": np.concatenate([-values, values], axis=1)}

    return infer


def test_locate_then_read_looks_at_the_crop_and_comes_back(threshold_model: CatalogEntry, ball: Volume) -> None:
    """The second network sees the ball's neighbourhood at its own size; the result is the ball on the source grid."""
    asked: list[tuple[str, Arrays]] = []
    reading = read(two_step(threshold_model.card), ball, bright_as_logits(asked))
    assert [network for network, _ in asked] == ["locator", "main"]
    assert asked[0][1]["input"].shape == (1, 1, 16, 16, 16)
    assert asked[1][1]["input"].shape == (1, 1, 32, 32, 32)
    # The ball fills more of the crop than of the whole.
    assert (asked[1][1]["input"] > 0).mean() > 2 * (asked[0][1]["input"] > 0).mean()
    assert reading.labels is not None
    truth = np.asarray(ball.array) > 400
    assert 2 * (truth & (reading.labels > 0)).sum() / (truth.sum() + reading.labels.sum()) > 0.95


def test_the_crop_is_normalised_by_itself_with_the_window_of_the_whole(
    threshold_model: CatalogEntry, ball: Volume
) -> None:
    """Mean 0 and standard deviation 1 in each network's input, as z-scores are per tensor."""
    asked: list[tuple[str, Arrays]] = []
    read(two_step(threshold_model.card), ball, bright_as_logits(asked))
    for _, inputs in asked:
        values = np.asarray(inputs["input"], np.float64)
        assert values.mean() == pytest.approx(0, abs=1e-5)
        assert values.std(ddof=1) == pytest.approx(1, abs=1e-5)


def test_a_crop_is_normalised_after_resampling(threshold_model: CatalogEntry) -> None:
    """The locator's window of values is the crop's too, so a card cannot ask for the other order."""
    card = threshold_model.card.model_dump(by_alias=True)
    card["networks"] = dict.fromkeys(("locator", "main"), card["networks"]["main"])
    card["preparation"] |= {"fit": "resize", "spacing_mm": None, "size": [32, 32, 32], "normalised": "source-grid"}
    with pytest.raises(ValidationError, match="locate-then-read normalises what it resampled"):
        Card.model_validate(card | {"inference": STRATEGY})


def test_located_box_is_the_planes_enlarged_about_their_middle() -> None:
    """Planes 4 to 11 of 16 become, in a source of 32 and enlarged by 1.2, the 19 planes about 16; the edge limits."""
    mask = np.zeros((16, 16, 16), bool)
    mask[4:12, 0:16, 8:16] = True
    box = located_box(mask, (32, 32, 32), LocateThenRead.model_validate(STRATEGY))
    assert box == (slice(6, 25), slice(0, 32), slice(14, 32))


def test_planes_with_little_in_them_do_not_count() -> None:
    """A plane of which 2 percent or less is set stays out; with no plane left the input is refused by name."""
    mask = np.zeros((16, 16, 16), bool)
    mask[8, 8, 8] = True
    with pytest.raises(InputRefused, match="finds nothing to read"):
        located_box(mask, (16, 16, 16), LocateThenRead.model_validate(STRATEGY))


def test_an_answer_that_is_not_what_the_card_says_is_refused(threshold_model: CatalogEntry, ball: Volume) -> None:
    """A wrong shape or more than one output gives CardError with what was answered."""
    card = threshold_model.card
    prepared = prepare(ball, card.preparation)  # type: ignore[arg-type]
    with pytest.raises(CardError, match=r"'labels': \(1, 3, 3\)"):
        ask(card, prepared, ball, always(labels=np.zeros((1, 3, 3), np.uint8)))
    two = np.zeros((1, 16, 16, 16), np.uint8)
    with pytest.raises(CardError):
        ask(card, prepared, ball, always(a=two, b=two))


def test_whole_answers_on_the_prepared_grid(threshold_model: CatalogEntry, ball: Volume) -> None:
    """One network, one answer, and it lies where the prepared volume lies."""
    card = threshold_model.card
    prepared = prepare(ball, card.preparation)  # type: ignore[arg-type]
    answer = ask(card, prepared, ball, always(labels=np.ones((1, 16, 16, 16), np.uint8)))
    assert grid_of(answer).shape == (16, 16, 16)
    np.testing.assert_array_equal(answer.affine, prepared.affine)
