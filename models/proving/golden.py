"""Writes a model's golden files: a seeded input and what the real weights answer to it; for developers.

    wetread models fetch brain-extraction
    python -m models.proving.golden DIRECTORY_OF_THE_FETCHED_MODEL DIRECTORY_OF_ITS_CARD

The inputs are made, not measured, so nobody's images are in them. They are coarse, so the files stay small.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy import stats

from models.card.card_network import Golden
from models.card.card_preparation import ImagePreparation, VolumePreparation, WaveformPreparation
from models.card.manifest import Card, load_card
from models.errors import CardError


def golden_input(card: Card) -> dict[str, NDArray[np.float32]]:
    """Return the input by name: blocks of noise for a volume (1, 1, 64, 64, 64), noise for images, a made-up ECG."""
    if isinstance(card.preparation, ImagePreparation):
        rows, columns = card.preparation.size
        noise = np.random.default_rng(20).random((1, card.preparation.channels, rows, columns))
        return {"input": noise.astype(np.float16).astype(np.float32)}
    if isinstance(card.preparation, VolumePreparation):
        coarse = np.random.default_rng(20).normal(size=(16, 16, 16)).astype(np.float16).astype(np.float32)
        return {"input": np.kron(coarse, np.ones((4, 4, 4), np.float32))[np.newaxis, np.newaxis]}
    if not isinstance(card.preparation, WaveformPreparation):
        raise CardError(f"{card.id}: a model that comes as code or as a program has no network to be asked")
    seconds = np.arange(card.preparation.samples) / card.preparation.sampling_frequency_hz
    phase = seconds % 0.9
    waves = ((0.20, 0.025, 0.15), (0.36, 0.010, -0.1), (0.38, 0.011, 1.2), (0.40, 0.010, -0.25), (0.64, 0.045, 0.3))
    millivolt = sum(height * np.exp(-(((phase - at) / width) ** 2) / 2) for at, width, height in waves)
    # Rounded, the baseline is full of ties: averaging them is part of what the golden file proves.
    ranks = stats.rankdata(np.round(millivolt, 2), method="average")
    scaled = 2.0 * (ranks - 1.0) / (ranks.size - 1.0) - 1.0
    return {"signal": scaled.astype(np.float32)[np.newaxis]}


def write_golden(model: Path, card: Card, golden: Golden, target: Path) -> None:
    """Run one network of a complete model on the input of its kind and write ``input.*`` and ``expected.*``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model / card.networks[golden.network].file), options)
    inputs = golden_input(card)
    names = [output.name for output in session.get_outputs()]
    steps = tuple(slice(None, None, step) for step in golden.stride)
    arrays: dict[str, NDArray[np.generic]] = {f"input.{name}": array for name, array in inputs.items()}
    for name, answer in zip(names, session.run(names, inputs), strict=True):
        arrays[f"expected.{name}"] = answer[steps]
    np.savez_compressed(target, **arrays)  # type: ignore[arg-type,unused-ignore]


def main() -> None:
    """Write every golden file of the card."""
    model, entry = Path(sys.argv[1]), Path(sys.argv[2])
    card = load_card(entry / "model.toml")
    for golden in card.golden:
        write_golden(model, card, golden, entry / golden.file)


if __name__ == "__main__":
    main()
