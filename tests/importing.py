"""What the importers' tests share: a part of a card, a real head, and how it is read."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.catalog import read_entry
from models.loaded import LoadedModel
from models.reading import read
from models.runtimes.onnx_runtime import OnnxRuntime
from models.volume import Volume

CONCEPT = {"value": "85756007", "scheme": "SCT", "meaning": "Tissue"}


def wishes(**changes: Any) -> dict[str, Any]:
    """Return what no file says of a model."""
    return {
        "id": "imported",
        "name": "Imported",
        "version": "1",
        "manufacturer": "Tests",
        "licence": "Apache-2.0",
        "intended_use": "Tests of importing. Never for patients.",
        "regulatory": {"status": "research"},
        "patient": {"missing_age": "allow"},
        "selection": {"modality": ["MR"]},
        "labels": [
            {"number": number, "name": name, "concept": CONCEPT, "colour_rgb": [40 * number, 90, 200]}
            for number, name in ((1, "One"), (2, "Two"))
        ],
    } | changes


def read_by(folder: Path, volume: Volume) -> NDArray[np.uint8]:
    """Return the labels that an imported model gives a volume, in ONNX Runtime."""
    entry = read_entry(folder)
    model = LoadedModel.load(entry, OnnxRuntime(), 2)
    reading = read(entry.card, volume, model.infer)
    model.close()
    assert reading.labels is not None
    return reading.labels


def oblique_head(shape: tuple[int, int, int] = (40, 52, 48)) -> Volume:
    """Return a smooth made-up head in noise on an anisotropic grid whose axes run along S, P and L."""
    z, y, x = (np.linspace(-1, 1, side) for side in shape)
    distance = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2)
    random = np.random.default_rng(3)
    array = (900 * np.exp(-((distance / 0.6) ** 4)) + random.normal(0, 20, shape) + 100 * np.sin(9 * x)).astype(
        np.float32
    )
    affine = np.array([[0, 0, 1.5, -36], [0, 1.25, 0, -30], [2.0, 0, 0, -40], [0, 0, 0, 1.0]])
    return Volume(array=np.maximum(array, 1), affine=affine)
