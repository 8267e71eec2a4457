"""What is no ONNX file, or not all of one, is refused in words."""

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.catalog import read_entry
from models.errors import CardError, WeightsRefused
from models.importing.import_onnx import import_onnx
from models.importing.imported_model import _golden_input, with_labels
from models.importing.node_order import put_in_order
from models.proving.checking import check
from models.runtimes.onnx_runtime import OnnxRuntime
from tests.importing import wishes
from tests.readings import a_card

VOLUME = {"kind": "volume", "orientation": "RAS", "fit": "resize", "size": [8, 8, 8], "normalisation": "none"}
WHOLE = wishes(preparation=VOLUME, inference={"strategy": "whole"}, interpretation={"kind": "classes"})
ONE = wishes()["labels"][:1]


def with_data_elsewhere(folder: Path) -> bytes:
    """Return a network whose weights lie beside it in `w.bin`."""
    (folder / "w.bin").write_bytes(bytes(8))
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="w.bin")
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", sides[:1], sides[1:], [weights])
    network: bytes = helper.make_model(graph).SerializeToString()
    return network


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"w.bin", b"\xff.bin"), (b"w.bin", b"/etc/"), (b"w.bin", b"x.bin"), (b"x", b"")],
)
def test_what_is_not_all_there_is_refused(tmp_path: Path, before: bytes, after: bytes) -> None:
    """Whatever onnx raises over it; an admin sees what to do, and no defect of ours."""
    file = tmp_path / "network.onnx"
    file.write_bytes(with_data_elsewhere(tmp_path).replace(before, after))
    with pytest.raises(WeightsRefused, match=r"cannot be read as ONNX \(\w+\); export it again"):
        import_onnx(file, {}, tmp_path / "models")


def test_an_input_without_axes_is_refused(tmp_path: Path) -> None:
    """Nobody knows what to give to it; a made-up input would be blamed on the card."""
    model = onnx.load_from_string(with_data_elsewhere(tmp_path))
    model.graph.input[0].type.tensor_type.ClearField("shape")
    onnx.save(model, tmp_path / "network.onnx")
    with pytest.raises(WeightsRefused, match="does not say which axes the network's input x has; export it again"):
        import_onnx(tmp_path / "network.onnx", WHOLE, tmp_path / "models")


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ({"normalisation": "min-max"}, 0.0, 1.0),
        ({"normalisation": "min-max", "scale": 2.0, "offset": -1.0}, -1.0, 1.0),
        ({"normalisation": "z-score", "stretched": [0.0, 255.0]}, 0.0, 255.0),
        ({"normalisation": "z-score"}, -4.0, 4.0),
    ],
)
def test_a_golden_input_is_like_what_the_card_prepares(values: dict[str, object], low: float, high: float) -> None:
    """What lies beyond is clipped in int8: each network that gets 0 to 1 had failed its golden answer in it."""
    noise = _golden_input(a_card(preparation=VOLUME | values), [1, 1, 32, 32, 32])
    assert low <= noise.min() < noise.max() <= high
    assert float(np.ptp(noise)) > 0.7 * (high - low)


def a_network(file: Path) -> Path:
    """Write a network that answers two channels."""
    shapes = ([1, 1, 8, 8, 8], [1, 2, 8, 8, 8])
    given, answer = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("x", "y"), shapes, strict=True)
    )
    graph = helper.make_graph([helper.make_node("Concat", ["x", "x"], ["y"], axis=1)], "g", [given], [answer])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def test_what_the_golden_answer_may_differ_by_is_kept(tmp_path: Path) -> None:
    """It was dropped without a word, and a model that cannot do better failed on other machines."""
    said = WHOLE | {"labels": ONE, "golden": [{"max_relative_error": 0.25, "lower": {"min_dice": 0.5}}]}
    (golden,) = read_entry(import_onnx(a_network(tmp_path / "net.onnx"), said, tmp_path / "models")).card.golden
    assert (golden.file, golden.max_relative_error, golden.lower.min_dice) == ("golden.npz", 0.25, 0.5)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"networks": 3}, r"networks: an imported model has one, \[networks.main\]"),
        ({"networks": {"main": 3}}, r"networks: an imported model has one, \[networks.main\]"),
        ({"networks": {"locator": {}}}, r"networks: an imported model has one, \[networks.main\]"),
        ({"golden": 3}, r"golden: an imported model has one, \[\[golden\]\]"),
        ({"golden": [{}, {}]}, r"golden: an imported model has one, \[\[golden\]\]"),
        ({"golden": [{"min_dise": 1}]}, r"golden.0.min_dise: unknown key, did you mean min_dice\?"),
    ],
)
def test_what_cannot_be_said_of_an_imported_model_is_refused(
    tmp_path: Path, said: dict[str, object], told: str
) -> None:
    """In words, and not dropped without one."""
    with pytest.raises(CardError, match=told):
        import_onnx(a_network(tmp_path / "net.onnx"), WHOLE | {"labels": ONE} | said, tmp_path / "models")


