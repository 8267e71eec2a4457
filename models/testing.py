"""Ships for tests: a real, tiny model that reads any volume, and a runtime whose answer is always the same."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.catalog import CARD_FILE
from models.errors import DeviceLost, OutOfDeviceMemory, RuntimeFailed
from models.runtime import NO_SHAPES, Arrays, LoadedNetwork, Shapes
from models.runtime_names import Precision

_OPSET = 17
_IR_VERSION = 8  # the one that belongs to opset 17
_SIDE = 16
#: Of a network that is slow; prepared volumes go from 0 to 1.
_GOLDEN_MAXIMUM = 2.0
_LOOK_EVERY_S = 0.02

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


@dataclass(frozen=True, kw_only=True)
class ConstantRuntime:
    """A `models.runtime.Runtime` that answers the same to everything; can be pickled to a model host.

    Attributes:
        answers: Output name to array. Left out, the answer is `labels` uint8 ``(1, d, h, w)``: label 1 in a box of half
            the sides in the middle of the input ``(1, 1, d, h, w)``.
        gate: While this file is there, an answer waits; so a test can end a process in the middle of inference.
        delay_s: An answer takes at least this long.
        engine: What its networks call the engine that they were loaded from.
    """

    answers: Mapping[str, NDArray[np.generic]] | None = None
    gate: Path | None = None
    delay_s: float = 0.0
    engine: str = ""
    name: str = "constant"

    def load(
        self,
        file: Path,
        *,
        threads: int,  # noqa: ARG002 (the contract's)
        precision: Precision = "fp32",  # noqa: ARG002
        shapes: Shapes = NO_SHAPES,  # noqa: ARG002
    ) -> LoadedNetwork:
        """Load nothing. Raises RuntimeFailed when there is no such file, as every runtime does."""
        if not file.is_file():
            raise RuntimeFailed(f"{file} is not there; import or fetch the model")
        return _ConstantNetwork(self)


class _ConstantNetwork:
    def __init__(self, answering: ConstantRuntime) -> None:
        self._answering: ConstantRuntime | None = answering
        self._engine = answering.engine

    @property
    def runtime(self) -> str:
        return "constant 1 cpu"

    @property
    def fingerprint(self) -> str:
        return self._engine

    def infer(self, inputs: Arrays) -> Arrays:
        if self._answering is None:
            raise RuntimeFailed("the network was closed; load it again")
        answering = self._answering
        time.sleep(answering.delay_s)
        while answering.gate is not None and answering.gate.exists():
            time.sleep(_LOOK_EVERY_S)
        if answering.answers is not None:
            return answering.answers
        if set(inputs) != {"input"}:
            raise RuntimeFailed(f"the network has the input `input`, not {sorted(inputs)}")
        shape = inputs["input"].shape[2:]
        labels = np.zeros((1, *shape), np.uint8)
        z, y, x = (slice(side // 4, max(side // 4 + 1, side - side // 4)) for side in shape)
        labels[0, z, y, x] = 1
        return {"labels": labels}

    def close(self) -> None:
        self._answering = None


@dataclass(frozen=True, kw_only=True)
class ScarceRuntime:
    """ONNX Runtime on a device that is too small or breaks; can be pickled to a model host.

    Attributes:
        fits: Inputs that it has memory for at once.
        lost: While this file is there, every inference finds the device lost.
        log: Each inference appends the number of its inputs to this file, where one is named.
    """

    fits: int = 1 << 30
    lost: Path | None = None
    log: Path | None = None
    name: str = "scarce"

    def load(
        self, file: Path, *, threads: int, precision: Precision = "fp32", shapes: Shapes = NO_SHAPES
    ) -> LoadedNetwork:
        """Load the file into ONNX Runtime. Raises RuntimeFailed."""
        from models.onnx_runtime import OnnxRuntime  # noqa: PLC0415  # the other fakes do without a runtime

        return _ScarceNetwork(OnnxRuntime().load(file, threads=threads, precision=precision, shapes=shapes), self)


class _ScarceNetwork:
    def __init__(self, network: LoadedNetwork, scarce: ScarceRuntime) -> None:
        self._network = network
        self._scarce = scarce

    @property
    def runtime(self) -> str:
        return "scarce 1 cpu"

    @property
    def fingerprint(self) -> str:
        return self._network.fingerprint

    def infer(self, inputs: Arrays) -> Arrays:
        count = max(array.shape[0] for array in inputs.values())
        if self._scarce.log is not None:
            with self._scarce.log.open("a") as stream:
                stream.write(f"{count}\n")
        if self._scarce.lost is not None and self._scarce.lost.exists():
            raise DeviceLost("the device was lost on purpose")
        if count > self._scarce.fits:
            raise OutOfDeviceMemory(f"{count} inputs, and {self._scarce.fits} fit")
        return self._network.infer(inputs)

    def close(self) -> None:
        self._network.close()


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
