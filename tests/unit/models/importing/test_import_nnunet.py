"""A results folder in nnU-Net's own layout reads as nnU-Net reads it."""

import itertools
import json
import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from models.asking.inference import ask
from models.card.card_preparation import VolumePreparation
from models.catalog import read_entry
from models.errors import CardError, ModelError, WeightsRefused
from models.importing.import_kinds import import_from
from models.loaded import LoadedModel
from models.preparing.preparation import prepare
from models.proving.checking import check
from models.runtimes.onnx_runtime import OnnxRuntime
from models.volume import Volume
from tests.importing import CONCEPT, oblique_head, read_by, wishes
from tests.optional import need
from tests.unit.models.importing.test_import_torch import card_file

PATCH = [16, 24, 24]
SEEN = {"percentile_00_5": 5.0, "percentile_99_5": 950.0, "mean": 420.0, "std": 310.0}
ARCHITECTURE: dict[str, Any] = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 3,
        "features_per_stage": [8, 16, 16],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3, 3, 3]] * 3,
        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
        "n_conv_per_stage": [2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    },
    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of a network of one CT."""
    return write_results(tmp_path)


def write_results(
    tmp_path: Path,
    *,
    schemes: Sequence[str] = ("CTNormalization",),
    channels: Sequence[str] = ("CT",),
    mirrored: object = None,
    spacing: Sequence[float] = (2.0, 1.25, 1.5),
    order: int = 3,
    labels: dict[str, Any] | None = None,
    configured: str = "3d_fullres",
    patch: Sequence[int] = PATCH,
    forward: Sequence[int] = (0, 1, 2),
) -> Path:
    """Write a folder as nnU-Net v2 does, with seeded weights that were trained with deep supervision."""
    torch = need("torch")
    need("dynamic_network_architectures")
    from models.importing.import_nnunet import _named  # noqa: PLC0415

    labels = labels or {"background": 0, "One": 1, "Two": 2}
    architecture = ARCHITECTURE if len(patch) == 3 else of_planes(ARCHITECTURE)
    regions = any(isinstance(value, list) for value in labels.values())
    folder = tmp_path / f"nnUNetTrainer__nnUNetPlans__{configured}"
    (folder / "fold_0").mkdir(parents=True)
    configuration = {
        "spacing": list(spacing),
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": order, "order_z": 0, "force_separate_z": None},
        "patch_size": list(patch),
        "normalization_schemes": list(schemes),
        "use_mask_for_norm": [False] * len(schemes),
        "architecture": architecture,
    }
    plans = {
        "dataset_name": "Dataset900_Test",
        "transpose_forward": list(forward),
        "foreground_intensity_properties_per_channel": {str(place): SEEN for place in range(len(channels))},
        "configurations": {configured: configuration},
    }
    (folder / "plans.json").write_text(json.dumps(plans))
    names = {str(place): name for place, name in enumerate(channels)}
    dataset = {"channel_names": names, "labels": labels, "file_ending": ".nii.gz"}
    if regions:
        dataset["regions_class_order"] = list(range(1, len(labels)))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    torch.manual_seed(7)
    arguments = dict(architecture["arch_kwargs"])
    for key in architecture["_kw_requires_import"]:
        arguments[key] = _named(arguments[key]) if arguments[key] else None
    network = _named(architecture["network_class_name"])(
        input_channels=len(channels), num_classes=len(labels) - regions, deep_supervision=True, **arguments
    )
    checkpoint = {
        "network_weights": network.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": mirrored,
        "logging": {"ema_fg_dice": [np.float64(0.5)]},
        "_best_ema": np.float64(0.5),
    }
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")
    return folder


def of_planes(architecture: dict[str, Any]) -> dict[str, Any]:
    """Return the same network of two dimensions, as nnU-Net's planner writes it."""
    said = dict(architecture["arch_kwargs"])
    for key in ("conv_op", "norm_op"):
        said[key] = said[key].replace("3d", "2d")
    for key in ("kernel_sizes", "strides"):
        said[key] = [sides[1:] for sides in said[key]]
    return architecture | {"arch_kwargs": said}


