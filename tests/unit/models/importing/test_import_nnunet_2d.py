"""nnU-Net's 2d configuration reads slices of a volume as nnU-Net's own predictor does."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from models.card.card_inference import SlidingWindow
from models.card.card_preparation import VolumePreparation
from models.catalog import read_entry
from models.errors import WeightsRefused
from models.importing.import_kinds import import_from
from models.loaded import LoadedModel
from models.preparing.preparation import prepare
from models.proving.checking import check
from models.proving.runtime_choice import runtime_named
from models.reading import read
from models.runtimes.onnx_runtime import OnnxRuntime
from models.volume import Volume
from tests.importing import CONCEPT, oblique_head, wishes
from tests.unit.models.importing.test_import_nnunet import resampled_plainly, write_results
from tests.unit.models.importing.test_import_torch import card_file

PATCH = [24, 32]
#: Slices, rows and columns of the files; all axes are oblique in the patient.
SHAPE, SPACING = (12, 62, 58), (4.5, 0.9, 1.1)


def tilted_head() -> Volume:
    """Return thick slices that lie oblique, with nothing but 0 at two of their sides."""
    array = np.array(oblique_head(SHAPE).array)
    # Slices differ in brightness, as of coils: normalised one by one they would be others.
    array *= np.linspace(0.6, 1.4, SHAPE[0], dtype=np.float32)[:, None, None]
    array[:, :4], array[..., -3:], array[0] = 0, 0, 0
    one, two = np.radians([17, -11])
    turn = np.array([[1, 0, 0], [0, np.cos(one), -np.sin(one)], [0, np.sin(one), np.cos(one)]])
    turn = turn @ np.array([[np.cos(two), -np.sin(two), 0], [np.sin(two), np.cos(two), 0], [0, 0, 1]])
    affine = np.eye(4)
    # Columns grow to the left, rows to the back, slices upwards: SPL, as nearly as they can.
    affine[:3, :3] = turn[:, [2, 1, 0]] * np.array(SPACING)
    affine[:3, 3] = [-30, -28, -20]
    return Volume(array=array, affine=affine)


def prepared_plainly(folder: Path, volume: Volume) -> tuple[NDArray[np.float32], tuple[slice, ...]]:
    """Return what nnU-Net's DefaultPreprocessor makes of a series: `run_case_npy`, written out.

    Transposed, cut to what is not 0, normalised as one volume, resampled at the first axis's own spacing. And the box
    that was cut out of the transposed series.
    """
    plans = json.loads((folder / "plans.json").read_text())
    forward, configuration = plans["transpose_forward"], plans["configurations"]["2d"]
    array = np.asarray(volume.array, np.float32).transpose(forward)
    spacing = [volume.spacing_mm[axis] for axis in forward]
    places = np.argwhere(array != 0)
    box = tuple(slice(low, high + 1) for low, high in zip(places.min(0), places.max(0), strict=True))
    array = array[box]
    assert configuration["normalization_schemes"] == ["ZScoreNormalization"]
    array = (array - array.mean()) / max(array.std(), 1e-8)
    return resampled_plainly(array, spacing, [spacing[0], *configuration["spacing"]]), box


def logits_plainly(folder: Path, values: NDArray[np.float32], mirrored: Sequence[int]) -> NDArray[np.float64]:
    """Return what nnU-Net's predictor answers to a prepared volume: `predict_sliding_window_return_logits`.

    The first axis is walked slice by slice; each slice's tiles go to the network as (1, 1, rows, columns).
    """
    import torch  # noqa: PLC0415

    from models.importing.import_nnunet import _content, _load, _network  # noqa: PLC0415

    configuration = json.loads((folder / "plans.json").read_text())["configurations"]["2d"]
    module = _network(configuration, channels=1, classes=3)
    file = folder / "fold_0" / "checkpoint_final.pth"
    _load(module, _content(file), file)
    shape = values.shape
    missing = [max(0, wide - side) for side, wide in zip(shape[1:], PATCH, strict=True)]
    around = [(side // 2, side - side // 2) for side in missing]
    padded = np.pad(values, [(0, 0), *around])
    weight = np.zeros(PATCH)
    weight[tuple(side // 2 for side in PATCH)] = 1
    weight = ndimage.gaussian_filter(weight, [side / 8 for side in PATCH], mode="constant", cval=0)
    weight *= 10 / weight.max()
    starts = []
    for side, wide in zip(padded.shape[1:], PATCH, strict=True):
        count = int(np.ceil((side - wide) / (wide * 0.5))) + 1
        step = (side - wide) / (count - 1) if count > 1 else 0
        starts.append([int(np.round(step * place)) for place in range(count)])
    assert max(map(len, starts)) > 1
    total, weights = np.zeros((3, *padded.shape)), np.zeros(padded.shape)
    ways = [way for n in range(1, 3) for way in itertools.combinations([axis + 2 for axis in mirrored], n)]
    with torch.inference_mode():
        for place, row, column in itertools.product(range(padded.shape[0]), *starts):
            tile = (place, slice(row, row + PATCH[0]), slice(column, column + PATCH[1]))
            given = torch.from_numpy(padded[tile])[None, None]
            logits = module(given)
            for way in ways:
                logits = logits + torch.flip(module(torch.flip(given, way)), way)
            total[(slice(None), *tile)] += (logits / (len(ways) + 1))[0].numpy() * weight
            weights[tile] += weight
    inside = tuple(slice(before, before + side) for (before, _), side in zip(around, shape[1:], strict=True))
    return (total / weights)[(slice(None), slice(None), *inside)]


@pytest.mark.parametrize(
    ("forward", "spacing", "mirrored"),
    [((0, 1, 2), (1.34, 1.19), ()), ((0, 1, 2), (1.34, 1.19), (0, 1)), ((2, 0, 1), (2.6, 1.22), (1,))],
    ids=["thick slices", "mirrored", "across thick slices, and smaller than a tile"],
)
def test_slices_are_read_as_nnunet_reads_them(
    tmp_path: Path, forward: Sequence[int], spacing: Sequence[float], mirrored: Sequence[int]
) -> None:
    """Values and labels of an oblique anisotropic series, in every runtime; the sliced axis keeps its spacing."""
    results = write_results(
        tmp_path, schemes=["ZScoreNormalization"], configured="2d", patch=PATCH, spacing=spacing, forward=forward,
        mirrored=mirrored or None,
    )  # fmt: skip
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")
    entry, head = read_entry(made), tilted_head()
    card = entry.card
    assert isinstance(card.preparation, VolumePreparation)
    assert isinstance(card.inference, SlidingWindow)
    assert card.preparation.orientation == "".join("SPL"[axis] for axis in forward)
    assert (card.preparation.spacing_mm, card.inference.window) == ((0.0, *spacing), (1, *PATCH))
    assert card.inference.mirror_axes == tuple(axis + 1 for axis in mirrored)
    assert card.networks["main"].max_batch > 1

    theirs, box = prepared_plainly(results, head)
    prepared = prepare(head, card.preparation)
    assert theirs.shape[0] == box[0].stop - box[0].start
    np.testing.assert_allclose(np.linalg.norm(prepared.affine[:3, 0]), SPACING[forward[0]])
    np.testing.assert_allclose(prepared.array[0, 0], theirs, atol=2e-4)

    # Back on the images' grid each voxel has the label of the nearest one there, and what was cut off has none. Sides
    # of the network's grid are odd: no voxel lies halfway between two.
    said = logits_plainly(results, theirs, mirrored).argmax(0).astype(np.float64)
    turned = np.zeros(head.array.transpose(forward).shape, np.uint8)
    factors = [new / old for new, old in zip(turned[box].shape, said.shape, strict=True)]
    turned[box] = ndimage.zoom(said, factors, order=0, mode="nearest", grid_mode=True)
    back = turned.transpose(np.argsort(forward))
    assert np.bincount(back.ravel(), minlength=3).min() > 500
    for runtime in (OnnxRuntime(), runtime_named("openvino"), runtime_named("torch")):
        assert all(verdict.passed for verdict in check(entry, runtime)), runtime.name
        model = LoadedModel.load(entry, runtime, 2)
        labels = read(card, head, model.infer).labels
        model.close()
        assert labels is not None
        assert np.mean(labels != back) < 0.001, runtime.name


def planes(tmp_path: Path, **changes: Any) -> Path:
    """Write a folder of a network of slices, with changes of what `write_results` takes."""
    said: dict[str, Any] = {"configured": "2d", "patch": PATCH, "spacing": (1.3, 1.2)} | changes
    return write_results(tmp_path, **said)


def test_regions_of_slices_are_regions(tmp_path: Path) -> None:
    """What the answer means does not depend on how many dimensions the network has."""
    results = planes(tmp_path, labels={"background": 0, "tumour": [1, 2], "core": [2]})
    label = {"concept": CONCEPT, "colour_rgb": [40, 90, 200]}
    table = wishes(labels=[label | {"number": number} for number in (1, 2)])
    entry = read_entry(import_from("nnunet", results, card_file(tmp_path, table), tmp_path / "m", orientation="SPL"))
    assert entry.card.interpretation.kind == "regions"
    assert [label.name for label in entry.card.labels] == ["tumour without core", "core"]
    assert all(verdict.passed for verdict in check(entry, OnnxRuntime()))


def test_a_network_of_single_images_is_refused(tmp_path: Path) -> None:
    """Pictures have no first axis along which slices of a body follow, and the message says what reads them."""
    results = planes(tmp_path)
    file = results / "plans.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"original_median_shape_after_transp": [1, 512, 512]}))
    with pytest.raises(WeightsRefused, match=r'one slice each \(original_median_shape_after_transp\).*kind = "image"'):
        import_from("nnunet", results, None, tmp_path / "models", orientation="SPL")


def test_axes_of_a_plane_are_two(tmp_path: Path) -> None:
    """nnU-Net itself stops at mirrored copies along a third one."""
    with pytest.raises(WeightsRefused, match="are no axes of a plane"):
        import_from("nnunet", planes(tmp_path, mirrored=(0, 2)), None, tmp_path / "models", orientation="SPL")


def test_spacing_and_patch_are_of_one_kind(tmp_path: Path) -> None:
    """Plans that contradict themselves are no plans of nnU-Net's."""
    with pytest.raises(WeightsRefused, match="neither of a plane nor of a volume"):
        import_from("nnunet", planes(tmp_path, spacing=(1, 1, 1)), None, tmp_path / "models", orientation="SPL")


def test_a_cascade_is_refused_with_what_to_take_instead(tmp_path: Path) -> None:
    """By the configuration's name, and by what its plan names as the stage before it."""
    results = planes(tmp_path, configured="3d_cascade_fullres", patch=[16, 24, 24], spacing=(2, 2, 2))
    words = "what a 3d_lowres network said of them.*Import the results folder of 3d_fullres or 3d_lowres"
    with pytest.raises(WeightsRefused, match=f"trained as 3d_cascade_fullres: the second stage of a cascade.*{words}"):
        import_from("nnunet", results, None, tmp_path / "models", orientation="SPL")
    other = planes(tmp_path / "other", configured="3d_fullres", patch=[16, 24, 24], spacing=(2, 2, 2))
    file = other / "plans.json"
    plans = json.loads(file.read_text())
    plans["configurations"]["3d_fullres"]["previous_stage"] = "3d_lowres"
    file.write_text(json.dumps(plans))
    with pytest.raises(WeightsRefused, match=f"previous_stage.*{words}"):
        import_from("nnunet", other, None, tmp_path / "models", orientation="SPL")
