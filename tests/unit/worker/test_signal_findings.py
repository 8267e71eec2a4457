"""A network that classifies a recording of several channels: what it is given, and what becomes of its answer."""

from typing import Any

import numpy as np
import pytest

from models.errors import InputRefused
from models.manifest import Card
from models.reading import read
from models.runtime import Arrays
from models.signal_classification import prepare_signals
from models.volume import Waveform
from tests.readings import PNEUMONIA, PRESENT, SINUS, a_card, an_ecg, case_of
from worker import output_gate
from worker.results import build


def a_signal_card(**preparation: Any) -> Card:
    """Return the card of a classifier of leads V1 and II."""
    return a_card(
        labels=[],
        preparation={
            "kind": "signals",
            "channels": ["V1", "II"],
            "sampling_frequency_hz": 250,
            "samples": 2000,
            "normalisation": "z-score",
        }
        | preparation,
        interpretation={
            "kind": "classification",
            "activation": "none",
            "classes": [
                {"name": "One", "concept": PNEUMONIA.model_dump()},
                {"name": "Two", "concept": SINUS.model_dump()},
            ],
        },
    )


def a_waveform(**changes: Any) -> Waveform:
    """Return ten seconds of two sines at 500 Hz."""
    time = np.arange(5000) / 500
    array = np.stack([3 + np.sin(time * 9), 0.5 * np.cos(time * 7)]).astype(np.float32)
    return Waveform(**({"array": array, "channels": ("II", "V1"), "sampling_frequency_hz": 500.0} | changes))


def test_channels_come_in_the_cards_order_resampled_and_scaled() -> None:
    """By name, at the card's frequency, mean 0 and deviation 1; the shape of the signal is kept."""
    preparation: Any = a_signal_card().preparation
    array = prepare_signals(a_waveform(), preparation)
    assert array.shape == (1, 2, 2000)
    assert array.dtype == np.float32
    np.testing.assert_allclose(array.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(array.std(axis=2), 1, atol=1e-5)
    assert np.corrcoef(array[0, 0], np.cos(np.arange(2000) / 250 * 7))[0, 1] > 0.999
    assert np.corrcoef(array[0, 1], np.sin(np.arange(2000) / 250 * 9))[0, 1] > 0.999


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channels": ("II", "V2")}, "channels V1 are needed"),
        ({"array": np.ones((2, 5000), np.float32)}, "flat"),
        ({"array": np.full((2, 5000), np.nan, np.float32)}, "no numbers"),
        ({"sampling_frequency_hz": 1000.0}, "at least 8 s"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    """A missing, flat, broken or short recording never reaches the network."""
    preparation: Any = a_signal_card().preparation
    with pytest.raises(InputRefused, match=words):
        prepare_signals(a_waveform(**changes), preparation)


@pytest.mark.parametrize(("seconds", "told"), [(10.0, ("Read from second 0 to 8 of 10.",)), (8.04, ()), (8.0, ())])
def test_what_lies_behind_the_window_is_told(seconds: float, told: tuple[str, ...]) -> None:
    """A longer recording is read from its beginning, and the reading says how far."""

    def infer(network: str, inputs: Arrays) -> Arrays:
        del network, inputs
        return {"p": np.array([[0.25, 0.875]], np.float32)}

    source = a_waveform(array=a_waveform().array[:, : round(seconds * 500)])
    assert read(a_signal_card(), source, infer).warnings == told


def test_its_findings_pass_the_gate() -> None:
    """On a real 12-lead ECG: the answer becomes findings, and every object of them passes the gate."""

    def infer(network: str, inputs: Arrays) -> Arrays:
        assert (network, inputs["input"].shape) == ("main", (1, 2, 2000))
        return {"p": np.array([[0.25, 0.875]], np.float32)}

    series, card = an_ecg(), a_signal_card()
    assert isinstance(series.source, Waveform)
    reading = read(card, series.source, infer)
    assert (reading.findings[1].value, reading.findings[1].certainty_percent) == (PRESENT, pytest.approx(87.5))
    case = case_of(series, reading, card)
    made = build(case)
    output_gate.check(made, case)
    assert "TEXT-SR" in {each.kind for each in made}