def resampled_plainly(
    array: NDArray[np.float32], spacing: Sequence[float], wanted: Sequence[float]
) -> NDArray[np.float32]:
    """Return what nnU-Net's `resample_data_or_seg_to_shape` with order 3 makes of an image.

    Its `skimage.transform.resize` is SciPy's zoom of whole voxels, cut to the range of what went in.
    """
    shape = tuple(round(side * old / new) for side, old, new in zip(array.shape, spacing, wanted, strict=True))
    if shape == array.shape:
        return array
    thick = [sides for sides in (spacing, wanted) if max(sides) / min(sides) > 3]
    if not thick:
        return resized_plainly(array, shape)
    across = int(np.argmax(thick[0]))
    planes = [resized_plainly(plane, shape[:across] + shape[across + 1 :]) for plane in np.moveaxis(array, across, 0)]
    positions = len(planes) / shape[across] * (np.arange(shape[across]) + 0.5) - 0.5
    # SciPy's order 0 goes up halfway.
    nearest = np.clip(np.floor(positions + 0.5).astype(int), 0, len(planes) - 1)
    return np.moveaxis(np.stack(planes)[nearest], 0, across)


def resized_plainly(array: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return what `skimage.transform.resize` makes of an array with order = 3, mode = edge and no anti-aliasing."""
    factors = [new / old for new, old in zip(shape, array.shape, strict=True)]
    made = ndimage.zoom(array.astype(np.float64), factors, order=3, mode="nearest", grid_mode=True)
    return np.clip(made, array.min(), array.max()).astype(np.float32)


def read_plainly(folder: Path, volume: Volume, mirrored: Sequence[int] = ()) -> NDArray[np.uint8]:
    """Return what the network says on its own grid by nnU-Net's own recipe, written out.

    Normalise each channel and resample it, steps of half a patch, the mean over mirrored copies, Gaussian.
    """
    import torch  # noqa: PLC0415
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415

    from models.importing.import_nnunet import _content, _load, _network  # noqa: PLC0415

    (configuration,) = json.loads((folder / "plans.json").read_text())["configurations"].values()
    labels = json.loads((folder / "dataset.json").read_text())["labels"]
    regions = any(isinstance(value, list) for value in labels.values())
    classes = len(labels) - regions
    schemes = configuration["normalization_schemes"]
    module = _network(configuration, channels=len(schemes), classes=classes)
    file = folder / "fold_0" / "checkpoint_final.pth"
    _load(module, _content(file), file)
    channels = []
    for scheme, series in zip(schemes, (volume, *volume.others), strict=True):
        own = np.asarray(series.array, np.float32)
        if scheme == "CTNormalization":
            own = (np.clip(own, SEEN["percentile_00_5"], SEEN["percentile_99_5"]) - SEEN["mean"]) / SEEN["std"]
        else:
            own = (own - own.mean()) / own.std()
        channels.append(resampled_plainly(own, series.spacing_mm, configuration["spacing"]))
    shape = channels[0].shape
    missing = [max(0, wide - side) for side, wide in zip(shape, PATCH, strict=True)]
    before = [side // 2 for side in missing]
    inside = tuple(slice(first, first + side) for first, side in zip(before, shape, strict=True))
    around = [(first, side - first) for first, side in zip(before, missing, strict=True)]
    values = np.stack([np.pad(own, around) for own in channels])
    weight = np.zeros(PATCH)
    weight[tuple(side // 2 for side in PATCH)] = 1
    weight = gaussian_filter(weight, [side / 8 for side in PATCH], mode="constant", cval=0)
    weight = np.maximum(weight / weight.max(), 1e-6)
    starts = []
    for side, wide in zip(values.shape[1:], PATCH, strict=True):
        count = int(np.ceil((side - wide) / (wide * 0.5))) + 1
        step = (side - wide) / (count - 1) if count > 1 else 0
        starts.append([int(np.round(step * place)) for place in range(count)])
    total, weights = np.zeros((classes, *values.shape[1:])), np.zeros(values.shape[1:])
    with torch.inference_mode():
        for corner in np.ndindex(*map(len, starts)):
            box = tuple(slice(starts[a][i], starts[a][i] + PATCH[a]) for a, i in enumerate(corner))
            given = torch.from_numpy(values[(slice(None), *box)])[None]
            logits = module(given)
            ways = [way for n in range(1, 4) for way in itertools.combinations([axis + 2 for axis in mirrored], n)]
            for way in ways:
                logits = logits + torch.flip(module(torch.flip(given, way)), way)
            logits = (logits / (len(ways) + 1))[0].numpy()
            total[(slice(None), *box)] += logits * weight
            weights[box] += weight
    said = total / weights
    if not regions:
        return np.asarray(said.argmax(0), np.uint8)[inside]
    drawn = np.zeros(said.shape[1:], np.uint8)
    for number, region in enumerate(said, start=1):
        drawn[1 / (1 + np.exp(-region)) > 0.5] = number
    return drawn[inside]


def test_a_results_folder_reads_as_nnunet_does(results: Path, tmp_path: Path) -> None:
    """On images that have the plans' spacing the two agree in practically every voxel."""
    shutil.copytree(results / "fold_0", results / "fold_3")
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")
    entry = read_entry(made)
    assert all(verdict.passed for verdict in check(entry, OnnxRuntime()))
    assert "no mirrored copies" in entry.card.limits
    assert "fold_0 alone of 2 folds (checkpoint_final.pth)" in entry.card.limits
    head = oblique_head()
    ours, theirs = read_by(made, head), read_plainly(results, head)
    assert len(np.unique(theirs)) > 1
    assert np.mean(ours != theirs) < 0.003


def test_regions_are_drawn_one_over_the_other_as_nnunet_draws_them(tmp_path: Path) -> None:
    """Each region is asked about by itself; what is left of it is called so."""
    regions = {"background": 0, "tumour": [1, 2, 3], "core": [2, 3], "enhancing": [3]}
    results = write_results(tmp_path, labels=regions)
    made = import_from("nnunet", results, card_file(tmp_path, named(3)), tmp_path / "models", orientation="SPL")
    entry = read_entry(made)
    names = ["tumour without core", "core without enhancing", "enhancing"]
    assert [label.name for label in entry.card.labels] == names
    assert all(verdict.passed for verdict in check(entry, OnnxRuntime()))
    head = oblique_head()
    ours, theirs = read_by(made, head), read_plainly(results, head)
    assert len(np.unique(theirs)) > 2
    assert np.mean(ours != theirs) < 0.003


def named(count: int) -> dict[str, Any]:
    """Return what no file says of a model, without names of its own for so many labels."""
    label = {"concept": CONCEPT, "colour_rgb": [40, 90, 200]}
    return wishes(labels=[label | {"number": number} for number in range(1, count + 1)])


def test_the_lower_resolution_is_read_by_its_own_plan(tmp_path: Path) -> None:
    """3d_lowres has a spacing of its own, and needs no other network before it."""
    results = write_results(tmp_path, configured="3d_lowres", spacing=(4.0, 2.5, 3.0))
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")
    preparation = read_entry(made).card.preparation
    assert isinstance(preparation, VolumePreparation)
    assert preparation.spacing_mm == (4.0, 2.5, 3.0)


@pytest.mark.parametrize("mirrored", [(0, 1, 2), [1]])
def test_mirrored_copies_are_averaged_as_nnunet_averages_them(tmp_path: Path, mirrored: Sequence[int]) -> None:
    """The checkpoint says along which axes; whoever wants the read in an eighth of the time says so in the card."""
    results = write_results(tmp_path, mirrored=mirrored)
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")
    card = read_entry(made).card
    assert card.inference.mirror_axes == tuple(mirrored)  # type: ignore[union-attr]
    assert "mirrored" not in card.limits
    # One window: what is left of a difference is of the mirrored copies alone.
    head = oblique_head((16, 24, 24))
    ours, theirs = read_by(made, head), read_plainly(results, head, mirrored)
    assert np.mean(theirs != read_plainly(results, head)) > 0.01
    assert np.mean(ours != theirs) < 0.0005
    plain = wishes(inference={"mirror_axes": []})
    fast = import_from("nnunet", results, card_file(tmp_path, plain), tmp_path / "fast", orientation="SPL")
    assert "no mirrored copies" in read_entry(fast).card.limits
    assert np.mean(read_by(fast, head) != read_plainly(results, head)) < 0.0005


MR = {"modality": ["MR"]}


def test_several_channels_are_several_series(tmp_path: Path) -> None:
    """Each is normalised by its own scheme, in the network's order, and the card says which series is which."""
    names, schemes = ("T1w CE", "FLAIR", "CT"), ("ZScoreNormalization", "ZScoreNormalization", "CTNormalization")
    results = write_results(tmp_path, channels=names, schemes=schemes)
    table = wishes(selection=MR | {"channels": {"flair": MR, "ct": {"modality": ["CT"]}}})
    made = import_from("nnunet", results, card_file(tmp_path, table), tmp_path / "models", orientation="SPL")
    entry = read_entry(made)
    assert all(verdict.passed for verdict in check(entry, OnnxRuntime()))
    assert entry.card.preparation.channels == ("flair", "ct")  # type: ignore[union-attr]
    head = oblique_head()
    values = np.asarray(head.array)
    flair = Volume(array=np.ascontiguousarray(np.sqrt(values)[:, ::-1]), affine=head.affine)
    ct = Volume(array=values.max() - values, affine=head.affine)
    given = replace(head, others=(flair, ct))
    ours, theirs = read_by(made, given), read_plainly(results, given)
    assert len(np.unique(theirs)) > 1
    assert np.mean(ours != theirs) < 0.003
    swapped = replace(head, others=(ct, flair))
    assert np.mean(ours != read_by(made, swapped)) > 0.01


THICK = np.array([[0, 0, 1.0, -36], [0, 1.0, 0, -30], [5.0, 0, 0, -40], [0, 0, 0, 1.0]])


@pytest.mark.parametrize(
    ("affine", "spacing"),
    [
        (None, (1.6, 1.6, 1.6)),
        (THICK, (5.0, 0.8, 0.7)),
        (THICK, (2.5, 1.2, 1.2)),
        (np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], (4.0, 0.9, 1.1)),
    ],
    ids=["spline", "plane by plane", "planes twice", "planes left out"],
)
def test_images_are_resampled_as_nnunet_resamples_them(
    tmp_path: Path, affine: NDArray[np.float64] | None, spacing: Sequence[float]
) -> None:
    """By cubic splines after normalisation, of each channel; thick planes each by itself, as the plan's rule says."""
    schemes = ("CTNormalization", "ZScoreNormalization")
    results = write_results(tmp_path, channels=("CT", "T2"), schemes=schemes, spacing=spacing)
    table = wishes(selection=MR | {"channels": {"t2": MR}})
    made = import_from("nnunet", results, card_file(tmp_path, table), tmp_path / "models", orientation="SPL")
    head = oblique_head((24, 30, 28))
    first = head if affine is None else Volume(array=head.array, affine=affine)
    second = Volume(array=np.sqrt(np.asarray(first.array)), affine=first.affine)
    given = replace(first, others=(second,))
    entry = read_entry(made)
    assert isinstance(entry.card.preparation, VolumePreparation)
    assert "thick planes" not in entry.card.limits
    prepared = prepare(given, entry.card.preparation)
    values = np.asarray(first.array)
    clipped = (np.clip(values, SEEN["percentile_00_5"], SEEN["percentile_99_5"]) - SEEN["mean"]) / SEEN["std"]
    root = np.sqrt(values)
    for ours, own in zip(prepared.array[0], (clipped, (root - root.mean()) / root.std()), strict=True):
        np.testing.assert_allclose(ours, resampled_plainly(own, first.spacing_mm, spacing), atol=2e-4)
    model = LoadedModel.load(entry, OnnxRuntime(), 2)
    labels = np.asarray(ask(entry.card, prepared, given, model.infer).array)
    model.close()
    assert np.mean(labels != read_plainly(results, given)) < 0.003


