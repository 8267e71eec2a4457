"""ONNX and TorchScript files become models whose answers are their origin's."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import platformdirs
import pytest
import tomli_w
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.card.card_network import PackageFile
from models.catalog import BUILT_IN, ModelState, read_entry
from models.errors import CardError, ModelError, WeightsRefused
from models.importing.import_kinds import import_from
from models.importing.imported_model import DRAFT, write_model
from models.importing.weights import fetch_member
from models.loaded import LoadedModel
from models.proving.checking import check
from models.proving.runtime_choice import runtime_named
from models.runtimes.onnx_runtime import OnnxRuntime
from tests.importing import oblique_head, read_by, wishes
from tests.optional import need
from tests.torch_programs import small_unet

VOLUME: dict[str, Any] = {
    "preparation": {
        "kind": "volume",
        "orientation": "RAS",
        "fit": "spacing",
        "spacing_mm": [2.0, 2.0, 2.0],
        "normalisation": "z-score",
    },
    "inference": {"strategy": "sliding-window", "window": [16, 24, 24]},
    "interpretation": {"kind": "classes"},
}


def card_file(folder: Path, table: dict[str, Any]) -> Path:
    """Write a table as TOML."""
    file = folder / "card.toml"
    file.write_text(tomli_w.dumps(table))
    return file


def test_a_torchscript_file_becomes_a_model(tmp_path: Path) -> None:
    """Card, ONNX and golden files of torch's own answers; ONNX Runtime gives them, and the model reads a volume."""
    torch = need("torch")
    with warnings.catch_warnings():
        # The tracer's, about checks of shapes inside torch's own layers.
        warnings.simplefilter("ignore")
        torch.jit.trace(small_unet(), torch.zeros(1, 1, 16, 24, 24)).save(str(tmp_path / "net.pt"))
    made = import_from("torchscript", tmp_path / "net.pt", card_file(tmp_path, wishes() | VOLUME), tmp_path / "models")
    entry = read_entry(made)
    assert entry.state is ModelState.READY
    assert entry.card.networks["main"].max_batch == 4
    (verdict,) = check(entry, OnnxRuntime())
    assert verdict.passed
    assert verdict.deviation < 1e-4
    labels = read_by(made, oblique_head())
    assert labels.shape == (40, 52, 48)
    assert len(np.unique(labels)) > 1


SPACED = VOLUME["preparation"] | {"spacing_mm": [2.0, 0.0, 2.0]}
RESIZED = {key: value for key, value in SPACED.items() if key != "spacing_mm"} | {"fit": "resize", "size": [16, 9, 24]}


@pytest.mark.parametrize(
    ("preparation", "inference"),
    [
        (SPACED, {"strategy": "sliding-window", "window": [16, 1, 24], "slice_axis": 1}),
        (RESIZED, {"strategy": "slices", "axis": 1, "neighbours": 1}),
    ],
    ids=["windows", "whole slices"],
)
def test_a_torchscript_file_of_slices_becomes_a_model(
    tmp_path: Path, preparation: dict[str, Any], inference: dict[str, Any]
) -> None:
    """A network of two dimensions is shown an example of two, with its neighbours as channels."""
    torch = need("torch")
    torch.manual_seed(0)
    module = torch.nn.Conv2d(1 + 2 * inference.get("neighbours", 0), 3, 3, padding=1)
    torch.jit.script(module).save(str(tmp_path / "net.pt"))
    table = wishes() | VOLUME | {"preparation": preparation, "inference": inference}
    made = import_from("torchscript", tmp_path / "net.pt", card_file(tmp_path, table), tmp_path / "models")
    assert all(verdict.passed for verdict in check(read_entry(made), OnnxRuntime()))
    labels = read_by(made, oblique_head())
    assert len(np.unique(labels)) > 1


def test_a_module_brings_a_program_too(tmp_path: Path) -> None:
    """A module with source is written as an exported program too, which the runtime torch proves by the golden file."""
    need("torch")
    from models.importing.import_torch import import_module  # noqa: PLC0415

    example = np.zeros((1, 1, 16, 24, 24), np.float32)
    made = import_module(small_unet(), wishes() | VOLUME, tmp_path, example=example, free_sides=False)
    entry = read_entry(made)
    assert entry.card.networks["main"].pt2_sha256 is not None
    (verdict,) = check(entry, runtime_named("torch"))
    assert verdict.passed
    model = LoadedModel.load(entry, runtime_named("torch"), 1)
    several = np.repeat(example, entry.card.networks["main"].max_batch, axis=0)
    assert len(several) > 1
    assert len(model.infer("main", {"input": several})["logits"]) == len(several)
    model.close()
    (made / "model.pt2").write_bytes(b"another")
    assert read_entry(made).state is ModelState.BROKEN


