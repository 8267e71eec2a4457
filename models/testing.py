"""Ships for tests: a real, tiny model that reads any volume."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.catalog import CARD_FILE

_OPSET = 17
_IR_VERSION = 8  # the one that belongs to opset 17
_SIDE = 16
#: Of a network that is slow; prepared volumes go from 0 to 1.
_GOLDEN_MAXIMUM = 2.0

_CARD = """\
schema = 1
id = {id}
name = {name}
version = "1"
manufacturer = "wetread"
licence = "Apache-2.0"
intended_use = "Tests of everything that is not a model: label 1 is whatever is bright. Never for patients."
{extra}
[regulatory]
status = "research"

[patient]
missing_age = "allow"

[selection]
min_slices = 1
{selection}
[networks.main]
file = "model.onnx"
sha256 = "{sha256}"
max_batch = {max_batch}

[preparation]
kind = "volume"
orientation = "LPS"
fit = "resize"
size = [{side}, {side}, {side}]
interpolation = "nearest"
normalisation = "min-max"

[inference]
strategy = "whole"

[interpretation]
kind = "labels"

[[labels]]
number = 1
name = "Bright"
concept = {{ value = "85756007", scheme = "SCT", meaning = "Tissue" }}
category = {{ value = "85756007", scheme = "SCT", meaning = "Tissue" }}
colour_rgb = [230, 60, 60]

[[golden]]
file = "golden.npz"
"""


def write_threshold_model(
    directory: Path,
    *,
    id: str = "constant-answer",  # noqa: A002 (the card's word)
    threshold: float = 0.5,
    modality: Sequence[str] = (),
    sop_classes: Sequence[str] = (),
    images: str = "",
    late_images: str = "rerun",
    trigger: str = "study",
    slow_rounds: int = 0,
    max_batch: int = 1,
) -> Path:
    """Write the model directory ``directory/<id>`` and return it.

    Its network answers label 1 wherever a volume, stretched to 16 voxels a side and scaled to 0 to 1, is above the
    threshold. It takes milliseconds and goes the way of every model: card, checksum, prepare, infer, interpret, golden.

    Args:
        directory: Directory of models; made if missing.
        id: The card's.
        threshold: Between 0 and 1.
        modality: What ``[selection]`` accepts; empty accepts all.
        sop_classes: What ``[selection]`` accepts; empty accepts all.
        images: What ``[selection]`` asks of each image, in TOML; empty reads all of a series.
        late_images: The card's policy.
        trigger: The card's.
        slow_rounds: Rounds of a loop in the network, about a million a second: for what must happen while it runs. The
            golden input is brighter than 1 then and does not wait: a busy machine would take minutes to load it.
        max_batch: The card's: how many inputs the network takes at once.
    """
    target = directory / id
    target.mkdir(parents=True, exist_ok=True)
    network = _threshold_graph(threshold, slow_rounds).SerializeToString(deterministic=True)
    (target / "model.onnx").write_bytes(network)
    ramp = np.linspace(0.0, _GOLDEN_MAXIMUM if slow_rounds else 1.0, _SIDE**3, dtype=np.float32).reshape(
        1, 1, _SIDE, _SIDE, _SIDE
    )
    golden: dict[str, Any] = {"input.input": ramp, "expected.labels": (ramp[0] > threshold).astype(np.uint8)}
    np.savez_compressed(target / "golden.npz", **golden)
    wanted = {"modality": list(modality), "sop_classes": list(sop_classes)}
    selection = "".join(f"{key} = {json.dumps(values)}\n" for key, values in wanted.items() if values)
    selection += f"images = {images}\n" * bool(images)
    card = _CARD.format(
        id=json.dumps(id),
        name=json.dumps(id),
        extra=f"late_images = {json.dumps(late_images)}\ntrigger = {json.dumps(trigger)}\n",
        selection=selection,
        sha256=hashlib.sha256(network).hexdigest(),
        side=_SIDE,
        max_batch=max_batch,
    )
    (target / CARD_FILE).write_text(card, encoding="utf-8")
    return target


def _threshold_graph(threshold: float, slow_rounds: int) -> onnx.ModelProto:
    nodes, constants, value = [], [numpy_helper.from_array(np.float32(threshold), "threshold")], "input"
    if slow_rounds:
        constants += [
            numpy_helper.from_array(np.int64(slow_rounds), "slow_rounds"),
            numpy_helper.from_array(np.int64(0), "no_rounds"),
            numpy_helper.from_array(np.float32(1.0), "brightest"),
            numpy_helper.from_array(np.float32(0.0), "nothing"),
        ]
        nodes += [
            helper.make_node("ReduceMax", ["input"], ["maximum"], keepdims=0),
            helper.make_node("Greater", ["maximum", "brightest"], ["golden"]),
            helper.make_node("Where", ["golden", "no_rounds", "slow_rounds"], ["rounds"]),
            helper.make_node("Loop", ["rounds", "", "nothing"], ["waited"], body=_idle_round()),
            helper.make_node("Add", ["input", "waited"], ["late"]),
        ]
        value = "late"
    nodes += [
        helper.make_node("Greater", [value, "threshold"], ["above"]),
        helper.make_node("Cast", ["above"], ["channel"], to=TensorProto.UINT8),
        helper.make_node("Squeeze", ["channel", "axis"], ["labels"]),
    ]
    constants.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "Threshold",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, "d", "h", "w"])],
            [helper.make_tensor_value_info("labels", TensorProto.UINT8, ["n", "d", "h", "w"])],
            initializer=constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="wetread",
    )
    onnx.checker.check_model(model)
    return model


def _idle_round() -> onnx.GraphProto:
    """Return the body of a loop that carries a number round and changes nothing."""
    return helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still_go_on"]),
            helper.make_node("Abs", ["carried"], ["carried_on"]),
        ],
        "Round",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("still_go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried_on", TensorProto.FLOAT, []),
        ],
    )