def test_another_order_of_the_plan_is_honoured(tmp_path: Path) -> None:
    """1 is linear, and the card's limits say what is left of the difference; what no card can say is refused."""
    results = write_results(tmp_path, order=1)
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")
    card = read_entry(made).card
    assert card.preparation.interpolation == "linear"  # type: ignore[union-attr]
    assert "thick planes are resampled like others" in card.limits
    path = results / "plans.json"
    plans = json.loads(path.read_text())
    for key, value in (
        ("resampling_fn_data", "resample_torch_fornnunet"),
        ("resampling_fn_data_kwargs", {"order": 2}),
        ("resampling_fn_data_kwargs", {"order": 3, "force_separate_z": True}),
    ):
        changed = {**plans["configurations"]["3d_fullres"], key: value}
        path.write_text(json.dumps(plans | {"configurations": {"3d_fullres": changed}}))
        with pytest.raises(WeightsRefused, match=r"resample_torch_fornnunet|resampling_fn_data_kwargs"):
            import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "other", orientation="SPL")


def test_what_is_0_in_one_channel_alone_is_kept(tmp_path: Path) -> None:
    """The box in which some channel is not 0 is read, as nnU-Net crops it."""
    results = write_results(tmp_path, channels=("T1", "T2"), schemes=("ZScoreNormalization",) * 2)
    table = wishes(selection=MR | {"channels": {"t2": MR}})
    made = import_from("nnunet", results, card_file(tmp_path, table), tmp_path / "models", orientation="SPL")
    head = oblique_head()
    cut, other = np.array(head.array), np.array(head.array)
    cut[:10], cut[-4:], other[:5], other[-4:] = 0, 0, 0, 0
    preparation = read_entry(made).card.preparation
    assert isinstance(preparation, VolumePreparation)
    both = Volume(array=cut, affine=head.affine, others=(Volume(array=other, affine=head.affine),))
    prepared = prepare(both, preparation)
    assert prepared.array.shape[2:] == (31, 52, 48)
    np.testing.assert_allclose(prepared.affine[:3, 3], (head.affine @ [5, 0, 0, 1])[:3])
    first, second = (Volume(array=series[5:36], affine=head.affine) for series in (cut, other))
    theirs = read_plainly(results, replace(first, others=(second,)))
    ours = read_by(made, both)
    assert np.mean(ours[5:36] != theirs) < 0.003
    assert not ours[:5].any()


