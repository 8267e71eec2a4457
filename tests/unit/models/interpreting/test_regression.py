"""From a network's numbers about the whole input to measurements."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from models.card.manifest import Card, explained
from models.errors import CardError, ImplausibleResult
from models.findings import Reading
from models.reading import read
from models.runtimes.runtime import Arrays
from models.volume import Image, Source, Volume, Waveform
from tests.number_models import FRACTION, PERCENT, numbers_card
from tests.readings import LABELS

IMAGES = {"kind": "image", "size": [8, 8], "normalisation": "min-max"}
SIGNALS = {"kind": "signals", "channels": ["I"], "sampling_frequency_hz": 100, "samples": 50, "normalisation": "none"}


def reading_of(card: Card, source: Source, *answers: Any) -> Reading:
    """Return what is read where the network answers these, one after the other."""
    left = iter(answers)

    def infer(_network: str, inputs: Arrays) -> dict[str, NDArray[Any]]:
        assert set(inputs) == {"input"}
        return {"out": np.asarray(next(left), np.float32)}

    return read(card, source, infer)


def volume() -> Volume:
    """Return a ramp."""
    return Volume(array=np.arange(512, dtype=np.int16).reshape(8, 8, 8), affine=np.eye(4))


@pytest.mark.parametrize("answer", [[[0.5]], [0.5], 0.5])
def test_a_number_is_told_in_the_cards_unit(answer: Any) -> None:
    """Of a volume, of a recording: what the network answers, scaled and shifted as the card says."""
    wave = Waveform(
        array=np.random.default_rng(1).random((1, 60), np.float32), channels=("I",), sampling_frequency_hz=100.0
    )
    for card, source in ((numbers_card(), volume()), (numbers_card(preparation=SIGNALS), wave)):
        (number,) = reading_of(card, source, answer).measurements
        assert (number.name, number.unit, number.value) == (FRACTION, PERCENT, pytest.approx(51.0))


def test_of_several_images_the_mean_is_told() -> None:
    """An image without contrast has no say, and is told as unread."""
    frames = np.stack([np.eye(8), np.zeros((8, 8)), np.eye(8)]).astype(np.uint8)
    reading = reading_of(numbers_card(preparation=IMAGES), Image(array=frames, spacing_mm=None), [[0.3]], [[0.5]])
    assert reading.measurements[0].value == pytest.approx(41.0)
    assert reading.unread == (1,)


@pytest.mark.parametrize("value", [0.95, 0.0, np.nan, np.inf])
def test_what_is_not_plausible_is_not_sent(value: float) -> None:
    """A number outside of the card's range, or that is none."""
    told = (
        r"Left Ventricular Ejection Fraction: .* % \(plausible at least 5 and at most 90\); look at the source images"
    )
    with pytest.raises(ImplausibleResult, match=told):
        reading_of(numbers_card(), volume(), [[value]])


def test_another_answer_is_the_cards_mistake() -> None:
    """Nobody knows which of two numbers is the one."""
    with pytest.raises(CardError, match=r"\(1, 2\)\}, not \(1, 1\) in one output; mend numbers in the card"):
        reading_of(numbers_card(), volume(), [[0.5, 0.5]])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": [LABELS[0].model_dump()]}, "numbers have no label: leave out [[labels]]"),
        (
            {"inference": {"strategy": "sliding-window", "window": [8, 8, 8]}},
            "inference.strategy = sliding-window; allowed are classes, probability, multi-label, regions, boxes",
        ),
        (
            {
                "inference": {"strategy": "command", "argv": ["/opt/run", "{output}"], "sha256": "0" * 64},
                "networks": {},
                "preparation": {"kind": "none"},
            },
            "a program tells numbers with their units: leave out scale and offset",
        ),
    ],
)
def test_what_a_card_of_numbers_cannot_say_is_refused(changes: dict[str, Any], told: str) -> None:
    """What would never be applied, or nobody answers."""
    with pytest.raises(ValidationError) as refused:
        numbers_card(**changes)
    assert told in explained(refused.value)


def test_two_numbers_of_one_name_are_refused() -> None:
    """No reader could tell them apart."""
    number = {"name": FRACTION.model_dump(), "unit": PERCENT.model_dump(), "plausible": {}}
    with pytest.raises(ValidationError) as refused:
        numbers_card(interpretation={"kind": "numbers", "numbers": [number, number]})
    assert "interpretation: two numbers have the same name" in explained(refused.value)
