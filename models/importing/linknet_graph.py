"""Writes the ONNX graph of LinkNet3D, whose weights come by reference; for developers.

    python -m models.importing.linknet_graph models/cards/brain_extraction/linknet3d.onnx

LinkNet (Chaurasia and Culurciello 2017, arXiv:1707.03718) in three dimensions as deepbet (Fisch et al. 2024,
doi:10.1016/j.compbiomed.2024.108845) trained it: a residual encoder of four stages, a decoder whose stages are
*added* to the encoder's, instance normalisation without parameters. Every weight is an input of the graph, so the
file holds none and is valid by itself; `models.importing.weights` turns those inputs into initializers. The same call
writes the same bytes.
"""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_OPSET = 17
_IR_VERSION = 8  # the one that belongs to opset 17
_CHANNELS = (16, 16, 32, 64, 128)


class _Graph:
    """Collects nodes in the order in which they are asked for; every method returns the name of its answer."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.constants: dict[str, Any] = {}

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def weight(self, name: str, shape: Sequence[int]) -> str:
        self.weights.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return name

    def norm(self, x: str, channels: int) -> str:
        for kind, value in (("one", 1.0), ("zero", 0.0)):
            name = f"{kind}{channels}"
            self.constants[name] = numpy_helper.from_array(np.full(channels, value, np.float32), name)
        return self.node("InstanceNormalization", [x, f"one{channels}", f"zero{channels}"], epsilon=1e-5)

    def relu(self, x: str) -> str:
        return self.node("Relu", [x])

    def conv(self, x: str, name: str, shape: Sequence[int], *, stride: int = 1, bias: bool = False) -> str:
        inputs = [x, self.weight(f"{name}.weight", shape)]
        if bias:
            inputs.append(self.weight(f"{name}.bias", shape[:1]))
        size = shape[2]
        return self.node(
            "Conv",
            inputs,
            kernel_shape=[size] * 3,
            strides=[stride] * 3,
            pads=[size // 2] * 6,
            dilations=[1] * 3,
            group=1,
        )

    def up(self, x: str, name: str, shape: Sequence[int], *, stride: int, bias: bool = False) -> str:
        inputs = [x, self.weight(f"{name}.weight", shape)]
        if bias:
            inputs.append(self.weight(f"{name}.bias", shape[1:2]))
        size = shape[2]
        geometry = {"kernel_shape": [size] * 3, "strides": [stride] * 3, "pads": [(size - 1) // 2] * 6}
        if size % 2 and stride > 1:
            geometry["output_padding"] = [stride - 1] * 3
        return self.node("ConvTranspose", inputs, dilations=[1] * 3, group=1, **geometry)


def _residual(graph: _Graph, x: str, name: str, before: int, after: int) -> str:
    stride = 1 if before == after else 2
    shortcut = x
    if stride > 1:
        # 1 x 1 x 1 with stride 2 has no padding: size // 2 is 0.
        shortcut = graph.norm(graph.conv(x, f"{name}.shortcut", (after, before, 1, 1, 1), stride=stride), after)
    x = graph.conv(x, f"{name}.conv0", (after, before, 3, 3, 3), stride=stride)
    x = graph.conv(graph.relu(graph.norm(x, after)), f"{name}.conv1", (after, after, 3, 3, 3))
    return graph.relu(graph.node("Add", [graph.norm(x, after), shortcut]))


def _decode(graph: _Graph, x: str, name: str, before: int, after: int, stride: int) -> str:
    narrow = before // 4
    x = graph.relu(graph.norm(graph.conv(x, f"{name}.narrow", (narrow, before, 1, 1, 1)), narrow))
    x = graph.relu(graph.norm(graph.up(x, f"{name}.up", (narrow, narrow, 3, 3, 3), stride=stride), narrow))
    return graph.relu(graph.norm(graph.conv(x, f"{name}.widen", (after, narrow, 1, 1, 1)), after))


def linknet3d() -> Any:
    """Return the graph: `input` float32 (1, 1, d, h, w), sides multiples of 32, to `logits` (1, 2, d, h, w)."""
    graph = _Graph()
    x = graph.relu(graph.norm(graph.conv("input", "stem", (16, 1, 7, 7, 7), stride=2), 16))
    x = graph.node("MaxPool", [x], kernel_shape=[3] * 3, strides=[2] * 3, pads=[1] * 6, dilations=[1] * 3, ceil_mode=0)
    stages = [x]
    for stage, (before, after) in enumerate(itertools.pairwise(_CHANNELS)):
        x = _residual(graph, stages[-1], f"encoder{stage}.block0", before, after)
        stages.append(_residual(graph, x, f"encoder{stage}.block1", after, after))
    x = stages.pop()
    for stage, (after, before) in reversed(list(enumerate(itertools.pairwise(_CHANNELS)))):
        x = _decode(graph, x, f"decoder{stage}", before, after, stride=1 if before == after else 2)
        x = graph.node("Add", [x, stages.pop()])
    x = graph.relu(graph.norm(graph.up(x, "head0", (16, 8, 3, 3, 3), stride=2, bias=True), 8))
    x = graph.relu(graph.norm(graph.conv(x, "head1", (8, 8, 3, 3, 3), bias=True), 8))
    graph.up(x, "head2", (8, 2, 2, 2, 2), stride=2, bias=True)
    graph.nodes[-1].output[0] = "logits"
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, "d", "h", "w"]), *graph.weights]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2, "d", "h", "w"])]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "LinkNet3D", inputs, outputs, initializer=list(graph.constants.values())),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="wetread",
    )
    onnx.checker.check_model(model)
    return model


def main() -> None:
    """Write the graph to the file that the command line names."""
    Path(sys.argv[1]).write_bytes(linknet3d().SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
