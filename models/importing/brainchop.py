"""Imports MeshNets from brainchop's folders (tfjs files): `brain-structures`, and `brain-mask` from mindgrab."""

from pathlib import Path
from typing import Any

import numpy as np

from models.catalog import CARD_FILE
from models.durable_file import write_durably
from models.importing.brain_mask_card import brain_mask_card, is_brain_mask
from models.importing.brainchop_card import brain_structures_card
from models.importing.meshnet import ConvLayer, meshnet_graph, meshnet_labels, read_json, read_meshnet

_GOLDEN_SIDE = 32
_GOLDEN_BLOCK = 4


def import_brainchop(folder: Path, target_dir: Path) -> Path:
    """Write the model directory, ``brain-structures`` or ``brain-mask`` below `target_dir`, and return it.

    Args:
        folder: brainchop's folder of model18cls, model30chan18cls or mindgrab: ``model.json``, ``model.bin``,
            ``colormap.json``.
        target_dir: Directory of this machine's models; made if missing.

    Raises WeightsRefused when the folder holds something else, or OSError when the disk refuses.
    """
    layers = read_meshnet(folder)
    network = meshnet_graph(layers).SerializeToString(deterministic=True)
    colormap = read_json(folder / "colormap.json")
    if is_brain_mask(colormap):
        name, card = "brain-mask", brain_mask_card(network, classes=layers[-1].bias.size)
    else:
        name, card = "brain-structures", brain_structures_card(colormap, network, channels=layers[0].bias.size)
    target = target_dir / name
    target.mkdir(parents=True, exist_ok=True)
    write_durably(target / "model.onnx", network)
    _write_golden(target / "golden.npz", layers)
    # Last: a directory with a card is complete.
    write_durably(target / CARD_FILE, card.encode())
    return target


def _write_golden(file: Path, layers: list[ConvLayer]) -> None:
    """Write a seeded input and what the independent computation answers."""
    # No head, but loud blocks: on anything quieter and as small the network answers background everywhere.
    coarse = np.random.default_rng(1).normal(0.0, 100.0, (_GOLDEN_SIDE // _GOLDEN_BLOCK,) * 3).round()
    volume = np.kron(coarse, np.ones((_GOLDEN_BLOCK,) * 3)).astype(np.float32)
    labels = meshnet_labels(layers, volume)
    arrays: dict[str, Any] = {"input.input": volume[np.newaxis, np.newaxis], "expected.labels": labels[np.newaxis]}
    np.savez_compressed(file, **arrays)
