"""brainchop's files become an ONNX model that answers what they say, and nothing else is read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.card.card_interpretation import LabelMapInterpretation
from models.card.card_preparation import VolumePreparation
from models.catalog import ModelState, read_entry
from models.errors import WeightsRefused
from models.importing.brainchop import import_brainchop, meshnet_graph, meshnet_labels, read_meshnet
from models.importing.brainchop_card import _STRUCTURES
from models.proving.checking import check
from models.runtimes.onnx_runtime import OnnxRuntime
from tests.optional import need

CHANNELS = 5
CLASSES = 18


def convolution(name: str, size: int, filters: int, dilation: int, before: str) -> dict[str, Any]:
    """Return a layer as tfjs describes it."""
    config = {
        "name": name,
        "filters": filters,
        "kernel_size": [size] * 3,
        "strides": [1, 1, 1],
        "dilation_rate": [dilation] * 3,
        "padding": "same",
        "data_format": "channels_last",
        "activation": "linear",
        "use_bias": True,
    }
    return {"class_name": "Conv3D", "config": config, "inbound_nodes": [[[before, 0, 0, {}]]]}


def elu(name: str, before: str) -> dict[str, Any]:
    """Return an activation as tfjs describes it."""
    config = {"name": name, "activation": "elu"}
    return {"class_name": "Activation", "config": config, "inbound_nodes": [[[before, 0, 0, {}]]]}


def write_files(
    source: Path, layers: list[dict[str, Any]], shapes: dict[str, tuple[int, ...]], colormap: dict[str, Any]
) -> None:
    """Write brainchop's three files, with random weights."""
    manifest = [{"name": name, "shape": shape, "dtype": "float32"} for name, shape in shapes.items()]
    model = {
        "modelTopology": {"model_config": {"config": {"layers": layers}}},
        "weightsManifest": [{"paths": ["model.bin"], "weights": manifest}],
    }
    source.mkdir()
    random = np.random.default_rng(5)
    (source / "model.bin").write_bytes(
        b"".join(random.normal(0, 0.4, shape).astype("<f4").tobytes() for shape in shapes.values())
    )
    (source / "model.json").write_text(json.dumps(model))
    (source / "colormap.json").write_text(json.dumps(colormap))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small MeshNet with random weights, in brainchop's files."""
    layers = [
        {"class_name": "InputLayer", "config": {"name": "input"}, "inbound_nodes": []},
        convolution("conv3d_0", 3, CHANNELS, 1, "input"),
        elu("activation_1", "conv3d_0"),
        convolution("conv3d_2", 3, CHANNELS, 4, "activation_1"),
        elu("activation_3", "conv3d_2"),
        convolution("output", 1, CLASSES, 1, "activation_3"),
    ]
    shapes = {
        "conv3d_0/kernel": (3, 3, 3, 1, CHANNELS),
        "conv3d_0/bias": (CHANNELS,),
        "conv3d_2/kernel": (3, 3, 3, CHANNELS, CHANNELS),
        "conv3d_2/bias": (CHANNELS,),
        "output/kernel": (1, 1, 1, CHANNELS, CLASSES),
        "output/bias": (CLASSES,),
    }
    source = tmp_path / "brainchop"
    colours = {channel: list(range(CLASSES)) for channel in "RGB"}
    write_files(source, layers, shapes, {"labels": ["Unknown", *_STRUCTURES], **colours})
    return source


@pytest.fixture
def mask_folder(tmp_path: Path) -> Path:
    """A small mindgrab with random weights, in brainchop's files: no bias, normalised channels, GELU, two classes."""
    layers = [{"class_name": "InputLayer", "config": {"name": "input"}, "inbound_nodes": []}]
    before, shapes = "input", {}
    for number, dilation in enumerate((4, 1)):
        name = f"conv3d_{number}_gn"
        layers += [convolution(name, 3, CHANNELS, dilation, before), elu(f"activation_{number}", name)]
        layers[-2]["config"]["use_bias"] = False
        layers[-1]["config"]["activation"] = "gelu"
        before = f"activation_{number}"
        shapes[f"{name}/kernel"] = (3, 3, 3, CHANNELS if number else 1, CHANNELS)
    layers.append(convolution("output", 1, 2, 1, before))
    shapes |= {"output/kernel": (1, 1, 1, CHANNELS, 2), "output/bias": (2,)}
    source = tmp_path / "mindgrab"
    write_files(source, layers, shapes, {"labels": ["background", "brain mask"]})
    return source