def test_deepbet_from_pypi_is_imported(tmp_path: Path) -> None:
    """A real TorchScript file of a package gives, through the importer, what it gives in torch."""
    need("torch")
    built_in = read_entry(BUILT_IN / "brain_extraction").card
    reference = built_in.networks["main"].weights
    assert reference is not None
    member = PackageFile.model_validate(reference.model_dump(include=set(PackageFile.model_fields)))
    file = Path(platformdirs.user_cache_dir("wetread-tests")) / "deepbet-model.pt"
    fetch_member(member, file, wheels=None, report=print)
    table = wishes(labels=wishes()["labels"][:1]) | {
        "preparation": {
            "kind": "volume",
            "orientation": "RAS",
            "fit": "resize",
            "size": [128, 128, 128],
            "interpolation": "nearest",
            "normalisation": "percentile-z-score",
            "percentiles": [0.5, 99.5],
            "scale": 0.226,
            "offset": 0.449,
        },
        "inference": {"strategy": "whole"},
        "interpretation": {
            "kind": "probability",
            "activation": "probabilities",
            "largest_component": "foreground",
        },
    }
    made = import_from("torchscript", file, card_file(tmp_path, table), tmp_path / "models")
    (verdict,) = check(read_entry(made), OnnxRuntime(), threads=2)
    assert verdict.passed


def a_network(file: Path, *, name: str = "image", inputs: int = 1) -> Path:
    """Write an ONNX file that doubles its input, of any batch and size."""
    shape = ["n", 1, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Add", [name, name], ["twice"])],
        "twice",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in (name, "other")[:inputs]],
        [helper.make_tensor_value_info("twice", TensorProto.FLOAT, shape)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


IMAGE: dict[str, Any] = {
    "preparation": {"kind": "image", "size": [32, 40], "normalisation": "min-max"},
    "inference": {"strategy": "whole"},
    "interpretation": {"kind": "multi-label"},
    "labels": wishes()["labels"][:1],
}


def test_an_onnx_file_gets_our_names(tmp_path: Path) -> None:
    """The input is called what wetread calls it, a free first axis becomes a batch, golden files are its own."""
    file = a_network(tmp_path / "net.onnx")
    made = import_from("onnx", file, card_file(tmp_path, wishes() | IMAGE), tmp_path / "models")
    entry = read_entry(made)
    assert entry.state is ModelState.READY
    assert entry.card.networks["main"].max_batch == 4
    assert [one.name for one in onnx.load(made / "model.onnx").graph.input] == ["input"]
    assert all(verdict.passed for verdict in check(entry, OnnxRuntime()))


def test_a_network_that_looks_at_its_whole_batch_is_given_one_input(tmp_path: Path) -> None:
    """Else what is answered for one patient would depend on whose images happen to wait beside them."""
    shape = ["n", 1, "h", "w"]
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["image"], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Sub", ["image", "mean"], ["centred"]),
            helper.make_node("Add", ["centred", "image"], ["out"]),
        ],
        "together",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
    )
    file = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    made = import_from("onnx", file, card_file(tmp_path, wishes() | IMAGE), tmp_path / "models")
    assert read_entry(made).card.networks["main"].max_batch == 1


