"""A MONAI bundle, made with MONAI itself, reads as MONAI reads it."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.asking.inference import ask
from models.card.card_preparation import VolumePreparation
from models.catalog import read_entry
from models.errors import CardError, WeightsRefused
from models.importing.import_kinds import import_from
from models.loaded import LoadedModel
from models.preparing.preparation import prepare
from models.proving.checking import check
from models.runtimes.onnx_runtime import OnnxRuntime
from models.volume import Volume
from tests.importing import oblique_head, read_by, wishes
from tests.optional import need
from tests.unit.models.importing.test_import_torch import card_file

NETWORK = {
    "_target_": "monai.networks.nets.UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "channels": [8, 16],
    "strides": [2],
    "norm": "instance",
}
PREPROCESSING: list[dict[str, Any]] = [
    {"_target_": "LoadImaged", "keys": "image"},
    {"_target_": "EnsureChannelFirstd", "keys": "image"},
    {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
    {"_target_": "Spacingd", "keys": "image", "pixdim": [2.0, 2.0, 2.0], "mode": "bilinear"},
    {
        "_target_": "ScaleIntensityRanged",
        "keys": "image",
        "a_min": 0,
        "a_max": 900,
        "b_min": 0.0,
        "b_max": 1.0,
        "clip": True,
    },
]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of one series."""
    return write_bundle(tmp_path)


def write_bundle(
    tmp_path: Path, channels: Sequence[str] = ("image",), preprocessing: Sequence[dict[str, Any]] = PREPROCESSING
) -> Path:
    """Write a bundle with seeded weights, laid out as MONAI lays them out."""
    need("torch")
    need("monai")
    folder = tmp_path / "bundle"
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    config = {
        "network_def": NETWORK | {"in_channels": len(channels)},
        "preprocessing": {"_target_": "Compose", "transforms": list(preprocessing)},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 16], "overlap": 0.5, "mode": "gaussian"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            ],
        },
    }
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    outputs = {"pred": {"channel_def": {"0": "background", "1": "One", "2": "Two"}}}
    named = {str(place): name for place, name in enumerate(channels)}
    inputs = {"image": {"type": "image", "num_channels": len(channels), "channel_def": named}}
    data_format = {"inputs": inputs, "outputs": outputs}
    metadata = {"name": "Made for a test", "version": "0.1.0", "network_data_format": data_format}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    save_weights(folder, config)
    return folder


def save_weights(folder: Path, config: dict[str, Any]) -> None:
    """Write seeded weights for the network that a configuration defines."""
    import torch  # noqa: PLC0415
    from monai.bundle import ConfigParser  # noqa: PLC0415

    torch.manual_seed(5)
    parser = ConfigParser(config)
    torch.save(parser.get_parsed_content("network_def").state_dict(), folder / "models" / "model.pt")


def read_by_monai(folder: Path, volume: Volume) -> NDArray[np.uint8]:
    """Return what MONAI's own transforms, network and inferer make of a volume, on the network's grid."""
    import torch  # noqa: PLC0415
    from monai.bundle import ConfigParser  # noqa: PLC0415
    from monai.data import MetaTensor  # noqa: PLC0415
    from monai.transforms import Compose  # noqa: PLC0415

    parser = ConfigParser()
    parser.read_config(str(folder / "configs" / "inference.json"))
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(folder / "models" / "model.pt", weights_only=True))
    # NIfTI's world is RAS, DICOM's LPS; the array's axes are (slices, rows, columns).
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    series = np.stack([np.array(one.array, np.float32) for one in (volume, *volume.others)])
    image = MetaTensor(series, affine=torch.from_numpy(affine))
    count = len(parser.config["preprocessing"]["transforms"])
    steps = Compose([parser.get_parsed_content(f"preprocessing#transforms#{place}") for place in range(2, count)])
    prepared = steps({"image": image})
    with torch.inference_mode():
        logits = parser.get_parsed_content("inferer")(prepared["image"][None], network)
    labels: NDArray[np.uint8] = logits[0].argmax(0).numpy().astype(np.uint8)
    return labels