def test_without_rules_for_each_series_there_is_a_draft(tmp_path: Path) -> None:
    """nnU-Net knows the channels' names and not which series they are: the message says what is missing."""
    results = write_results(tmp_path, channels=("T1", "T2"), schemes=("ZScoreNormalization",) * 2)
    with pytest.raises(CardError, match=r"channels names t2, selection\.channels none"):
        import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")


@pytest.mark.parametrize("mirrored", [(0, 3), "01", (0, 0), 1])
def test_axes_that_are_none_are_refused(tmp_path: Path, mirrored: object) -> None:
    """A checkpoint's axes are three, each once."""
    results = write_results(tmp_path, mirrored=mirrored)
    with pytest.raises(WeightsRefused, match="are no axes of a volume"):
        import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")


def test_a_slab_thinner_than_the_patch_is_padded_as_nnunet_pads_it(results: Path, tmp_path: Path) -> None:
    """Zeros of the normalised values, half before the images and half behind."""
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")
    slab = oblique_head((7, 52, 48))
    ours, theirs = read_by(made, slab), read_plainly(results, slab)
    assert len(np.unique(theirs)) > 1
    assert np.mean(ours != theirs) < 0.003


def test_what_was_left_out_of_training_is_no_class(results: Path, tmp_path: Path) -> None:
    """nnU-Net's ignore label has a number, but the network has no output for it."""
    path = results / "dataset.json"
    dataset = json.loads(path.read_text())
    path.write_text(json.dumps(dataset | {"labels": dataset["labels"] | {"ignore": 3}}))
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")
    assert [label.name for label in read_entry(made).card.labels] == ["One", "Two"]