def a_detector(file: Path) -> Path:
    """Write an ONNX file that finds nothing: boxes (0, 4), scores (0,) and classes (0,) of images of any size."""
    scores = np.zeros((1, 1, 3), np.float32)
    held = {
        "every_box": np.zeros((1, 3, 4), np.float32),
        "every_score": scores,
        "most": np.array([5], np.int64),
        "iou": np.array([0.5], np.float32),
        "least": np.array([0.9], np.float32),
        "last": np.array([2], np.int64),
        "flat_boxes": np.zeros((3, 4), np.float32),
        "flat_scores": np.zeros(3, np.float32),
        "nothing": np.zeros((), np.float32),
        "flat": np.array([-1], np.int64),
    }
    graph = helper.make_graph(
        [
            # The images are asked, and say nothing.
            helper.make_node("ReduceMax", ["image"], ["brightest"], keepdims=0),
            helper.make_node("Mul", ["brightest", "nothing"], ["none"]),
            helper.make_node("Add", ["every_score", "none"], ["asked"]),
            helper.make_node("NonMaxSuppression", ["every_box", "asked", "most", "iou", "least"], ["kept"]),
            helper.make_node("Gather", ["kept", "last"], ["places"], axis=1),
            helper.make_node("Reshape", ["places", "flat"], ["rows"]),
            helper.make_node("Gather", ["flat_boxes", "rows"], ["boxes"]),
            helper.make_node("Gather", ["flat_scores", "rows"], ["scores"]),
            helper.make_node("Cast", ["rows"], ["classes"], to=TensorProto.INT64),
        ],
        "detector",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, "h", "w"])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["k", 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["k"]),
            helper.make_tensor_value_info("classes", TensorProto.INT64, ["k"]),
        ],
        [numpy_helper.from_array(array, name) for name, array in held.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def test_a_detector_that_finds_nothing_in_noise_is_imported(tmp_path: Path) -> None:
    """Its golden answer is empty, and is given again."""
    table = wishes() | IMAGE | {"interpretation": {"kind": "boxes"}}
    made = import_from("onnx", a_detector(tmp_path / "net.onnx"), card_file(tmp_path, table), tmp_path / "models")
    with np.load(made / "golden.npz") as golden:
        assert golden["expected.boxes"].shape == (0, 4)
    assert all(verdict.passed for verdict in check(read_entry(made), OnnxRuntime()))


def a_detector_of_one(file: Path) -> Path:
    """Write an ONNX file that finds one thing in each image: boxes (n, 4), scores (n,) and classes (n,) of n images."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["image"], ["brightness"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Sigmoid", ["brightness"], ["scores"]),
            helper.make_node("Reshape", ["scores", "column"], ["corner"]),
            helper.make_node("Concat", ["corner"] * 4, ["boxes"], axis=1),
            helper.make_node("Cast", ["scores"], ["classes"], to=TensorProto.INT64),
        ],
        "detector",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["k", 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["k"]),
            helper.make_tensor_value_info("classes", TensorProto.INT64, ["k"]),
        ],
        [numpy_helper.from_array(np.array([-1, 1], np.int64), "column")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def test_a_detector_is_given_one_input(tmp_path: Path) -> None:
    """How many boxes there are says nothing of how many images were asked: whose is which?"""
    table = wishes() | IMAGE | {"interpretation": {"kind": "boxes"}}
    file = a_detector_of_one(tmp_path / "net.onnx")
    made = import_from("onnx", file, card_file(tmp_path, table), tmp_path / "models")
    assert read_entry(made).card.networks["main"].max_batch == 1
    together = table | {"networks": {"main": {"max_batch": 2}}}
    with pytest.raises(CardError, match=r"networks\.main\.max_batch"):
        import_from("onnx", file, card_file(tmp_path, together), tmp_path / "others")


def test_an_origin_that_answers_in_another_shape_is_told(tmp_path: Path) -> None:
    """Shapes are compared before numbers, which could not be subtracted."""

    def origin(_inputs: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[Any]]:
        return {"twice": np.zeros((1, 1, 3, 7), np.float32)}

    network = a_network(tmp_path / "net.onnx").read_bytes()
    with pytest.raises(WeightsRefused, match=r"twice in the shape \(1, 1, 32, 40\), its origin in \(1, 1, 3, 7\)"):
        write_model(tmp_path / "models", wishes() | IMAGE, network, origin)


def test_what_no_file_says_is_asked_for(tmp_path: Path) -> None:
    """Without a card there is no model, but a draft, and the message names the keys that are missing."""
    with pytest.raises(CardError, match=r"labels|id: must be set") as refusal:
        import_from("onnx", a_network(tmp_path / "net.onnx"), None, tmp_path / "models")
    draft = tmp_path / "models" / "imported-model" / DRAFT
    assert str(draft) in str(refusal.value)
    assert "model.onnx" in draft.read_text()
    assert not (draft.parent / "model.toml").exists()


@pytest.mark.parametrize("wrong", ["../elsewhere", "/elsewhere", "", 7])
def test_a_draft_lies_among_the_models_whatever_the_id_is(tmp_path: Path, wrong: object) -> None:
    """A card of somebody else's must not have files made in other places."""
    card = tmp_path / "card.toml"
    card.write_text(tomli_w.dumps(wishes() | IMAGE | {"id": wrong}))
    with pytest.raises(CardError, match=r"id: ") as refusal:
        import_from("onnx", a_network(tmp_path / "net.onnx"), card, tmp_path / "models")
    assert str(tmp_path / "models" / "imported-model" / DRAFT) in str(refusal.value)
    assert len(list(tmp_path.rglob(DRAFT))) == 1


@pytest.mark.parametrize("wrong", ["two inputs", "no network", "another answer"])
def test_what_cannot_be_a_model_is_refused(tmp_path: Path, wrong: str) -> None:
    """Two inputs, bytes that are no network, a network that does not answer the card's shape: nothing is written."""
    file = a_network(tmp_path / "net.onnx", inputs=2 if wrong == "two inputs" else 1)
    if wrong == "no network":
        file.write_bytes(b"\x08\x07 nothing" * 9)
    table = wishes() | IMAGE
    if wrong == "another answer":
        table |= {"preparation": {"kind": "waveform", "channel": "II", "sampling_frequency_hz": 500, "samples": 50,
                                  "normalisation": "average-rank"}}  # fmt: skip
    with pytest.raises(ModelError):
        import_from("onnx", file, card_file(tmp_path, table), tmp_path / "models")
    assert not list((tmp_path / "models").glob("*/model.toml"))


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    """A format that does not exist is answered with those that do."""
    with pytest.raises(ModelError, match="brainchop, onnx, torchscript, monai, nnunet"):
        import_from("caffe", tmp_path, None, tmp_path)
