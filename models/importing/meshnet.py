"""MeshNet as brainchop keeps it (tfjs files): what they say, the ONNX graph of it, and a plain computation.

Fedorov et al. 2017, arXiv:1612.00940: cubic convolutions of side 3 that widen their view by dilation, ELU after each,
and a last one of side 1 to the classes. Its later kind (mindgrab) has no bias there, but normalises each channel over
the whole volume and uses GELU. Only that is read: an unknown layer is refused, and nothing is run.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy.special import erf

from models.errors import WeightsRefused

_OPSET = 17
_IR_VERSION = 8  # the one that belongs to opset 17
_LARGEST_FILE = 64 * 2**20
#: brainchop's files do not say it: torch's and tinygrad's GroupNorm, of which the weights are, have this one.
_EPSILON = 1e-5
#: At the end of a convolution's name it says that a group normalisation of one channel a group follows.
_NORMALISED = "_gn"

Activation = Literal["linear", "elu", "gelu"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvLayer:
    """A convolution that keeps the size.

    Attributes:
        kernel: ``(d, h, w, inputs, outputs)`` float32, as tfjs keeps it.
        bias: ``(outputs,)`` float32; zeros where the file has none.
        dilation: The same along all axes.
        normalised: Whether each channel is then brought to mean 0 and variance 1 over the whole volume.
        activation: What follows.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    dilation: int
    normalised: bool
    activation: Activation = "linear"


def read_meshnet(folder: Path) -> list[ConvLayer]:
    """Read topology and weights. Raises WeightsRefused when they are not a MeshNet's as brainchop exports it."""
    model = read_json(folder / "model.json")
    try:
        listed = model["modelTopology"]["model_config"]["config"]["layers"]
        weights = _read_weights(folder, model["weightsManifest"])
        return _layers(listed, weights)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise WeightsRefused(
            f"{folder / 'model.json'} is not a MeshNet as brainchop exports it ({error!r}); take model18cls, "
            "model30chan18cls or mindgrab from brainchop's repository"
        ) from error


def meshnet_graph(layers: list[ConvLayer]) -> Any:
    """Return the ONNX model: `input` float32 (1, 1, d, h, w) to `labels` uint8 (1, d, h, w); the same every time."""
    graph = _Graph()
    value = "input"
    for number, layer in enumerate(layers):
        value = graph.layer(value, layer, str(number))
    # Inside the graph: 18 channels of float32 would be 1.2 GB to hand over for a whole head.
    value = graph.node("ArgMax", [value], "classes", axis=1, keepdims=0)
    graph.node("Cast", [value], "labels", to=TensorProto.UINT8)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "MeshNet",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, "d", "h", "w"])],
            [helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, "d", "h", "w"])],
            initializer=graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="wetread",
    )
    onnx.checker.check_model(model)
    return model