def test_weights_of_another_network_are_refused(results: Path, tmp_path: Path) -> None:
    """A checkpoint with other shapes than the plans' network gives an error with its file and the tensor."""
    path = results / "dataset.json"
    dataset = json.loads(path.read_text())
    path.write_text(json.dumps(dataset | {"labels": dataset["labels"] | {"Three": 3}}))
    with pytest.raises(WeightsRefused, match=r"checkpoint_final\.pth is not of this network: size mismatch"):
        import_from("nnunet", results, None, tmp_path / "models", orientation="SPL")


def test_a_permuted_plan_permutes_the_axes(results: Path, tmp_path: Path) -> None:
    """transpose_forward orders the network's axes; spacing and patch are given in that order already."""
    file = results / "plans.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"transpose_forward": [2, 0, 1]}))
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")
    assert read_entry(made).card.preparation.orientation == "LSP"  # type: ignore[union-attr]


def test_without_an_orientation_nothing_is_imported(results: Path, tmp_path: Path) -> None:
    """nnU-Net does not note how its images lay, and a guess could swap left and right."""
    with pytest.raises(ModelError, match="--orientation"):
        import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models")


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("dataset.json", {"labels": {"background": 0, "all": [1, 2]}}, "regions_class_order"),
        ("dataset.json", {"channel_names": {"0": "T1", "1": "T2"}}, "2 channels, plans.json normalises 1"),
        ("dataset.json", {"channel_names": {"0": "T1", "1": "t1"}}, "called alike"),
        ("dataset.json", {"channel_names": {"1": "T1"}}, "channels' numbers"),
        ("plans.json", {"configurations": {"2d": {}}}, "3d_fullres"),
    ],
)
def test_what_is_not_read_here_is_refused(
    results: Path, tmp_path: Path, file: str, change: dict[str, Any], words: str
) -> None:
    """Regions in no order, channels that the plans do not know or are called alike, other configurations: by name."""
    path = results / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(WeightsRefused, match=words):
        import_from("nnunet", results, None, tmp_path / "models", orientation="SPL")