def change(folder: Path, old: str, new: str) -> None:
    """Replace text in the model's description."""
    text = (folder / "model.json").read_text()
    assert old in text
    (folder / "model.json").write_text(text.replace(old, new))


def test_the_graph_answers_what_the_files_say(folder: Path, tmp_path: Path) -> None:
    """ONNX Runtime agrees with a computation from tfjs's own layout: order of axes, padding, dilation, ELU, argmax."""
    layers = read_meshnet(folder)
    file = tmp_path / "model.onnx"
    file.write_bytes(meshnet_graph(layers).SerializeToString())
    volume = np.random.default_rng(6).normal(size=(9, 14, 11)).astype(np.float32)
    answer = OnnxRuntime().load(file, threads=1).infer({"input": volume[np.newaxis, np.newaxis]})
    expected = meshnet_labels(layers, volume)
    assert answer["labels"].dtype == np.uint8
    np.testing.assert_array_equal(answer["labels"][0], expected)
    assert len(np.unique(expected)) > 5


def test_a_mask_network_answers_what_its_files_say(mask_folder: Path, tmp_path: Path) -> None:
    """Without a bias, normalised over the whole volume, with GELU: ONNX Runtime agrees with the plain computation."""
    layers = read_meshnet(mask_folder)
    assert [(layer.normalised, layer.activation) for layer in layers] == [(True, "gelu")] * 2 + [(False, "linear")]
    file = tmp_path / "model.onnx"
    file.write_bytes(meshnet_graph(layers).SerializeToString())
    volume = np.random.default_rng(6).normal(5, 3, size=(9, 14, 11)).astype(np.float32)
    answer = OnnxRuntime().load(file, threads=1).infer({"input": volume[np.newaxis, np.newaxis]})
    expected = meshnet_labels(layers, volume)
    assert np.mean(answer["labels"][0] != expected) < 0.001
    assert 0.05 < expected.mean() < 0.95


