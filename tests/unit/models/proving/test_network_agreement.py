"""A network that is not what its card says is refused before any study is read."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from models.card.manifest import Card
from models.catalog import CatalogEntry, read_entry
from models.errors import CardError
from models.importing.imported_model import onnx_answer, write_model
from models.proving.checking import check
from models.proving.network_agreement import disagreement, require_agreement
from models.runtimes.onnx_runtime import OnnxRuntime
from tests.importing import wishes
from tests.readings import LABELS, SINUS, a_card, an_ecg_card

VOLUME = {"kind": "volume", "orientation": "RAS", "normalisation": "min-max"}
SPACED = VOLUME | {"fit": "spacing", "spacing_mm": [1.0, 1.0, 1.0]}
RESIZED = VOLUME | {"fit": "resize", "size": [16, 16, 16]}
WINDOWS = {"strategy": "sliding-window", "window": [9, 8, 8]}
SLICES = WINDOWS | {"window": [9, 1, 8], "slice_axis": 1}
SIGNALS = {"kind": "signals", "channels": ["I", "II"], "sampling_frequency_hz": 100, "samples": 50}
CLASSES = {"kind": "classification", "activation": "softmax", "classes": [{"name": "a", "concept": SINUS.model_dump()}]}


def a_network(shape: list[Any], outputs: tuple[str, ...] = ("logits",)) -> onnx.ModelProto:
    """Return a network that answers its input, in each of its outputs; how many channels that are, it does not say."""
    answered = [*shape[:1], "channels", *shape[2:]] if len(shape) > 2 else shape
    graph = helper.make_graph(
        [helper.make_node("Identity", ["input"], [name]) for name in outputs],
        "same",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, answered) for name in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def card(**changes: Any) -> Card:
    """Return the card of a network that reads windows of classes."""
    return a_card(**({"preparation": SPACED, "inference": WINDOWS, "interpretation": {"kind": "classes"}} | changes))


@pytest.mark.parametrize(
    ("changes", "shape", "told"),
    [
        ({}, [1, 1, 8, 8, 8], "inference.window: the card makes inputs of 1x9x8x8 (channels first), and network main"),
        ({}, [1, 2, "d", "h", "w"], "preparation.channels: "),
        ({"networks": {"main": {"max_batch": 4}}}, [1, 1, 9, 8, 8], "networks.main.max_batch: 4 inputs at once"),
        ({}, [1, 1, 8, 8], "inference.slice_axis: the input of network main has 4 axes, and volume makes 5"),
        ({"inference": SLICES}, [1, 1, 8, 8, 8], "inference.slice_axis: the input of network main has 5 axes, and"),
        ({"inference": SLICES}, [1, 1, 9, 9], "inference.window: the card makes inputs of 1x9x8 (channels first), and"),
        (
            {"preparation": RESIZED, "inference": {"strategy": "whole"}},
            [1, 1, 16, 16],
            "preparation.kind: the input of network main has 4 axes, and volume makes 5",
        ),
        ({"preparation": RESIZED, "inference": {"strategy": "whole"}}, [1, 1, 16, 16, 17], "preparation.size: "),
        (
            {"preparation": RESIZED, "inference": {"strategy": "slices", "neighbours": 1}},
            [1, 1, 16, 16],
            "inference.neighbours: ",
        ),
        (
            {
                "preparation": SIGNALS | {"normalisation": "none"},
                "inference": {"strategy": "whole"},
                "interpretation": CLASSES,
                "labels": [],
            },
            [1, 2, 60],
            "preparation.samples: ",
        ),
    ],
    ids=["window", "channels", "batch", "plane", "no plane", "slice", "axes", "size", "neighbours", "samples"],
)
def test_a_fixed_input_of_another_shape_is_named(changes: dict[str, Any], shape: list[Any], told: str) -> None:
    """The key that says the side is told, with both shapes."""
    assert disagreement(card(**changes), "main", a_network(shape)).startswith(told)


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({}, [1, 1, 9, 8, 8]),
        ({}, ["n", 1, "d", "h", "w"]),
        ({"inference": {"strategy": "whole"}}, [1, 1, 7, 7, 7]),
        ({"preparation": RESIZED | {"crop_above": 0.0}, "inference": {"strategy": "whole"}}, [1, 1, 8, 8, 8]),
    ],
    ids=["the same", "any", "as the images are", "cropped"],
)
def test_what_agrees_or_depends_on_the_images_is_not_refused(changes: dict[str, Any], shape: list[Any]) -> None:
    """Only what the files prove counts."""
    assert disagreement(card(**changes), "main", a_network(shape)) == ""


def test_the_second_network_is_compared_with_its_own_size() -> None:
    """The locator reads the coarse grid, main reads `read_size`."""
    both = card(
        preparation=RESIZED,
        inference={"strategy": "locate-then-read", "plane_mean_above": 0.1, "read_size": [8, 8, 8]},
        networks={"locator": {}, "main": {}},
    )
    assert disagreement(both, "locator", a_network([1, 1, 16, 16, 16])) == ""
    assert disagreement(both, "main", a_network([1, 1, 16, 16, 16])).startswith("inference.read_size: ")


@pytest.mark.parametrize("strategy", [WINDOWS, {"strategy": "slices"}, {"strategy": "whole"}])
def test_a_label_map_is_one_output(strategy: dict[str, Any]) -> None:
    """Auxiliary heads are named; which of them is the answer no file says."""
    told = disagreement(card(inference=strategy), "main", a_network([1, 1, 9, 8, 8], ("main_head", "deep")))
    assert told.startswith("networks.main: the network has 2 outputs (main_head, deep), and kind = classes reads one")


@pytest.mark.parametrize(
    ("interpretation", "told"),
    [
        (CLASSES, "interpretation.answer_output: must be set for 2 outputs; allowed are a, b"),
        (CLASSES | {"answer_output": "c"}, "interpretation.answer_output: network main has no output 'c'; allowed"),
        (CLASSES | {"answer_output": "a", "heat_map_output": "c"}, "interpretation.heat_map_output: network main"),
        ({"kind": "boxes"}, "interpretation.boxes_output: network main has no output 'boxes'; allowed are a, b"),
        (CLASSES | {"answer_output": "a"}, "interpretation.classes: the card has 1, and network main answers 1xanyx16"),
    ],
)
def test_outputs_that_the_card_names_are_there(interpretation: dict[str, Any], told: str) -> None:
    """Else every read would fail."""
    labels = [LABELS[0].model_dump()]
    found = disagreement(
        card(interpretation=interpretation, labels=labels, inference={"strategy": "whole"}, preparation=RESIZED),
        "main",
        a_network([1, 1, 16, 16, 16], ("a", "b")),
    )
    assert found.startswith(told)


def test_a_recording_may_have_several_answers() -> None:
    """An ECG's network answers frames, beats and rhythm; its samples are the card's."""
    assert disagreement(an_ecg_card(), "main", a_network([1, 5000], ("a", "b", "c"))) == ""
    assert disagreement(an_ecg_card(), "main", a_network([1, 4000])).startswith("preparation.samples: ")


def test_what_contradicts_its_card_is_not_imported(tmp_path: Path) -> None:
    """Nothing is written."""
    network = a_network([1, 2, 8, 8, 8], ("a", "b")).SerializeToString()
    table = wishes() | {"preparation": SPACED, "inference": WINDOWS, "interpretation": {"kind": "classes"}}
    with pytest.raises(CardError, match=r"2 outputs \(a, b\)"):
        write_model(tmp_path, table, network, onnx_answer(network))
    network = a_network([1, 1, 8, 8, 8]).SerializeToString()
    with pytest.raises(CardError, match=r"^inference\.window: .* takes 1x8x8x8 alone"):
        write_model(tmp_path, table, network, onnx_answer(network))
    assert not list(tmp_path.rglob("model.toml"))


def test_what_contradicts_its_card_does_not_pass_the_check(threshold_model: CatalogEntry) -> None:
    """The card's file and the key are named before a runtime is asked."""
    network, text = (threshold_model.directory / name for name in ("model.onnx", "model.toml"))
    before = sha256(network.read_bytes()).hexdigest()
    onnx.save(a_network([1, 1, 8, 8, 8], ("labels",)), network)
    text.write_text(text.read_text().replace(before, sha256(network.read_bytes()).hexdigest()))
    with pytest.raises(CardError, match=r"model\.toml: preparation\.size: .* takes 1x8x8x8 alone"):
        check(read_entry(threshold_model.directory), OnnxRuntime())


@pytest.mark.parametrize("content", [b"{}", b"\x08\x07garbage", bytes(40)])
def test_a_file_that_is_no_network_is_left_to_the_runtime(threshold_model: CatalogEntry, content: bytes) -> None:
    """It says what is wrong with the file; the card is not to blame."""
    (threshold_model.directory / "model.onnx").unlink()
    require_agreement(threshold_model)
    (threshold_model.directory / "model.onnx").write_bytes(content)
    require_agreement(threshold_model)


def test_a_defect_is_not_taken_for_a_bad_file(threshold_model: CatalogEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else no network would be compared with its card any more, and nobody would know."""

    def failing(*_arguments: object, **_named: object) -> None:
        raise AttributeError("a defect")

    monkeypatch.setattr(onnx, "load", failing)
    with pytest.raises(AttributeError, match="a defect"):
        require_agreement(threshold_model)
