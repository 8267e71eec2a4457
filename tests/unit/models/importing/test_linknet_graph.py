"""The shipped graph is what the tool writes, and its weights are inputs."""

import onnx

from models.card.manifest import load_card
from models.catalog import BUILT_IN
from models.importing.linknet_graph import linknet3d

_FOLDER = BUILT_IN / "brain_extraction"


def test_the_shipped_graph_is_reproducible() -> None:
    """Building it again gives the file in the package, byte for byte."""
    assert linknet3d().SerializeToString(deterministic=True) == (_FOLDER / "linknet3d.onnx").read_bytes()


def test_the_graph_holds_no_weights() -> None:
    """It ships architecture only: 38 slots of 2,126,258 parameters, and the ones and zeros of the normalisation."""
    graph = onnx.load(_FOLDER / "linknet3d.onnx").graph
    slots = {slot.name: [side.dim_value for side in slot.type.tensor_type.shape.dim] for slot in graph.input[1:]}
    parameters = 0
    for shape in slots.values():
        count = 1
        for side in shape:
            count *= side
        parameters += count
    assert (len(slots), parameters) == (38, 2_126_258)
    assert {constant.name.rstrip("0123456789") for constant in graph.initializer} == {"one", "zero"}


def test_the_card_fills_every_slot() -> None:
    """Both networks name a tensor for each slot, and no tensor twice."""
    graph = onnx.load(_FOLDER / "linknet3d.onnx").graph
    for network in load_card(_FOLDER / "model.toml").networks.values():
        assert network.weights is not None
        assert set(network.weights.tensors) == {slot.name for slot in graph.input[1:]}
        assert len(set(network.weights.tensors.values())) == len(network.weights.tensors)