@pytest.mark.parametrize("said", ["3d_cascade_fullres", "3d_fullres_large", "2d_large"])
def test_weights_of_another_configuration_are_refused(results: Path, tmp_path: Path, said: str) -> None:
    """plans.json holds all of them, and their networks may be alike: only the spacing would be wrong."""
    torch = need("torch")
    other = results.rename(results.with_name(f"nnUNetTrainer__nnUNetPlans__{said}"))
    with pytest.raises(WeightsRefused, match=f"trained as {said}"):
        import_from("nnunet", other, None, tmp_path / "models", orientation="SPL")
    file = other / "fold_0" / "checkpoint_final.pth"
    content = torch.load(file, weights_only=False)
    torch.save(content | {"init_args": {"configuration": said}}, file)
    back = other.rename(results)
    with pytest.raises(WeightsRefused, match=f"trained as {said}"):
        import_from("nnunet", back, None, tmp_path / "models", orientation="SPL")


def older(plans: dict[str, Any]) -> dict[str, Any]:
    """Return plans as nnU-Net wrote them before 2.4: the network by its parts, and an older word for intensities."""
    (name, own), *_ = plans["configurations"].items()
    said = own["architecture"]["arch_kwargs"]
    own = {key: value for key, value in own.items() if key != "architecture"} | {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 8,
        "unet_max_num_features": 16,
        "n_conv_per_stage_encoder": said["n_conv_per_stage"],
        "n_conv_per_stage_decoder": said["n_conv_per_stage_decoder"],
        "num_pool_per_axis": [2] * len(own["patch_size"]),
        "pool_op_kernel_sizes": said["strides"],
        "conv_kernel_sizes": said["kernel_sizes"],
    }
    seen = plans.pop("foreground_intensity_properties_per_channel")
    return plans | {"configurations": {name: own}, "foreground_intensity_properties_by_modality": seen}


