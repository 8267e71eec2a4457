"""A MONAI bundle of a network of planes reads the slices of a volume as MONAI's SliceInferer does, or is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.card.card_inference import SlidingWindow
from models.card.card_preparation import VolumePreparation
from models.catalog import read_entry
from models.errors import WeightsRefused
from models.importing.import_kinds import import_from
from models.proving.checking import check
from models.proving.runtime_choice import runtime_named
from models.runtimes.onnx_runtime import OnnxRuntime
from models.volume import Volume
from tests.importing import oblique_head, read_by, wishes
from tests.unit.models.importing.test_import_monai import (
    NETWORK,
    PREPROCESSING,
    change_config,
    read_by_monai,
    read_by_us,
    save_weights,
    steps,
    write_bundle,
)
from tests.unit.models.importing.test_import_torch import card_file

SLICES = {"_target_": "SliceInferer", "roi_size": [16, 24], "overlap": 0.5, "mode": "gaussian", "spatial_dim": 2}

pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of a network of planes, walked along the patient's axis."""
    folder = write_bundle(tmp_path)
    change(folder, network_def=NETWORK | {"spatial_dims": 2}, inferer=SLICES)
    return folder


def change(folder: Path, **parts: Any) -> None:
    """Replace parts of the configuration; seeded weights for the network that it then has."""
    change_config(folder, **parts)
    save_weights(folder, json.loads((folder / "configs" / "inference.json").read_text()))


def with_spacing(*pixdim: float) -> dict[str, Any]:
    """Return the transforms before the network with another spacing."""
    return steps(*PREPROCESSING[:3], PREPROCESSING[3] | {"pixdim": list(pixdim)}, *PREPROCESSING[4:])


@pytest.mark.parametrize(
    ("across", "pixdim"),
    [(2, (2.0, 2.0, -1.0)), (0, (-1.0, 1.6, 2.5)), (1, (2.0, 2.0, 2.0))],
    ids=["axial", "sagittal", "coronal"],
)
def test_slices_are_read_as_monai_reads_them(
    bundle: Path, tmp_path: Path, across: int, pixdim: tuple[float, float, float]
) -> None:
    """Along each axis, at the images' own spacing or another one, and the reading comes back to the images."""
    change(bundle, inferer=SLICES | {"spatial_dim": across}, preprocessing=with_spacing(*pixdim))
    made = import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    entry, head = read_entry(made), oblique_head()
    assert isinstance(entry.card.inference, SlidingWindow)
    assert isinstance(entry.card.preparation, VolumePreparation)
    assert entry.card.inference.slice_axis == across
    assert entry.card.inference.network_window == (16, 24)
    assert entry.card.preparation.spacing_mm == tuple(max(side, 0) for side in pixdim)
    for runtime in (OnnxRuntime(), runtime_named("torch")):
        assert all(verdict.passed for verdict in check(entry, runtime))
    turn = np.array([[0.0, 0.026505, 0.999649], [0.130138, 0.991145, -0.02628], [0.991496, -0.130092, 0.003449]])
    affine = head.affine.copy()
    affine[:3, :3] = turn * [2.0, 1.25, 1.5]
    for volume in (head, Volume(array=head.array, affine=affine)):
        ours, theirs = read_by_us(made, volume), read_by_monai(bundle, volume)
        assert len(np.unique(theirs)) > 1
        assert ours.shape == theirs.shape
        assert np.mean(ours != theirs) < 0.001
    assert read_by(made, head).shape == head.array.shape


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"inferer": {"_target_": "SimpleInferer"}}, r"network_def, spatial_dims = 2.*SimpleInferer does not say"),
        ({"inferer": SLICES | {"_target_": "SlidingWindowInferer"}}, "SlidingWindowInferer does not say along which"),
        ({"inferer": SLICES | {"roi_size": [16, 16, 16]}}, r"SliceInferer is read with 2 sides above 0 \(roi_size\)"),
        ({"inferer": SLICES | {"roi_size": [16, -1]}}, r"SliceInferer is read with 2 sides above 0 \(roi_size\)"),
        ({"inferer": SLICES | {"spatial_dim": 3}}, "spatial_dim = 3 is not read here"),
        ({"inferer": SLICES | {"spatial_dim": -1}}, "spatial_dim = -1 is not read here"),
        ({"inferer": SLICES | {"cval": -1.0}}, r"padding_mode, cval"),
        ({"inferer": SLICES | {"sigma_scale": 0.2}}, "SliceInferer with another sigma_scale"),
        ({"network_def": NETWORK}, "SliceInferer is for networks of planes, and network_def has spatial_dims = 3"),
        (
            {"network_def": NETWORK, "inferer": SLICES | {"_target_": "SlidingWindowInferer"}},
            r"SlidingWindowInferer is read with 3 sides above 0 \(roi_size\)",
        ),
    ],
)
def test_what_does_not_say_which_planes_is_refused(
    bundle: Path, tmp_path: Path, parts: dict[str, Any], words: str
) -> None:
    """By the key and the reason: planes of a volume could be those of three axes."""
    if "_target_" in parts.get("inferer", {}) and parts["inferer"]["_target_"] != "SliceInferer":
        parts = {**parts, "inferer": {key: each for key, each in parts["inferer"].items() if key != "spatial_dim"}}
    change_config(bundle, **parts)
    with pytest.raises(WeightsRefused, match=words):
        import_from("monai", bundle, None, tmp_path / "models")


def test_which_planes_may_be_said_by_the_user(bundle: Path, tmp_path: Path) -> None:
    """All of [inference] with its strategy counts, and the bundle's inferer does not."""
    theirs = read_by_monai(bundle, oblique_head())
    change_config(bundle, inferer={"_target_": "SimpleInferer"})
    said = {"strategy": "sliding-window", "window": [16, 24, 1], "slice_axis": 2, "spread": "steps"}
    said |= {"padding": "zero-around", "blending": "gaussian-monai"}
    made = import_from("monai", bundle, card_file(tmp_path, wishes(inference=said)), tmp_path / "models")
    assert all(verdict.passed for verdict in check(read_entry(made), OnnxRuntime()))
    ours = read_by_us(made, oblique_head())
    assert np.mean(ours != theirs) < 0.001