def read_by_us(folder: Path, volume: Volume) -> NDArray[np.uint8]:
    """Return what the imported model makes of it there: back on the source grid every model goes the same way."""
    entry = read_entry(folder)
    model = LoadedModel.load(entry, OnnxRuntime(), 1)
    assert isinstance(entry.card.preparation, VolumePreparation)
    answer: NDArray[np.uint8] = np.asarray(
        ask(entry.card, prepare(volume, entry.card.preparation), volume, model.infer).array
    )
    model.close()
    return answer


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
def test_a_spacing_that_leaves_half_a_voxel_is_rounded_as_monai_rounds_it(tmp_path: Path) -> None:
    """Columns span 47 steps of 1.5 mm and rows 51 of 1.25 mm: 70.5 and 37.5 of the network's."""
    halves = [*PREPROCESSING[:3], PREPROCESSING[3] | {"pixdim": [1.0, 1.7, 3.1]}, PREPROCESSING[4]]
    bundle = write_bundle(tmp_path, preprocessing=halves)
    made = import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    ours, theirs = read_by_us(made, oblique_head()), read_by_monai(bundle, oblique_head())
    assert ours.shape == theirs.shape == (72, 38, 26)
    assert np.mean(ours != theirs) < 0.001


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
def test_a_bundle_reads_as_monai_reads_it(bundle: Path, tmp_path: Path) -> None:
    """On the network's grid 999 of 1000 voxels agree, faces and all, and the reading comes back to the source's."""
    made = import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    entry = read_entry(made)
    assert entry.card.preparation.orientation == "RAS"  # type: ignore[union-attr]
    assert entry.card.inference.strategy == "sliding-window"
    assert all(verdict.passed for verdict in check(entry, OnnxRuntime()))
    head = oblique_head()
    ours, theirs = read_by_us(made, head), read_by_monai(bundle, head)
    assert len(np.unique(theirs)) > 1
    assert ours.shape == theirs.shape
    assert np.mean(ours != theirs) < 0.001
    assert read_by(made, head).shape == head.array.shape
    # As scanners write a tilted head: cosines of six digits, which are not exactly at right angles.
    turn = np.array([[0.0, 0.026505, 0.999649], [0.130138, 0.991145, -0.02628], [0.991496, -0.130092, 0.003449]])
    affine = head.affine.copy()
    affine[:3, :3] = turn * [2.0, 1.25, 1.5]
    tilted = Volume(array=head.array, affine=affine)
    ours, theirs = read_by_us(made, tilted), read_by_monai(bundle, tilted)
    assert ours.shape == theirs.shape
    assert np.mean(ours != theirs) < 0.001


MR = {"modality": ["MR"]}
Z_SCORE = {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True}
FIXED = {"_target_": "NormalizeIntensityd", "keys": "image", "channel_wise": True}
FIXED |= {"subtrahend": [400.0, 15.0, 250.0], "divisor": [300.0, 8.0, 200.0]}


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
@pytest.mark.parametrize("intensities", [Z_SCORE, FIXED], ids=["z-scores", "numbers for each"])
def test_several_channels_are_several_series(tmp_path: Path, intensities: dict[str, Any]) -> None:
    """In the network's order and each normalised by itself, as MONAI does with a stack of them; the card names them."""
    bundle = write_bundle(tmp_path, ("T1 CE", "T1", "FLAIR"), [*PREPROCESSING[:4], intensities])
    table = wishes(selection=MR | {"channels": {"t1": MR, "flair": MR}})
    made = import_from("monai", bundle, card_file(tmp_path, table), tmp_path / "models")
    entry = read_entry(made)
    assert all(verdict.passed for verdict in check(entry, OnnxRuntime()))
    assert entry.card.preparation.channels == ("t1", "flair")  # type: ignore[union-attr]
    head = oblique_head()
    values = np.asarray(head.array)
    t1 = Volume(array=np.ascontiguousarray(np.sqrt(values)[:, ::-1]), affine=head.affine)
    flair = Volume(array=values.max() - values, affine=head.affine)
    given = replace(head, others=(t1, flair))
    ours, theirs = read_by_us(made, given), read_by_monai(bundle, given)
    assert len(np.unique(theirs)) > 1
    assert ours.shape == theirs.shape
    assert np.mean(ours != theirs) < 0.001
    assert np.mean(ours != read_by_us(made, replace(head, others=(flair, t1)))) > 0.01
    assert read_by(made, given).shape == head.array.shape


