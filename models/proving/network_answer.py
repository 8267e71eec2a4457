"""Whether what a network answers can be what its card says: as far as the ONNX file tells, before it is asked. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from models.card.card_inference import Slices
from models.card.card_interpretation import ClassificationInterpretation, LabelMapInterpretation, NumbersInterpretation
from models.card.manifest import Card

if TYPE_CHECKING:
    import onnx

#: Nodes that answer otherwise each time: one input would not give the same result twice.
_RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
#: Nodes that leave every value as it is.
_PASSING = {"Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"}
_PROBABILITIES = {"Sigmoid", "Softmax"}
_LARGEST_LABEL = 255
_TRAINING_INPUT = 2  # of Dropout: ratio comes before it


def answer_problem(card: Card, network: str, model: "onnx.ModelProto") -> str:
    """Return the key of the card that a network's answer contradicts, and what it may say; empty where they agree.

    Args:
        card: The model's.
        network: Its name there.
        model: The network, with the outputs that the card names.
    """
    return _of_chance(network, model) or _of_activation(card, model.graph) or _of_shape(card, network, model.graph)


def _of_chance(network: str, model: "onnx.ModelProto") -> str:
    parts = (model.graph, *model.functions)
    nodes = [(node, part) for part in parts for node in _nodes(part)]
    drawn = [
        node.op_type
        for node, part in nodes
        if node.op_type in _RANDOM or (node.op_type == "Dropout" and _is_training(node, part))
    ]
    if not drawn:
        return ""
    return (
        f"networks.{network}: the network draws random numbers ({drawn[0]}), so that it never answers the same twice; "
        "export it again as it is asked, not as it is trained (`module.eval()`)"
    )


def _of_activation(card: Card, graph: "onnx.GraphProto") -> str:
    """Say where probabilities would be taken for what probabilities are made of: none would be below a half."""
    how = card.interpretation
    if isinstance(how, ClassificationInterpretation):
        output, made, instead = how.answer_output or graph.output[0].name, how.activation != "none", "none"
    elif isinstance(how, LabelMapInterpretation) and how.kind in ("probability", "multi-label", "regions"):
        output, made, instead = graph.output[0].name, how.activation == "logits", "probabilities"
    else:
        return ""
    ending = _ending(graph, output)
    if made and ending in _PROBABILITIES:
        return (
            f"interpretation.activation: the network ends in {ending}, so it answers probabilities already, and "
            f"{how.activation!r} is for one that does not; allowed is {instead!r}"
        )
    return ""


def _of_shape(card: Card, network: str, graph: "onnx.GraphProto") -> str:
    how = card.interpretation
    if isinstance(how, LabelMapInterpretation):
        return _of_label_map(card, how, network, graph)
    if isinstance(how, ClassificationInterpretation):
        return _of_row("classes", len(how.classes), network, _sides(graph, how.answer_output))
    if isinstance(how, NumbersInterpretation):
        return _of_row("numbers", len(how.numbers), network, _sides(graph, ""))
    return ""


def _of_row(key: str, count: int, network: str, sides: list[int]) -> str:
    """Say where an answer about the whole input is another than a row of so many."""
    if sides and ((sides[-1] or count) != count or len(sides) > 2):  # noqa: PLR2004
        return (
            f"interpretation.{key}: the card has {count}, and network {network} answers {_words(sides)}; "
            f"(1, {count}) is what is read"
        )
    return ""


def _of_label_map(card: Card, how: LabelMapInterpretation, network: str, graph: "onnx.GraphProto") -> str:
    held = {each.name for each in graph.initializer}
    given = next((each.type.tensor_type.shape.dim for each in graph.input if each.name not in held), ())
    sides, largest = _sides(graph, ""), max((label.number for label in card.labels), default=0)
    if not sides or not given:
        return ""  # the file does not say them
    if len(sides) == len(given) - 1 and (how.kind == "labels" or isinstance(card.inference, Slices)):
        sides.insert(1, 1)  # label numbers, and any answer to slices, may do without the axis of one channel
    least, most = {
        "labels": (1, 1),
        "probability": (1, 2),
        "classes": (largest + 1, _LARGEST_LABEL + 1),
    }.get(how.kind, (largest, _LARGEST_LABEL))
    if len(sides) != len(given):
        return (
            f"interpretation.kind: network {network} answers {len(sides)} axes ({_words(sides)}) to an input of "
            f"{len(given)}, and {how.kind} is read from (1, channels, ...); is it a network of another kind?"
        )
    if sides[1] and not least <= sides[1] <= most:
        needs = f"{least} to {most}" if least < most else str(least)
        return (
            f"interpretation.kind: network {network} answers {sides[1]} channels, and {how.kind} with labels up to "
            f"{largest} is read from {needs}; mend kind, or [[labels]]"
        )
    return ""


def _nodes(part: "onnx.GraphProto | onnx.FunctionProto") -> Iterator["onnx.NodeProto"]:
    """Yield all nodes of a graph or a function, those within branches and loops too."""
    for node in part.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _is_training(node: "onnx.NodeProto", part: "onnx.GraphProto | onnx.FunctionProto") -> bool:
    """Say whether a Dropout drops: the constant that says so is true."""
    name = node.input[_TRAINING_INPUT] if len(node.input) > _TRAINING_INPUT else ""
    # A function holds no constants but those that its nodes make.
    held = [each for each in getattr(part, "initializer", ()) if each.name == name]
    made = [each for inner in _nodes(part) if name in inner.output for each in inner.attribute if each.name == "value"]
    values = [*held, *(each.t for each in made)] if name else []
    return any(any(value.raw_data) or any(value.int32_data) for value in values)


def _ending(graph: "onnx.GraphProto", name: str) -> str:
    """Return the kind of node that an output's values come from."""
    makes = {output: node for node in graph.node for output in node.output}
    node = makes.get(name)
    while node is not None and node.op_type in _PASSING and node.input:
        node = makes.get(node.input[0])
    return node.op_type if node is not None else ""


def _sides(graph: "onnx.GraphProto", output: str) -> list[int]:
    """Return an output's sides, 0 where they are free; none where the file does not say them."""
    found = next((each for each in graph.output if not output or each.name == output), None)
    return [int(side.dim_value) for side in found.type.tensor_type.shape.dim] if found is not None else []


def _words(sides: list[int]) -> str:
    return "x".join(str(side or "any") for side in sides)