@pytest.mark.parametrize("said", [{}, {"configured": "2d", "patch": [24, 24], "spacing": (1.25, 1.5)}])
def test_plans_of_older_releases_are_read(tmp_path: Path, said: dict[str, Any]) -> None:
    """What most published weights came with: the network is the one that newer plans name, and so are its answers."""
    results = write_results(tmp_path, **said)
    now = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "now", orientation="SPL")
    file = results / "plans.json"
    file.write_text(json.dumps(older(json.loads(file.read_text()))))
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "older", orientation="SPL")
    assert (made / "model.toml").read_text() == (now / "model.toml").read_text()
    assert (made / "model.onnx").read_bytes() == (now / "model.onnx").read_bytes()


@pytest.mark.parametrize(("name", "words"), [("Generic_UNet", "'Generic_UNet' is not read"), (None, "no architecture")])
def test_an_older_network_that_is_not_known_is_refused(
    results: Path, tmp_path: Path, name: str | None, words: str
) -> None:
    """Plans of somebody's own network: by its name."""
    file = results / "plans.json"
    plans = older(json.loads(file.read_text()))
    plans["configurations"]["3d_fullres"]["UNet_class_name"] = name
    file.write_text(json.dumps(plans))
    with pytest.raises(WeightsRefused, match=words):
        import_from("nnunet", results, None, tmp_path / "models", orientation="SPL")


def test_a_configuration_of_ones_own_inherits(tmp_path: Path) -> None:
    """nnU-Net lets plans.json hold one that says only what it does otherwise than another."""
    results = write_results(tmp_path, configured="3d_fullres_fine")
    file = results / "plans.json"
    plans = json.loads(file.read_text())
    base = plans["configurations"].pop("3d_fullres_fine")
    fine = {"inherits_from": "3d_fullres", "spacing": base["spacing"], "batch_size": 4}
    configurations = {"3d_fullres": base | {"spacing": [3.0, 3.0, 3.0]}, "3d_fullres_fine": fine}
    file.write_text(json.dumps(plans | {"configurations": configurations}))
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")
    assert read_entry(made).card.preparation.spacing_mm == (2.0, 1.25, 1.5)  # type: ignore[union-attr]
    configurations["3d_fullres"]["inherits_from"] = "3d_fullres_fine"
    file.write_text(json.dumps(plans | {"configurations": configurations}))
    with pytest.raises(WeightsRefused, match="in a circle"):
        import_from("nnunet", results, None, tmp_path / "models", orientation="SPL")


def test_a_checkpoint_that_numpy_1_pickled_is_read(results: Path, tmp_path: Path) -> None:
    """Most weights were trained with it, and their loss curves name NumPy's numbers by the place of then."""
    file = results / "fold_0" / "checkpoint_final.pth"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert any(b"numpy.core.multiarray" in zipfile.ZipFile(file).read(name) for name in members)
    made = import_from("nnunet", results, card_file(tmp_path, wishes()), tmp_path / "models", orientation="SPL")
    assert all(verdict.passed for verdict in check(read_entry(made), OnnxRuntime()))


def test_a_checkpoint_that_would_run_code_is_not_loaded(results: Path, tmp_path: Path) -> None:
    """A pickle that names anything but tensors and plain values is refused, and nothing of it is run."""
    torch = need("torch")
    mark = tmp_path / "ran"

    class Evil:
        """Runs a command when it is unpickled."""

        def __reduce__(self) -> Any:
            return (Path.touch, (mark,))

    torch.save({"network_weights": {}, "evil": Evil()}, results / "fold_0" / "checkpoint_final.pth")
    with pytest.raises(WeightsRefused, match="nothing of it was run"):
        import_from("nnunet", results, None, tmp_path / "models", orientation="SPL")
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["subprocess.Popen", "torch.hub.load", "torch.nn.init.constant_", "torch.nn.Parameter"]
)
def test_what_is_no_part_of_a_network_is_not_called(results: Path, tmp_path: Path, name: str) -> None:
    """A name in a file of plans calls nothing but classes of networks: torch.hub.load would run a folder's code."""
    path = results / "plans.json"
    plans = json.loads(path.read_text())
    plans["configurations"]["3d_fullres"]["architecture"]["network_class_name"] = name
    path.write_text(json.dumps(plans))
    with pytest.raises(WeightsRefused, match=re.escape(name)):
        import_from("nnunet", results, None, tmp_path / "models", orientation="SPL")