def test_series_that_nobody_can_tell_apart_are_refused(tmp_path: Path) -> None:
    """Without names of the channels nothing is imported, and without rules for each there is a draft."""
    bundle = write_bundle(tmp_path, ("T1", "T2"), [*PREPROCESSING[:4], Z_SCORE])
    with pytest.raises(CardError, match=r"channels names t2, selection\.channels none"):
        import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    file = bundle / "configs" / "metadata.json"
    metadata = json.loads(file.read_text())
    image = metadata["network_data_format"]["inputs"]["image"]
    for wrong, words in (
        ({"channel_def": {}}, "does not say which series the network's 2 channels are"),
        ({"channel_def": {"0": "T1", "1": "t1"}}, "two channels are called alike"),
        ({"num_channels": "many"}, r"inputs\.image of metadata\.json is not read"),
    ):
        metadata["network_data_format"]["inputs"] = {"image": image | wrong}
        file.write_text(json.dumps(metadata))
        with pytest.raises(WeightsRefused, match=words):
            import_from("monai", bundle, None, tmp_path / "models")


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
def test_beyond_the_images_lies_what_the_bundle_says(tmp_path: Path) -> None:
    """Spacingd may fill up the last voxels of a side with zeros instead of the edge."""
    spacing = PREPROCESSING[3] | {"padding_mode": "zeros"}
    bundle = write_bundle(tmp_path, preprocessing=[*PREPROCESSING[:3], spacing, *PREPROCESSING[4:]])
    made = import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    head = oblique_head()
    assert np.mean(read_by_us(made, head) != read_by_monai(bundle, head)) < 0.001


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
def test_a_slab_thinner_than_the_window_is_padded_as_monai_pads_it(bundle: Path, tmp_path: Path) -> None:
    """Zeros, half before the images and half behind."""
    made = import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    slab = oblique_head((5, 52, 48))
    ours, theirs = read_by_us(made, slab), read_by_monai(bundle, slab)
    assert min(theirs.shape) < 16
    assert ours.shape == theirs.shape
    assert np.mean(ours != theirs) < 0.001


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
def test_the_middle_is_cropped_as_monai_crops_it(bundle: Path, tmp_path: Path) -> None:
    """The same voxels are kept, and what lies outside of them is background."""
    file = bundle / "configs" / "inference.json"
    config = json.loads(file.read_text())
    crop = {"_target_": "CenterSpatialCropd", "keys": "image", "roi_size": [24, 16, 60]}
    config["preprocessing"]["transforms"].insert(4, crop)
    config["inferer"] = {"_target_": "SimpleInferer"}
    file.write_text(json.dumps(config))
    made = import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    head = oblique_head((60, 30, 36))
    ours, theirs = read_by_us(made, head), read_by_monai(bundle, head)
    assert ours.shape == theirs.shape == (24, 16, 60)
    assert np.mean(ours != theirs) < 0.001
    labels = read_by(made, head)
    assert labels.any()
    # 16 of 19 rows of 2 mm about the middle: two rows of 1.25 mm on one side, one on the other are outside.
    assert not labels[:, [0, 1, -1]].any()


@pytest.mark.filterwarnings("ignore")  # MONAI's and the tracer's
@pytest.mark.parametrize("without", ["weights", "definition", "both"])
def test_a_bundle_that_has_its_network_as_torchscript_alone_is_read(bundle: Path, tmp_path: Path, without: str) -> None:
    """Where weights or definition are missing, models/model.ts is the network, and answers as the bundle's would."""
    torch = need("torch")
    head = oblique_head()
    theirs = read_by_monai(bundle, head)
    file = bundle / "configs" / "inference.json"
    config = json.loads(file.read_text())
    from monai.bundle import ConfigParser  # noqa: PLC0415

    network = ConfigParser(config).get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    torch.jit.trace(network, torch.zeros(1, 1, 16, 16, 16)).save(str(bundle / "models" / "model.ts"))
    if without != "definition":
        (bundle / "models" / "model.pt").unlink()
    if without != "weights":
        del config["network_def"]
        file.write_text(json.dumps(config))
    made = import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    assert all(verdict.passed for verdict in check(read_entry(made), OnnxRuntime()))
    ours = read_by_us(made, head)
    assert len(np.unique(theirs)) > 1
    assert np.mean(ours != theirs) < 0.001


