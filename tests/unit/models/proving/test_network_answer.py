"""What a network's file says of its answer is compared with the card before any study is read."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.card.card_inference import Slices
from models.card.manifest import Card
from models.proving.network_agreement import disagreement
from tests.readings import LABELS, SINUS, a_card

RESIZED = {"kind": "volume", "orientation": "RAS", "normalisation": "min-max", "fit": "resize", "size": [8, 8, 8]}
WHOLE = {"strategy": "whole"}
ANSWERS = {"kind": "classification", "classes": [{"name": "a", "concept": SINUS.model_dump()}, {"name": "b"}]}


def card(kind: str = "classes", **interpretation: Any) -> Card:
    """Return the card of a network that reads a volume at once; it has labels 1 and 2."""
    said = {"kind": kind, **interpretation}
    count = {"classification": 0, "probability": 1}.get(kind, 2)
    labels = [LABELS[place].model_dump() | {"number": place + 1} for place in range(count)]
    return a_card(preparation=RESIZED, inference=WHOLE, interpretation=said, labels=labels)


def a_network(answer: list[Any] | None, *ending: onnx.NodeProto, given: tuple[Any, ...] = (1, 1, 8, 8, 8)) -> Any:
    """Return a network that ends so; its nodes are not run here, only looked at."""
    graph = helper.make_graph(
        [*(ending or (helper.make_node("Relu", ["input"], ["out"]),))],
        "network",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, answer)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("kind", "answer", "told"),
    [
        ("classes", [1, 8, 8, 8], "interpretation.kind: network main answers 4 axes (1x8x8x8) to an input of 5, and"),
        (
            "classes",
            [1, 2, 8, 8, 8],
            "interpretation.kind: network main answers 2 channels, and classes with labels up",
        ),
        (
            "regions",
            [1, 1, 8, 8, 8],
            "interpretation.kind: network main answers 1 channels, and regions with labels up",
        ),
        ("labels", [1, 3, 8, 8, 8], "interpretation.kind: network main answers 3 channels, and labels with labels up"),
        ("probability", [1, 3, 8, 8, 8], "interpretation.kind: network main answers 3 channels, and probability with"),
        ("classes", [1, 3, 8, 8, 8], ""),
        ("classes", ["n", "c", "d", "h", "w"], ""),
        ("classes", None, ""),
        ("labels", [1, 8, 8, 8], ""),
        ("labels", [1, 1, 8, 8, 8], ""),
        ("multi-label", [1, 2, 8, 8, 8], ""),
    ],
)
def test_an_answer_of_another_shape_is_named(kind: str, answer: list[Any] | None, told: str) -> None:
    """Else the model was ready, proved itself, and every read of it failed."""
    found = disagreement(card(kind), "main", a_network(answer))
    assert found.startswith(told)
    assert bool(found) == bool(told)


@pytest.mark.parametrize(("kind", "agrees"), [("probability", True), ("labels", True), ("classes", False)])
def test_an_answer_to_slices_may_do_without_channels(*, kind: str, agrees: bool) -> None:
    """It is read as one channel, which is too few for classes."""
    how = card(kind).model_copy(update={"inference": Slices(strategy="slices")})
    told = disagreement(how, "main", a_network(["n", 8, 8], given=("n", 1, 8, 8)))
    assert bool(told) != agrees


@pytest.mark.parametrize(
    ("answer", "refused"), [([1, 3], True), ([1, 2, 8, 8], True), ([1, 2], False), ([2], False), (["n", "c"], False)]
)
def test_classes_are_as_many_as_the_network_answers(*, answer: list[Any], refused: bool) -> None:
    """With others their names would be another's."""
    told = disagreement(card(**ANSWERS | {"activation": "softmax"}), "main", a_network(answer))
    assert told.startswith("interpretation.classes: the card has 2") if refused else told == ""