@pytest.mark.parametrize("labels", [3, ["Mass"], [{"concept": {}}], [{"number": [1]}]])
def test_labels_that_are_said_otherwise_are_refused(labels: object) -> None:
    """By number or name they are found among those of the origin."""
    with pytest.raises(CardError, match=r"labels: must be tables, \[\[labels\]\], each with the number or the name"):
        with_labels({"labels": [{"number": 1, "name": "Mass"}]}, {"labels": labels})


def test_an_input_that_a_branch_reads_is_renamed_there_too(tmp_path: Path) -> None:
    """A network with branches or loops reads what lies outside of them by its name."""
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("a", "b")]
    ways = [
        helper.make_graph([helper.make_node("Concat", ["x"] * 3, [output.name], axis=1)], output.name, [], [output])
        for output in outputs
    ]
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [1])
    nodes = [
        helper.make_node("Constant", [], ["yes"], value=yes),
        helper.make_node("If", ["yes"], ["y"], then_branch=ways[0], else_branch=ways[1]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n, 8, 8, 8]) for name, n in (("x", 1), ("y", 3))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx")
    made = import_onnx(tmp_path / "n.onnx", WHOLE, tmp_path / "models")
    assert all(verdict.passed for verdict in check(read_entry(made), OnnxRuntime()))


def test_nodes_in_another_order_are_put_in_order(tmp_path: Path) -> None:
    """As a converter to 16-bit floats leaves them: what it adds stands at the end, whoever reads it."""
    nodes = [
        helper.make_node("Add", ["half", "half"], ["twice"]),
        helper.make_node("Cast", ["twice"], ["y"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
    ]
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 8, 8, 8]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", sides[:1], sides[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx")
    made = import_onnx(
        tmp_path / "n.onnx", WHOLE | {"interpretation": {"kind": "probability"}, "labels": ONE}, tmp_path
    )
    kinds = [node.op_type for node in onnx.load(made / "model.onnx").graph.node]
    assert kinds == ["Cast", "Add", "Cast"]
    assert all(verdict.passed for verdict in check(read_entry(made), OnnxRuntime()))


def test_thousands_of_nodes_are_put_in_order_at_once() -> None:
    """A pass over all for each of them would take minutes."""
    nodes = [helper.make_node("Relu", [f"v{place}"], [f"v{place + 1}"]) for place in range(3000)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("v0", "v3000")]
    graph = helper.make_graph(nodes[::-1], "g", ends[:1], ends[1:])
    started = time.process_time()
    put_in_order(graph)
    assert time.process_time() - started < 5.0
    assert [node.input[0] for node in graph.node] == [node.input[0] for node in nodes]


def test_a_loop_that_has_a_value_of_our_name_is_refused(tmp_path: Path) -> None:
    """Renamed, the network's input would be taken for that value: another answer."""
    sides = [1, 1, 8, 8, 8]

    def told(name: str, kind: int = TensorProto.FLOAT, shape: list[int] = sides) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    body = helper.make_graph(
        [helper.make_node("Add", ["input", "x"], ["sum"]), helper.make_node("Identity", ["going"], ["goes"])],
        "body",
        [told("place", TensorProto.INT64, []), told("going", TensorProto.BOOL, []), told("input")],
        [told("goes", TensorProto.BOOL, []), told("sum")],
    )
    held = [
        helper.make_tensor("times", TensorProto.INT64, [], [3]),
        helper.make_tensor("on", TensorProto.BOOL, [], [True]),
        helper.make_tensor("none", TensorProto.FLOAT, sides, [0.0] * 512),
    ]
    loop = helper.make_node("Loop", ["times", "on", "none"], ["y"], body=body)
    graph = helper.make_graph([loop], "g", [told("x")], [told("y")], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx")
    table = WHOLE | {"interpretation": {"kind": "probability"}, "labels": ONE}
    with pytest.raises(WeightsRefused, match="calls something inside it input"):
        import_onnx(tmp_path / "n.onnx", table, tmp_path)


def test_nodes_in_a_circle_are_refused(tmp_path: Path) -> None:
    """No order is one; ONNX's own check says so."""
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Add", ["a", "x"], ["b"])]
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 8, 8, 8]) for name in ("x", "b")]
    graph = helper.make_graph(nodes, "g", sides[:1], sides[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx")
    with pytest.raises(WeightsRefused, match="topologically sorted"):
        import_onnx(tmp_path / "n.onnx", WHOLE, tmp_path)