def test_a_bundle_without_any_network_is_refused(bundle: Path, tmp_path: Path) -> None:
    """Neither a definition nor a TorchScript file: both are named."""
    file = bundle / "configs" / "inference.json"
    config = json.loads(file.read_text())
    del config["network_def"]
    file.write_text(json.dumps(config))
    with pytest.raises(WeightsRefused, match=r"no network_def, and there is no models/model\.ts"):
        import_from("monai", bundle, None, tmp_path / "models")
    (bundle / "models" / "model.ts").write_bytes(b"PK nothing")
    with pytest.raises(WeightsRefused, match=r"model\.ts is no TorchScript file"):
        import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
def test_labels_that_may_overlap_are_refused_unless_said_to_exclude_each_other(bundle: Path, tmp_path: Path) -> None:
    """A sigmoid of one channel is one label; of several, each voxel would be the likeliest's alone."""
    file = bundle / "configs" / "inference.json"
    config = json.loads(file.read_text())
    config["network_def"] |= {"out_channels": 2}
    config["postprocessing"]["transforms"] = [
        {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
        {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
    ]
    file.write_text(json.dumps(config))
    about = bundle / "configs" / "metadata.json"
    metadata = json.loads(about.read_text())
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = {"0": "One", "1": "Two"}
    about.write_text(json.dumps(metadata))
    save_weights(bundle, config)
    with pytest.raises(WeightsRefused, match=r"One, Two may overlap .* kind = \"multi-label\""):
        import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    table = wishes(interpretation={"kind": "multi-label"})
    entry = read_entry(import_from("monai", bundle, card_file(tmp_path, table), tmp_path / "models"))
    assert (entry.card.interpretation.kind, len(entry.card.labels)) == ("multi-label", 2)
    assert all(verdict.passed for verdict in check(entry, OnnxRuntime()))
    table = wishes(id="nested", interpretation={"kind": "regions", "order": [2, 1]})
    nested = import_from("monai", bundle, card_file(tmp_path, table), tmp_path / "models")
    head = oblique_head()
    apart, over = read_by(tmp_path / "models" / "imported", head), read_by(nested, head)
    # What the likeliest of two was given, the part now has wherever it was above the threshold.
    assert np.array_equal(apart > 0, over > 0)
    assert (over == 1).sum() >= (apart == 1).sum()


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
def test_a_sigmoid_of_one_channel_is_one_label(bundle: Path, tmp_path: Path) -> None:
    """Nothing can overlap it, so nobody is asked."""
    file = bundle / "configs" / "inference.json"
    config = json.loads(file.read_text())
    config["network_def"] |= {"out_channels": 1}
    config["postprocessing"]["transforms"] = [{"_target_": "Activationsd", "keys": "pred", "sigmoid": True}]
    file.write_text(json.dumps(config))
    about = bundle / "configs" / "metadata.json"
    metadata = json.loads(about.read_text())
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = {"0": "One"}
    about.write_text(json.dumps(metadata))
    save_weights(bundle, config)
    made = import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    assert [label.name for label in read_entry(made).card.labels] == ["One"]


def change_config(bundle: Path, **parts: Any) -> None:
    """Replace parts of a bundle's inference configuration."""
    file = bundle / "configs" / "inference.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | parts))


def steps(*transforms: dict[str, Any]) -> dict[str, Any]:
    """Return transforms as a bundle composes them."""
    return {"_target_": "Compose", "transforms": list(transforms)}


#: What published bundles do before the network, and how their windows are moved: whole-body CT and prostate MR.
WHOLE_BODY = {
    "preprocessing": steps(
        *PREPROCESSING[:4],
        {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True},
        {"_target_": "ScaleIntensityd", "keys": "image", "minv": -1.0, "maxv": 1.0},
    ),
    "shown": {"overlap": 0.25},
    "inferer": {
        "_target_": "SlidingWindowInferer",
        "roi_size": [16, 16, 16],
        "overlap": "@shown#overlap",
        "padding_mode": "replicate",
        "mode": "gaussian",
    },
}
PROSTATE = {
    "preprocessing": steps(
        *PREPROCESSING[:4],
        {"_target_": "ScaleIntensityd", "keys": "image", "minv": 0, "maxv": 1},
        {"_target_": "NormalizeIntensityd", "keys": "image"},
    ),
    "postprocessing": steps(
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
        {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [1, 2]},
    ),
}


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
@pytest.mark.parametrize("parts", [WHOLE_BODY, PROSTATE], ids=["whole body", "prostate"])
@pytest.mark.parametrize("shape", [(40, 52, 48), (5, 52, 48)], ids=["volume", "slab"])
def test_two_changes_of_intensities_are_read_as_monai_reads_them(
    bundle: Path, tmp_path: Path, parts: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    """What published bundles do: a z-score stretched to a range, a range's z-score; the edge around a thin slab."""
    change_config(bundle, **parts)
    made = import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    head = oblique_head(shape)
    # What is 0 a z-score of the rest leaves alone. No plane of it lies on one of the network's grid: there MONAI's own
    # rounding decides whether 0 stays 0.
    array = head.array.copy()
    array[1:4, 9:30, 9:30] = 0
    head = replace(head, array=array, affine=head.affine @ np.diag([0.93, 0.93, 0.93, 1.0]))
    ours, theirs = read_by_us(made, head), read_by_monai(bundle, head)
    assert len(np.unique(theirs)) > 1
    assert np.mean(ours != theirs) < 0.001


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
def test_a_transformer_is_imported(bundle: Path, tmp_path: Path) -> None:
    """UNETR, whose attention becomes ONNX too, reads as MONAI reads it."""
    network = {
        "_target_": "UNETR", "in_channels": 1, "out_channels": 3, "img_size": [16, 16, 16], "feature_size": 4,
        "hidden_size": 24, "mlp_dim": 48, "num_heads": 2,
    }  # fmt: skip
    change_config(bundle, network_def=network)
    save_weights(bundle, json.loads((bundle / "configs" / "inference.json").read_text()))
    made = import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    assert all(verdict.passed for verdict in check(read_entry(made), OnnxRuntime()))
    head = oblique_head((20, 30, 24))
    ours, theirs = read_by_us(made, head), read_by_monai(bundle, head)
    assert len(np.unique(theirs)) > 1
    assert np.mean(ours != theirs) < 0.001


@pytest.mark.filterwarnings("ignore")  # MONAI's, of its own defaults
def test_what_a_bundle_does_not_say_its_user_may(tmp_path: Path) -> None:
    """As published for brain tumours: images as they lie, nested regions made labels by a function of its own."""
    names = ("t1", "t2")
    normalised = {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True}
    bundle = write_bundle(tmp_path, names, [PREPROCESSING[0], normalised])
    after = steps(
        {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
        {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
        {"_target_": "Lambdad", "keys": "pred", "func": "$lambda x: x"},
    )
    change_config(bundle, postprocessing=after, network_def=NETWORK | {"in_channels": 2, "out_channels": 2})
    about = bundle / "configs" / "metadata.json"
    metadata = json.loads(about.read_text())
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = {"0": "Core", "1": "Tumour"}
    about.write_text(json.dumps(metadata))
    save_weights(bundle, json.loads((bundle / "configs" / "inference.json").read_text()))
    table = wishes()
    table["selection"]["channels"] = {"t2": {"modality": ["MR"], "series_description": {"matches": "t2"}}}
    refusals = ["no Orientationd", "no spacing", "Lambdad after the network"]
    told = [
        {},
        {"preparation": {"orientation": "LPS"}},
        {"preparation": {"orientation": "LPS", "fit": "spacing", "spacing_mm": [2.0, 2.0, 2.0]}},
    ]
    for said, words in zip(told, refusals, strict=True):
        with pytest.raises(WeightsRefused, match=words):
            import_from("monai", bundle, card_file(tmp_path, table | said), tmp_path / "models")
    all_of_it = table | told[-1] | {"interpretation": {"kind": "regions", "order": [2, 1]}}
    entry = read_entry(import_from("monai", bundle, card_file(tmp_path, all_of_it), tmp_path / "models"))
    assert entry.card.interpretation.kind == "regions"
    assert isinstance(entry.card.preparation, VolumePreparation)
    assert (entry.card.preparation.orientation, entry.card.preparation.normalisation) == ("LPS", "non-zero-z-score")
    assert [label.number for label in entry.card.labels] == [1, 2]


def test_a_zip_of_a_bundle_without_what_is_switched_off(bundle: Path, tmp_path: Path) -> None:
    """A bundle may come as a zip, below a folder; a transform that it disables has no say; its copyright is kept."""
    file = bundle / "configs" / "inference.json"
    config = json.loads(file.read_text())
    off = {"_target_": "HistogramNormalized", "keys": "image"}
    config["plain"] = True
    config["preprocessing"]["transforms"] += [off | {"_disabled_": said} for said in (True, "true", "$True", "@plain")]
    file.write_text(json.dumps(config))
    about = bundle / "configs" / "metadata.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"copyright": "Somebody, 2026"}))
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path, "bundle")
    made = import_from("monai", Path(archive), card_file(tmp_path, wishes()), tmp_path / "models")
    assert read_entry(made).card.limits.endswith("Somebody, 2026")
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    with pytest.raises(WeightsRefused, match="no zip of a MONAI bundle"):
        import_from("monai", tmp_path / "broken.zip", None, tmp_path / "models")


def test_what_the_answer_means_is_said_by_somebody(bundle: Path, tmp_path: Path) -> None:
    """Without it the first of several regions would be taken for the background, and never be told."""
    change_config(bundle, postprocessing={})
    with pytest.raises(WeightsRefused, match="does not say what its network's answer means"):
        import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")
    said = wishes() | {"interpretation": {"kind": "classes"}}
    made = import_from("monai", bundle, card_file(tmp_path, said), tmp_path / "models")
    assert read_entry(made).card.interpretation.kind == "classes"


@pytest.mark.parametrize("part", ["preprocessing", "inferer", "postprocessing"])
def test_a_part_that_is_made_by_an_expression_is_refused(bundle: Path, tmp_path: Path, part: str) -> None:
    """What it would make is not known before it is run."""
    change_config(bundle, **{part: "$monai.inferers.SimpleInferer()"})
    with pytest.raises(WeightsRefused, match=f"{part} of the bundle is made by an expression"):
        import_from("monai", bundle, card_file(tmp_path, wishes()), tmp_path / "models")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", r"inference\.json cannot be read"),
        ("[1]", r"inference\.json cannot be read"),
        ('{"inferer": {"_target_": "SlidingWindowInferer", "roi_size": "@nowhere"}}', r"inferer\.roi_size"),
        ('{"inferer": {"_target_": "SlidingWindowInferer", "roi_size": "$nowhere"}}', r"inferer\.roi_size"),
    ],
)
def test_a_configuration_that_has_no_values_is_refused(bundle: Path, tmp_path: Path, text: str, words: str) -> None:
    """What the parser says of it, with the place."""
    (bundle / "configs" / "inference.json").write_text(text)
    with pytest.raises(WeightsRefused, match=words):
        import_from("monai", bundle, None, tmp_path / "models")


@pytest.mark.parametrize("outputs", [["pred"], {"pred": {"channel_def": {"a": "One"}}}, {"pred": {"channel_def": [1]}}])
def test_classes_that_have_no_numbers_are_refused(bundle: Path, tmp_path: Path, outputs: object) -> None:
    """With where they should stand."""
    file = bundle / "configs" / "metadata.json"
    metadata = json.loads(file.read_text())
    metadata["network_data_format"]["outputs"] = outputs
    file.write_text(json.dumps(metadata))
    with pytest.raises(WeightsRefused, match=r"outputs\.pred\.channel_def"):
        import_from("monai", bundle, None, tmp_path / "models")


def test_what_is_not_known_is_refused_by_name(bundle: Path, tmp_path: Path) -> None:
    """A transform that the card has no words for is not left out in silence."""
    file = bundle / "configs" / "inference.json"
    config = json.loads(file.read_text())
    config["preprocessing"]["transforms"].append({"_target_": "HistogramNormalized", "keys": "image"})
    file.write_text(json.dumps(config))
    with pytest.raises(WeightsRefused, match="HistogramNormalized is not read here; known are LoadImaged"):
        import_from("monai", bundle, None, tmp_path / "models")


@pytest.mark.parametrize("missing", ["configs/metadata.json", "configs/inference.json", "models/model.pt"])
def test_what_is_no_bundle_is_refused(bundle: Path, tmp_path: Path, missing: str) -> None:
    """Each file that a bundle must have is named when it is not there."""
    (bundle / missing).unlink()
    with pytest.raises(WeightsRefused):
        import_from("monai", bundle, None, tmp_path / "models")
