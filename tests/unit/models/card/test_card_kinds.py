"""What never goes together is refused when the card is read, and not with a patient's study."""

from typing import Any

import pytest
from pydantic import ValidationError

from models.card.manifest import Card, explained
from tests.readings import a_card, an_ecg_card

SIGNALS = {"kind": "signals", "channels": ["I"], "sampling_frequency_hz": 100, "samples": 50, "normalisation": "none"}
ECG = an_ecg_card().model_dump(by_alias=True)


@pytest.mark.parametrize(
    ("card", "told"),
    [
        (
            {"inference": {"strategy": "window", "trust_s": [2, 8]}},
            "inference.strategy: window does not go with preparation.kind = volume; allowed are whole, locate-",
        ),
        (
            {"preparation": SIGNALS},
            "preparation.kind = signals and inference.strategy = whole; allowed are classification, numbers",
        ),
        ({"interpretation": ECG["interpretation"], "labels": []}, "interpretation.kind: ecg does not go with"),
        ({**ECG, "inference": {"strategy": "whole"}}, "preparation.kind = waveform; allowed are window"),
    ],
)
def test_kinds_that_never_read_are_refused(card: dict[str, Any], told: str) -> None:
    """The key is named, with what is allowed beside the others."""
    with pytest.raises(ValidationError) as refused:
        a_card(**card)
    assert told in explained(refused.value)


def test_an_ecg_is_read_by_its_window() -> None:
    """What goes together is taken."""
    assert Card.model_validate(ECG).interpretation.kind == "ecg"
