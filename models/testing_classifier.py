"""Ships for tests: a real, tiny network that answers about whole images, and says where it looked."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.special import expit

from models.catalog import CARD_FILE

_OPSET = 17
_IR_VERSION = 8  # the one that belongs to opset 17
_SIDE = 16
_GAIN = 8.0

_CARD = """\
schema = 1
id = {id}
name = {id}
version = "1"
manufacturer = "wetread"
licence = "Apache-2.0"
intended_use = "Tests of everything that is not a model: what is bright has a pneumonia. Never for patients."

[regulatory]
status = "research"

[patient]
missing_age = "allow"

[selection]
{selection}
[networks.main]
file = "model.onnx"
sha256 = "{sha256}"

[preparation]
kind = "image"
size = [{side}, {side}]
fit = {fit}
normalisation = "min-max"

[inference]
strategy = "whole"

[interpretation]
kind = "classification"
activation = "sigmoid"
answer_output = "logits"
heat_map_output = "places"

[[interpretation.classes]]
name = "Bright"
concept = {{ value = "233604007", scheme = "SCT", meaning = "Pneumonia" }}

[[interpretation.classes]]
name = "Dark"
concept = {{ value = "36118008", scheme = "SCT", meaning = "Pneumothorax" }}

[[golden]]
file = "golden.npz"
"""


def write_image_classifier(
    directory: Path,
    *,
    id: str = "bright-or-dark",  # noqa: A002 (the card's word)
    threshold: float = 0.5,
    modality: tuple[str, ...] = (),
    fit: str = "stretch",
) -> Path:
    """Write the model directory ``directory/<id>`` and return it.

    Its network says pneumonia with the probability `bright_probability` of an image's mean after preparation, and
    pneumothorax with that of the opposite. Its second output is the image itself and its negative.

    Args:
        directory: Directory of models; made if missing.
        id: The card's.
        threshold: Mean at which both are equally probable.
        modality: What ``[selection]`` accepts; empty accepts all.
        fit: The card's.
    """
    target = directory / id
    target.mkdir(parents=True, exist_ok=True)
    network = _graph(threshold).SerializeToString(deterministic=True)
    (target / "model.onnx").write_bytes(network)
    ramp = np.linspace(0.0, 1.0, _SIDE**2, dtype=np.float32).reshape(1, 1, _SIDE, _SIDE)
    logit = _GAIN * (float(ramp.mean()) - threshold)
    golden: dict[str, Any] = {
        "input.input": ramp,
        "expected.logits": np.array([[logit, -logit]], np.float32),
        "expected.places": np.concatenate([ramp, 1 - ramp], axis=1),
    }
    np.savez_compressed(target / "golden.npz", **golden)
    card = _CARD.format(
        id=json.dumps(id),
        selection=f"modality = {json.dumps(list(modality))}\n" if modality else "",
        sha256=hashlib.sha256(network).hexdigest(),
        side=_SIDE,
        fit=json.dumps(fit),
    )
    (target / CARD_FILE).write_text(card, encoding="utf-8")
    return target


def bright_probability(mean: float, threshold: float = 0.5) -> float:
    """Return what the network says of an image with this mean after preparation, 0 to 1."""
    return float(expit(_GAIN * (mean - threshold)))


def _graph(threshold: float) -> onnx.ModelProto:
    constants = {
        "threshold": np.float32(threshold),
        "both": np.array([[_GAIN, -_GAIN]], np.float32),
        "one": np.float32(1.0),
        "flat": np.array([1, 1], np.int64),
    }
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Sub", ["mean", "threshold"], ["above"]),
        helper.make_node("Reshape", ["above", "flat"], ["number"]),
        helper.make_node("Mul", ["number", "both"], ["logits"]),
        helper.make_node("Sub", ["one", "input"], ["negative"]),
        helper.make_node("Concat", ["input", "negative"], ["places"], axis=1),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "BrightOrDark",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, "h", "w"])],
            [
                helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2]),
                helper.make_tensor_value_info("places", TensorProto.FLOAT, [1, 2, "h", "w"]),
            ],
            initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="wetread",
    )
    onnx.checker.check_model(model)
    return model