@pytest.mark.parametrize("ending", ["Softmax", "Sigmoid"])
@pytest.mark.parametrize("passing", ["", "Reshape", "Cast"])
def test_probabilities_are_not_made_of_probabilities(ending: str, passing: str) -> None:
    """A half and more would be told of everything: 0 becomes 50 %, 1 becomes 73 %."""
    last = [helper.make_node(passing, ["inner"], ["out"])] if passing else []
    nodes = [helper.make_node(ending, ["input"], ["inner" if passing else "out"]), *last]
    for how, allowed in (
        (ANSWERS | {"activation": "sigmoid"}, "none"),
        ({"kind": "multi-label"}, "probabilities"),
        ({"kind": "regions"}, "probabilities"),
    ):
        network = a_network([1, 2] if how["kind"] == "classification" else [1, 2, 8, 8, 8], *nodes)
        told = disagreement(card(**how), "main", network)
        assert told.startswith(f"interpretation.activation: the network ends in {ending}")
        assert told.endswith(f"allowed is {allowed!r}")
        assert disagreement(card(**how | {"activation": allowed}), "main", network) == ""
    # Of classes the highest counts, whichever they are.
    assert disagreement(card("classes"), "main", a_network([1, 3, 8, 8, 8], *nodes)) == ""


def dropout(*, training: bool) -> list[onnx.NodeProto]:
    """Return the end of a network with a Dropout that drops, or does not."""
    said = numpy_helper.from_array(np.array(training))
    return [
        helper.make_node("Constant", [], ["training"], value=said),
        helper.make_node("Dropout", ["input", "", "training"], ["out"]),
    ]


def a_function(shape: list[int | str], *body: onnx.NodeProto) -> onnx.ModelProto:
    """Return a network that is one call of a function with these nodes, as torch exports modules."""
    model = a_network(shape, helper.make_node("Module", ["input"], ["out"], domain="own"))
    opsets = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("own", "Module", ["input"], ["out"], body, opsets))
    return model


def test_a_network_that_draws_random_numbers_is_refused() -> None:
    """The same images would give another result each time; one that was exported in training does so."""
    shape = [1, 3, 8, 8, 8]
    drawn = helper.make_node("RandomNormalLike", ["input"], ["noise"])
    added = helper.make_node("Add", ["input", "noise"], ["out"])
    inside = helper.make_graph([drawn], "branch", [], [])
    branch = helper.make_node("If", ["yes"], ["out"], then_branch=inside, else_branch=inside)
    networks = [a_network(shape, *ending) for ending in ([drawn, added], dropout(training=True), [branch])]
    networks += [a_function(shape, *body) for body in ([drawn, added], dropout(training=True))]
    for network in networks:
        told = disagreement(card(), "main", network)
        assert told.startswith("networks.main: the network draws random numbers (")
    assert disagreement(card(), "main", a_function(shape, *dropout(training=False))) == ""
    assert disagreement(card(), "main", a_network(shape, *dropout(training=False))) == ""
    assert disagreement(card(), "main", a_network(shape, helper.make_node("Dropout", ["input"], ["out"]))) == ""


def test_a_network_answers_as_many_numbers_as_the_card_names() -> None:
    """In one output, one number after the other."""
    unit = {"value": "%", "scheme": "UCUM", "meaning": "Percent"}
    number = {"name": unit | {"value": "10230-1", "scheme": "LN"}, "unit": unit, "plausible": {}}
    one = a_card(labels=[], interpretation={"kind": "numbers", "numbers": [number]})
    given = (1, 1, 32, 32, 32)
    assert disagreement(one, "main", a_network([1, 1], given=given)) == ""
    told = disagreement(one, "main", a_network([1, 3], given=given))
    assert told == "interpretation.numbers: the card has 1, and network main answers 1x3; (1, 1) is what is read"
    two = a_network([1, 1], given=given)
    two.graph.output.append(two.graph.output[0])
    assert disagreement(one, "main", two).startswith(
        "networks.main: the network has 2 outputs (out, out), and kind = n"
    )