class _Graph:
    """Nodes and constants of an ONNX graph, in the order in which they are made."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, values: NDArray[np.float32], name: str) -> str:
        if all(known.name != name for known in self.constants):
            self.constants.append(numpy_helper.from_array(values, name))
        return name

    def layer(self, value: str, layer: ConvLayer, number: str) -> str:
        # tfjs keeps DHWIO, ONNX wants OIDHW.
        kernel = np.ascontiguousarray(layer.kernel.transpose(4, 3, 0, 1, 2))
        names = [self.constant(kernel, f"kernel{number}"), self.constant(layer.bias, f"bias{number}")]
        value = self.node(
            "Conv",
            [value, *names],
            f"conv{number}",
            kernel_shape=list(kernel.shape[2:]),
            dilations=[layer.dilation] * 3,
            pads=[layer.dilation * (kernel.shape[2] // 2)] * 6,
            strides=[1, 1, 1],
        )
        if layer.normalised:
            channels = layer.bias.size
            names = [
                self.constant(np.ones(channels, np.float32), f"one{channels}"),
                self.constant(np.zeros(channels, np.float32), f"zero{channels}"),
            ]
            value = self.node("InstanceNormalization", [value, *names], f"normal{number}", epsilon=_EPSILON)
        if layer.activation == "elu":
            value = self.node("Elu", [value], f"elu{number}", alpha=1.0)
        elif layer.activation == "gelu":
            value = self._gelu(value, number)
        return value

    def _gelu(self, value: str, number: str) -> str:
        # ONNX has Gelu from opset 20 on; the runtimes know these five nodes as one.
        root = self.constant(np.array(np.sqrt(2.0), np.float32), "root2")
        one, half = (self.constant(np.array(each, np.float32), name) for each, name in ((1, "one"), (0.5, "half")))
        part = self.node("Div", [value, root], f"scaled{number}")
        part = self.node("Erf", [part], f"erf{number}")
        part = self.node("Add", [part, one], f"gate{number}")
        part = self.node("Mul", [value, part], f"gated{number}")
        return self.node("Mul", [part, half], f"gelu{number}")


def meshnet_labels(layers: list[ConvLayer], volume: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return what MeshNet answers to ``(d, h, w)``, in float64 and from tfjs's own layout: slow, for small inputs.

    It shares nothing with the ONNX graph, so the golden file proves the conversion too.
    """
    value: NDArray[Any] = volume.astype(np.float64)[..., np.newaxis]
    for layer in layers:
        taps = layer.kernel.shape[:3]
        reach = [layer.dilation * (tap // 2) for tap in taps]
        padded = np.pad(value, [(side, side) for side in reach] + [(0, 0)])
        total = np.zeros((*value.shape[:3], layer.bias.size)) + layer.bias
        for tap in np.ndindex(*taps):
            start = [layer.dilation * step for step in tap]
            z, y, x = (slice(first, first + side) for first, side in zip(start, value.shape[:3], strict=True))
            total += padded[z, y, x] @ layer.kernel[tap].astype(np.float64)
        if layer.normalised:
            total -= total.mean(axis=(0, 1, 2))
            total /= np.sqrt(np.square(total).mean(axis=(0, 1, 2)) + _EPSILON)
        value = _activated(total, layer.activation)
    labels: NDArray[np.uint8] = value.argmax(axis=-1).astype(np.uint8)
    return labels


def read_json(file: Path) -> dict[str, Any]:
    """Read one of brainchop's descriptions. Raises WeightsRefused."""
    try:
        content = json.loads(_read(file))
    except ValueError as error:
        raise WeightsRefused(f"{file} is not JSON ({error}); take it from brainchop's repository again") from error
    if not isinstance(content, dict):
        raise WeightsRefused(f"{file} is not brainchop's: it holds no table; take it from its repository again")
    return content


def _activated(value: NDArray[Any], activation: Activation) -> NDArray[Any]:
    if activation == "elu":
        return np.where(value > 0, value, np.expm1(np.minimum(value, 0)))
    if activation == "gelu":
        return np.asarray(value * 0.5 * (1.0 + erf(value / np.sqrt(2.0))))
    return value


def _layers(listed: list[dict[str, Any]], weights: dict[str, NDArray[np.float32]]) -> list[ConvLayer]:
    layers: list[ConvLayer] = []
    before = ""
    for entry in listed:
        kind, config = entry["class_name"], entry["config"]
        if kind != "InputLayer" and entry["inbound_nodes"] != [[[before, 0, 0, {}]]]:
            raise WeightsRefused(f"layer {config['name']} does not follow {before}: that is no MeshNet")
        before = config["name"]
        if kind == "Conv3D":
            layers.append(_convolution(config, weights))
        elif (
            kind == "Activation"
            and config["activation"] in get_args(Activation)
            and layers
            and layers[-1].activation == "linear"
        ):
            layers.append(replace(layers.pop(), activation=config["activation"]))
        elif kind != "InputLayer":
            raise WeightsRefused(
                f"layer {before} is {kind} {config.get('activation', '')}, which is not read here; take model18cls, "
                "model30chan18cls or mindgrab"
            )
    return layers


def _convolution(config: dict[str, Any], weights: dict[str, NDArray[np.float32]]) -> ConvLayer:
    name, dilation = config["name"], int(config["dilation_rate"][0])
    wanted = {
        "strides": [1, 1, 1],
        "padding": "same",
        "dilation_rate": [dilation] * 3,
        "data_format": "channels_last",
        "activation": "linear",
    }
    for key, value in wanted.items():
        if config[key] != value:
            raise WeightsRefused(f"layer {name}: {key} is {config[key]}, only {value} is read here")
    kernel = weights[f"{name}/kernel"]
    bias = weights[f"{name}/bias"] if config["use_bias"] else np.zeros(config["filters"], np.float32)
    if list(kernel.shape[:3]) != config["kernel_size"] or kernel.shape[4:] != bias.shape:
        raise WeightsRefused(f"layer {name}: kernel {kernel.shape} and bias {bias.shape} do not fit its description")
    return ConvLayer(kernel=kernel, bias=bias, dilation=dilation, normalised=name.endswith(_NORMALISED))


def _read_weights(folder: Path, manifest: list[dict[str, Any]]) -> dict[str, NDArray[np.float32]]:
    ((group,), content) = (manifest, _read(folder / "model.bin"))
    if group["paths"] != ["model.bin"]:
        raise WeightsRefused(f"{folder}: the weights lie in {group['paths']}, only model.bin is read")
    values = np.frombuffer(content, "<f4")
    weights, start = {}, 0
    for tensor in group["weights"]:
        if tensor["dtype"] != "float32":
            raise WeightsRefused(f"{folder}: tensor {tensor['name']} is {tensor['dtype']}, only float32 is read")
        size = int(np.prod(tensor["shape"]))
        weights[tensor["name"]] = values[start : start + size].reshape(tensor["shape"]).astype(np.float32)
        start += size
    if start != values.size:
        raise WeightsRefused(f"{folder / 'model.bin'} holds {values.size} numbers, its manifest names {start}")
    return weights


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise WeightsRefused(f"{file} is larger than any of brainchop's; take the files from its repository")
        return file.read_bytes()
    except OSError as error:
        raise WeightsRefused(
            f"{file} cannot be read ({error.strerror}); name brainchop's folder of one model"
        ) from error
