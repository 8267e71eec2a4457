"""Imports MeshNet from brainchop's folder (tfjs files) as the model `brain-structures`.

MeshNet (Fedorov et al. 2017, arXiv:1612.00940): cubic convolutions of side 3 that widen their view by dilation, ELU
after each, and a last one of side 1 to 18 classes. Only that is read: an unknown layer is refused, and nothing is run.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.brainchop_card import brain_structures_card
from models.catalog import CARD_FILE
from models.durable_file import write_durably
from models.errors import WeightsRefused

_OPSET = 17
_IR_VERSION = 8  # the one that belongs to opset 17
_GOLDEN_SIDE = 32
_GOLDEN_BLOCK = 4
_LARGEST_FILE = 64 * 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvLayer:
    """A convolution that keeps the size.

    Attributes:
        kernel: ``(d, h, w, inputs, outputs)`` float32, as tfjs keeps it.
        bias: ``(outputs,)`` float32.
        dilation: The same along all axes.
        elu: Whether ELU follows.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    dilation: int
    elu: bool


def import_brainchop(folder: Path, target_dir: Path) -> Path:
    """Write the model directory ``target_dir/brain-structures`` and return it.

    Args:
        folder: brainchop's folder of model18cls or model30chan18cls: ``model.json``, ``model.bin``, ``colormap.json``.
        target_dir: Directory of this machine's models; made if missing.

    Raises WeightsRefused when the folder holds something else, or OSError when the disk refuses.
    """
    layers = read_meshnet(folder)
    network = meshnet_graph(layers).SerializeToString(deterministic=True)
    card = brain_structures_card(_read_json(folder / "colormap.json"), network, channels=layers[0].bias.size)
    target = target_dir / "brain-structures"
    target.mkdir(parents=True, exist_ok=True)
    write_durably(target / "model.onnx", network)
    _write_golden(target / "golden.npz", layers)
    # Last: a directory with a card is complete.
    write_durably(target / CARD_FILE, card.encode())
    return target


def read_meshnet(folder: Path) -> list[ConvLayer]:
    """Read topology and weights. Raises WeightsRefused when they are not a MeshNet's as brainchop exports it."""
    model = _read_json(folder / "model.json")
    try:
        listed = model["modelTopology"]["model_config"]["config"]["layers"]
        weights = _read_weights(folder, model["weightsManifest"])
        return _layers(listed, weights)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise WeightsRefused(
            f"{folder / 'model.json'} is not a MeshNet as brainchop exports it ({error!r}); take model18cls or "
            "model30chan18cls from brainchop's repository"
        ) from error


def meshnet_graph(layers: list[ConvLayer]) -> Any:
    """Return the ONNX model: `input` float32 (1, 1, d, h, w) to `labels` uint8 (1, d, h, w); the same every time."""
    nodes, constants = [], []
    value = "input"
    for number, layer in enumerate(layers):
        # tfjs keeps DHWIO, ONNX wants OIDHW.
        kernel = np.ascontiguousarray(layer.kernel.transpose(4, 3, 0, 1, 2))
        constants.append(numpy_helper.from_array(kernel, f"kernel{number}"))
        constants.append(numpy_helper.from_array(layer.bias, f"bias{number}"))
        padding = layer.dilation * (kernel.shape[2] // 2)
        nodes.append(
            helper.make_node(
                "Conv",
                [value, f"kernel{number}", f"bias{number}"],
                [f"conv{number}"],
                kernel_shape=list(kernel.shape[2:]),
                dilations=[layer.dilation] * 3,
                pads=[padding] * 6,
                strides=[1, 1, 1],
            )
        )
        value = f"conv{number}"
        if layer.elu:
            nodes.append(helper.make_node("Elu", [value], [f"elu{number}"], alpha=1.0))
            value = f"elu{number}"
    # Inside the graph: 18 channels of float32 would be 1.2 GB to hand over for a whole head.
    nodes.append(helper.make_node("ArgMax", [value], ["classes"], axis=1, keepdims=0))
    nodes.append(helper.make_node("Cast", ["classes"], ["labels"], to=TensorProto.UINT8))
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "MeshNet",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, "d", "h", "w"])],
            [helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, "d", "h", "w"])],
            initializer=constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="wetread",
    )
    onnx.checker.check_model(model)
    return model


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
        value = np.where(total > 0, total, np.expm1(np.minimum(total, 0))) if layer.elu else total
    labels: NDArray[np.uint8] = value.argmax(axis=-1).astype(np.uint8)
    return labels


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
        elif kind == "Activation" and config["activation"] == "elu" and layers and not layers[-1].elu:
            last = layers.pop()
            layers.append(ConvLayer(kernel=last.kernel, bias=last.bias, dilation=last.dilation, elu=True))
        elif kind != "InputLayer":
            raise WeightsRefused(
                f"layer {before} is {kind} {config.get('activation', '')}, which is not read here; take model18cls or "
                "model30chan18cls"
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
        "use_bias": True,
    }
    for key, value in wanted.items():
        if config[key] != value:
            raise WeightsRefused(f"layer {name}: {key} is {config[key]}, only {value} is read here")
    kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
    if list(kernel.shape[:3]) != config["kernel_size"] or kernel.shape[4:] != bias.shape:
        raise WeightsRefused(f"layer {name}: kernel {kernel.shape} and bias {bias.shape} do not fit its description")
    return ConvLayer(kernel=kernel, bias=bias, dilation=dilation, elu=False)


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


def _write_golden(file: Path, layers: list[ConvLayer]) -> None:
    """Write a seeded input and what the independent computation answers."""
    # No head, but loud blocks: on anything quieter and as small the network answers background everywhere.
    coarse = np.random.default_rng(1).normal(0.0, 100.0, (_GOLDEN_SIDE // _GOLDEN_BLOCK,) * 3).round()
    volume = np.kron(coarse, np.ones((_GOLDEN_BLOCK,) * 3)).astype(np.float32)
    labels = meshnet_labels(layers, volume)
    arrays: dict[str, Any] = {"input.input": volume[np.newaxis, np.newaxis], "expected.labels": labels[np.newaxis]}
    np.savez_compressed(file, **arrays)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise WeightsRefused(f"{file} is larger than any of brainchop's; take the files from its repository")
        return file.read_bytes()
    except OSError as error:
        raise WeightsRefused(
            f"{file} cannot be read ({error.strerror}); name brainchop's folder of one model"
        ) from error


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read(file))
    except ValueError as error:
        raise WeightsRefused(f"{file} is not JSON ({error}); take it from brainchop's repository again") from error
    if not isinstance(content, dict):
        raise WeightsRefused(f"{file} is not brainchop's: it holds no table; take it from its repository again")
    return content
