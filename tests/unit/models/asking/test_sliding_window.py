"""A network that reads windows answers for the whole volume."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pydantic import ValidationError

from models.asking.sliding_window import ask_windows, blending, windows
from models.card.card_inference import SlidingWindow
from models.errors import CardError, RuntimeFailed
from models.reading import read
from models.runtimes.onnx_runtime import OnnxRuntime
from models.runtimes.runtime import Arrays
from models.volume import Volume
from tests.readings import a_card

STRATEGY = SlidingWindow(strategy="sliding-window", window=(8, 10, 12), overlap=0.5)


def smoothing_network(file: Path) -> Path:
    """Write a network of two classes: background, and how bright the 27 neighbours are on the mean, less 0.5."""
    weights = np.full((1, 1, 3, 3, 3), 1 / 27, np.float32)
    nodes = [
        helper.make_node("Conv", ["input", "weights"], ["mean"], pads=[1] * 6),
        helper.make_node("Sub", ["mean", "half"], ["bright"]),
        helper.make_node("Neg", ["bright"], ["dark"]),
        helper.make_node("Concat", ["dark", "bright"], ["logits"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "smoothing",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, "d", "h", "w"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2, "d", "h", "w"])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.float32(0.5), "half")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, file)
    return file


def a_volume(shape: tuple[int, int, int]) -> np.ndarray:
    """Return random values, ``(1, 1, d, h, w)``."""
    return np.random.default_rng(0).random((1, 1, *shape), dtype=np.float32)


@pytest.mark.parametrize("shape", [(8, 10, 12), (9, 25, 31), (20, 20, 20), (3, 30, 5)])
@pytest.mark.parametrize("kind", ["gaussian", "constant"])
def test_a_pointwise_network_answers_as_if_asked_once(shape: tuple[int, int, int], kind: str) -> None:
    """Where the answer to a voxel does not depend on its window, blending changes nothing, whatever the sides are."""
    array = a_volume(shape)
    strategy = STRATEGY.model_copy(update={"blending": kind})

    def infer(_network: str, inputs: Arrays) -> Arrays:
        (x,) = inputs.values()
        return {"logits": np.concatenate([x, 1 - 2 * x], axis=1)}

    answer = ask_windows(infer, "main", "input", array, strategy)
    np.testing.assert_allclose(answer, np.concatenate([array, 1 - 2 * array], axis=1), atol=1e-6)


def test_every_voxel_is_covered_and_no_window_is_wasted() -> None:
    """Windows cover the volume, keep to the overlap, and there are as few as it allows."""
    boxes = list(windows((20, 25, 12), STRATEGY))
    covered = np.zeros((20, 25, 12), int)
    for box in boxes:
        covered[box] += 1
    assert covered.min() >= 1
    assert len(boxes) == 4 * 4 * 1
    assert all(side.stop <= length for box in boxes for side, length in zip(box, covered.shape, strict=True))


@pytest.mark.parametrize(("side", "wide", "places"), [(70, 35, [0, 18, 35]), (61, 41, [0, 20]), (35, 35, [0])])
def test_half_of_an_odd_window_is_half_a_voxel_more(side: int, wide: int, places: list[int]) -> None:
    """nnU-Net (`compute_steps_for_sliding_window`) does not round the step, so there are no more windows than there."""
    strategy = SlidingWindow(strategy="sliding-window", window=(1, wide, wide), overlap=0.5, slice_axis=0)
    boxes = list(windows((3, side, side), strategy))
    assert [sorted({box[axis].start for box in boxes}) for axis in (0, 1, 2)] == [[0, 1, 2], places, places]


def test_the_middle_of_a_window_counts_most() -> None:
    """The weight falls from the middle to the corners and is nowhere nothing."""
    weight = blending(STRATEGY)
    assert weight.max() == pytest.approx(1.0)
    assert weight[4, 5, 6] == weight.max()
    assert 0 < weight[0, 0, 0] == weight.min()


def test_the_edge_of_windows_hardly_shows(tmp_path: Path) -> None:
    """A real network that looks at neighbours answers nearly what it answers to the whole volume; Gaussian helps."""
    loaded = OnnxRuntime().load(smoothing_network(tmp_path / "net.onnx"), threads=1)
    array = a_volume((24, 30, 36))
    whole = loaded.infer({"input": array})["logits"]
    errors = {
        kind: np.abs(
            ask_windows(
                lambda _network, inputs: loaded.infer(inputs),
                "main",
                "input",
                array,
                STRATEGY.model_copy(update={"blending": kind}),
            )
            - whole
        ).max()
        for kind in ("gaussian", "constant")
    }
    assert errors["gaussian"] < 0.02
    assert errors["gaussian"] < errors["constant"] / 3


def test_an_answer_of_another_shape_is_named() -> None:
    """A network that does not answer per voxel of the window is refused."""
    with pytest.raises(RuntimeFailed, match="window"):
        ask_windows(
            lambda _n, _i: {"p": np.zeros((1, 2), np.float32)}, "main", "input", a_volume((8, 10, 12)), STRATEGY
        )


@pytest.mark.parametrize("kind", ["probability", "classes"])
def test_a_card_reads_a_volume_window_by_window(tmp_path: Path, kind: str) -> None:
    """A bright ball in a CT of other spacing, in Hounsfield units, comes back as its label on the source grid."""
    loaded = OnnxRuntime().load(smoothing_network(tmp_path / "net.onnx"), threads=1)
    spacing = (4.0, 1.0, 1.5)
    z, y, x = (np.arange(n) * s for n, s in zip((20, 60, 48), spacing, strict=True))
    distance = np.sqrt((z[:, None, None] - 40) ** 2 + (y[:, None] - 30) ** 2 + (x - 36) ** 2)
    source = Volume(
        array=np.where(distance < 20, 200, -200).astype(np.int16),
        affine=np.diag((*spacing, 1.0))[[2, 1, 0, 3]],
    )
    label = {"number": 1, "name": "Ball", "concept": {"value": "1", "scheme": "99T", "meaning": "Ball"}}
    card = a_card(
        preparation={
            "kind": "volume",
            "orientation": "SPL",
            "fit": "spacing",
            "spacing_mm": [2.0, 2.0, 2.0],
            "normalisation": "min-max",
            "window": [-200.0, 200.0],
        },
        inference={"strategy": "sliding-window", "window": [16, 16, 16]},
        interpretation={"kind": kind},
        labels=[label | {"colour_rgb": [255, 0, 0]}],
    )
    reading = read(card, source, lambda _network, inputs: loaded.infer(inputs))
    (ball,) = reading.structures
    assert ball.measurements[0].value == pytest.approx(4 / 3 * np.pi * 2.0**3, rel=0.1)
    assert reading.labels is not None
    assert ((reading.labels == 1) == (distance < 20)).mean() > 0.98


def test_windows_in_batches_answer_the_same(tmp_path: Path) -> None:
    """A network that takes five windows at once is asked less often, and the volume's answer is the same."""
    asked: list[int] = []

    def infer(_network: str, inputs: Arrays) -> Arrays:
        (x,) = inputs.values()
        asked.append(x.shape[0])
        return {"logits": np.concatenate([x, 1 - 2 * x], axis=1)}

    array = a_volume((20, 20, 30))
    one = ask_windows(infer, "main", "input", array, STRATEGY)
    count = len(asked)
    several = ask_windows(infer, "main", "input", array, STRATEGY, at_once=5)
    np.testing.assert_array_equal(one, several)
    assert asked[count:] == [5] * (count // 5) + ([count % 5] if count % 5 else [])


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("axes", [(), (2,), (0, 2), (0, 1, 2)])
def test_answers_to_mirrored_copies_are_averaged(axes: tuple[int, ...], at_once: int) -> None:
    """A network that moves everything on by one answers the mean of both directions along each of the axes."""
    array = a_volume((8, 10, 12))
    strategy = STRATEGY.model_copy(update={"mirror_axes": axes})
    asked = []

    def infer(_network: str, inputs: Arrays) -> Arrays:
        (x,) = inputs.values()
        asked.append(len(x))
        return {"logits": np.roll(x, (1, 1, 1), (2, 3, 4))}

    answer = ask_windows(infer, "main", "input", array, strategy, at_once=at_once)
    expected = array
    for axis in range(3):
        forth, back = (np.roll(expected, step, axis + 2) for step in (1, -1))
        expected = (forth + back) / 2 if axis in axes else forth
    np.testing.assert_allclose(answer, expected, atol=1e-6)
    assert sum(asked) == 2 ** len(axes)


def test_axes_of_mirrored_copies_are_three_and_each_once() -> None:
    """Another number, or one twice, is refused; so are mirrored copies of a detector, whose boxes have no mean."""
    values = STRATEGY.model_dump()
    for wrong in ((3,), (1, 1)):
        with pytest.raises(ValidationError):
            SlidingWindow.model_validate(values | {"mirror_axes": wrong})
    with pytest.raises(ValidationError, match="leave out mirror_axes"):
        a_card(inference=values | {"mirror_axes": (0,)}, interpretation={"kind": "boxes"})


@pytest.mark.parametrize("at_once", [1, 5])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_network_of_two_dimensions_reads_slice_by_slice(axis: int, at_once: int) -> None:
    """It is asked about windows without the axis along which slices follow; each answer lies where its slice lay."""
    array = a_volume((9, 13, 11))
    window = [8, 10, 6]
    window[axis] = 1
    others = tuple(other for other in range(3) if other != axis)
    strategy = SlidingWindow.model_validate(
        STRATEGY.model_dump() | {"window": window, "slice_axis": axis, "mirror_axes": others[:1]}
    )

    def infer(_network: str, inputs: Arrays) -> Arrays:
        (x,) = inputs.values()
        assert x.shape[1:] == (1, *(window[other] for other in others))
        assert x.shape[0] <= at_once
        # Beside the values their mean: of another slice, or of several, it would be another.
        return {"logits": np.concatenate([x, x.mean((2, 3), keepdims=True) + 0 * x], axis=1)}

    answer = ask_windows(infer, "main", "input", array, strategy, at_once=at_once)
    np.testing.assert_allclose(answer[:, :1], array, atol=1e-6)
    alone = np.moveaxis(answer[0, 1], axis, 0)
    for place, plane in enumerate(np.moveaxis(array[0, 0], axis, 0)):
        assert plane.min() <= alone[place].min() <= alone[place].max() <= plane.max()


def test_an_answer_with_another_number_of_axes_is_named() -> None:
    """A network of three dimensions on a card of slices, and the other way round."""
    strategy = SlidingWindow.model_validate(STRATEGY.model_dump() | {"window": (1, 10, 12), "slice_axis": 0})
    for answer, how in ((np.zeros((1, 2, 1, 10, 12)), strategy), (np.zeros((1, 2, 10, 12)), STRATEGY)):
        with pytest.raises(RuntimeFailed, match="windows of"):
            ask_windows(lambda _n, _i, answer=answer: {"x": answer}, "main", "input", a_volume((8, 10, 12)), how)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"slice_axis": 0}, r"slice_axis = 0 needs 1 there in window, not \[8, 10, 12\]"),
        ({"slice_axis": 2, "window": [8, 10, 1], "mirror_axes": [0, 2]}, "mirror_axes names slice_axis"),
        ({"slice_axis": 3}, "slice_axis"),
    ],
)
def test_slices_have_a_window_of_one(wrong: dict[str, Any], words: str) -> None:
    """A card that contradicts itself about them is refused with the key."""
    with pytest.raises(ValidationError, match=words):
        SlidingWindow.model_validate(STRATEGY.model_dump() | wrong)


def test_detectors_do_not_read_slices() -> None:
    """Boxes of slices would have to be joined to boxes of a volume."""
    values = STRATEGY.model_dump() | {"window": (1, 10, 12), "slice_axis": 0}
    with pytest.raises(ValidationError, match="leave out slice_axis"):
        a_card(inference=values, interpretation={"kind": "boxes"})


def test_of_several_outputs_none_is_taken_for_the_answer() -> None:
    """Deep supervision's outputs are named, where a traceback was."""
    two = {"main_head": np.zeros((1, 2, 8, 10, 12), np.float32), "deep": np.zeros((), np.float32)}
    with pytest.raises(CardError, match=r"main_head.*deep.*one output is read"):
        ask_windows(lambda _n, _i: two, "main", "input", a_volume((8, 10, 12)), STRATEGY)