def test_a_mask_network_agrees_with_torch(mask_folder: Path) -> None:
    """A third computation, torch's own convolution, group normalisation and GELU, gives the same labels."""
    torch = need("torch")
    layers = read_meshnet(mask_folder)
    volume = np.random.default_rng(7).normal(5, 3, size=(12, 10, 11)).astype(np.float32)
    value = torch.from_numpy(volume)[None, None]
    for layer in layers:
        kernel = torch.from_numpy(np.ascontiguousarray(layer.kernel.transpose(4, 3, 0, 1, 2)))
        reach = layer.dilation * (kernel.shape[2] // 2)
        bias = torch.from_numpy(layer.bias.copy())
        value = torch.nn.functional.conv3d(value, kernel, bias, padding=reach, dilation=layer.dilation)
        if layer.normalised:
            value = torch.nn.functional.group_norm(value, kernel.shape[0])
        if layer.activation == "gelu":
            value = torch.nn.functional.gelu(value)
    assert np.mean(value[0].argmax(0).numpy() != meshnet_labels(layers, volume)) < 0.001


def test_mindgrab_becomes_a_brain_mask(mask_folder: Path, tmp_path: Path) -> None:
    """One label, the whole conformed head without a crop, RESEARCH; the golden file is proven."""
    entry = read_entry(import_brainchop(mask_folder, tmp_path / "models"))
    assert (entry.card.id, entry.state) == ("brain-mask", ModelState.READY)
    assert [label.concept.meaning for label in entry.card.labels] == ["Intracranial"]
    assert isinstance(entry.card.preparation, VolumePreparation)
    assert entry.card.preparation.crop_above is None
    assert entry.card.research
    (verdict,) = check(entry, OnnxRuntime())
    assert verdict.passed


def test_a_mask_of_more_than_two_classes_is_refused(folder: Path, tmp_path: Path) -> None:
    """Files of two models that were mixed up make no card."""
    (folder / "colormap.json").write_text(json.dumps({"labels": ["background", "brain mask"]}))
    with pytest.raises(WeightsRefused, match="the network has 18 classes"):
        import_brainchop(folder, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_an_imported_model_is_ready_and_proves_itself(folder: Path, tmp_path: Path) -> None:
    """The directory holds card, network and golden file; checksum and golden input agree."""
    directory = import_brainchop(folder, tmp_path / "models")
    entry = read_entry(directory)
    assert (directory.name, entry.card.id, entry.state) == ("brain-structures", "brain-structures", ModelState.READY)
    (verdict,) = check(entry, OnnxRuntime())
    assert verdict.passed


def test_the_import_is_the_same_every_time(folder: Path, tmp_path: Path) -> None:
    """Two imports of the same files are one model, with one digest."""
    first, second = (read_entry(import_brainchop(folder, tmp_path / name)) for name in "ab")
    assert first.digest == second.digest


def test_the_card_says_what_the_model_is(folder: Path, tmp_path: Path) -> None:
    """17 structures with different codes and no side, RESEARCH, conform to 256 at 1 mm in LIA, the largest part."""
    card = read_entry(import_brainchop(folder, tmp_path)).card
    assert [label.number for label in card.labels] == list(range(1, 18))
    assert len({(label.concept.scheme, label.concept.value) for label in card.labels}) == 17
    assert {label.laterality for label in card.labels} == {None}
    assert card.labels[13].concept.model_dump() == {"value": "5366008", "scheme": "SCT", "meaning": "Hippocampus"}
    assert card.labels[3].colour_rgb == (4, 4, 4)
    assert card.research
    assert isinstance(card.preparation, VolumePreparation)
    assert (card.preparation.orientation, card.preparation.size) == ("LIA", (256, 256, 256))
    assert isinstance(card.interpretation, LabelMapInterpretation)
    assert card.interpretation.largest_component == "foreground"
    assert card.selection["modality"] == ["MR"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"Activation"', '"Lambda"', "Lambda"),
        ('"elu"', '"relu"', "relu"),
        ('"padding": "same"', '"padding": "valid"', "padding is valid"),
        ('"channels_last"', '"channels_first"', "data_format"),
        ('"dtype": "float32"', '"dtype": "float16"', "float16"),
        ('"paths": ["model.bin"]', '"paths": ["../../etc/passwd"]', "only model.bin is read"),
        ('["conv3d_0", 0, 0', '["elsewhere", 0, 0', "does not follow"),
        ('"weightsManifest"', '"weights"', "is not a MeshNet"),
        ('"shape": [5]', '"shape": [50000]', "is not a MeshNet"),
        ('"shape": [18]', '"shape": [17]', "holds"),
    ],
)
def test_what_is_not_a_meshnet_is_refused(folder: Path, tmp_path: Path, old: str, new: str, words: str) -> None:
    """Another layer, activation, padding, layout, dtype, path, order or size is refused by name; nothing is written."""
    change(folder, old, new)
    with pytest.raises(WeightsRefused, match=words):
        import_brainchop(folder, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_labels_that_are_not_known_are_refused(folder: Path, tmp_path: Path) -> None:
    """A colormap with other structures has no codes here, so no card is made of it."""
    (folder / "colormap.json").write_text(json.dumps({"labels": ["a", "b"], "R": [0, 1], "G": [0, 1], "B": [0, 1]}))
    with pytest.raises(WeightsRefused, match="colormap"):
        import_brainchop(folder, tmp_path / "models")


@pytest.mark.parametrize("name", ["model.json", "model.bin", "colormap.json"])
def test_a_missing_file_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    """A folder that is not brainchop's gives an error with the file that is missing."""
    (folder / name).unlink()
    with pytest.raises(WeightsRefused, match=name):
        import_brainchop(folder, tmp_path / "models")


def test_every_code_is_dicoms_own() -> None:
    """Codes and meanings are those that pydicom's dictionaries take from PS3.16."""
    concepts = pytest.importorskip("pydicom.sr._concepts_dict").concepts
    for _, code, scheme, meaning, least, greatest in _STRUCTURES.values():
        meanings = {known for entries in concepts[scheme].values() if code in entries for known in [entries[code][0]]}
        assert meaning in meanings
        assert least < greatest
