"""A detector's boxes become findings where the things are, each thing once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.card.manifest import Card
from models.errors import CardError, ImplausibleResult
from models.interpreting.boxes import Boxes, best_of
from models.interpreting.critical import critical_reasons
from models.interpreting.instances import CERTAINTY, DIAMETER
from models.reading import read
from models.runtimes.runtime import Arrays, Infer
from models.volume import Image, Volume
from tests.readings import NODULE, a_card

LABELS = [
    NODULE.model_dump() | {"number": 1, "instances": False},
    NODULE.model_dump() | {"number": 2, "name": "Mass", "instances": False},
]
VOLUME_PREPARATION = {
    "kind": "volume",
    "orientation": "RAS",
    "fit": "spacing",
    "spacing_mm": [1.0, 1.0, 1.0],
    "normalisation": "min-max",
}


def a_detector_card(interpretation: dict[str, Any] | None = None, **changes: Any) -> Card:
    """Return the card of a detector in volumes."""
    boxes = {"kind": "boxes", "diameter": "longer-side"} | (interpretation or {})
    return a_card(**({"preparation": VOLUME_PREPARATION, "interpretation": boxes, "labels": LABELS} | changes))


def an_image_card(**interpretation: Any) -> Card:
    """Return the card of a detector on images that are twice as wide as its input."""
    images = {"kind": "image", "size": [20, 40], "normalisation": "min-max", "fit": "pad"}
    return a_detector_card(interpretation, preparation=images)


def answering(boxes: Any, scores: Any, classes: Any) -> Infer:
    """Return a network that always answers this."""

    def infer(network: str, inputs: Arrays) -> Arrays:
        del network, inputs
        return {
            "boxes": np.asarray(boxes, np.float32),
            "scores": np.asarray(scores, np.float32),
            "classes": np.asarray(classes, np.int64),
        }

    return infer


def finding_what_is_bright(network: str, inputs: Arrays) -> Arrays:
    """Answer the box of all that is above 0.5, torn at no window's edge; none where nothing is."""
    del network
    (array,) = inputs.values()
    places = np.argwhere(np.asarray(array[0, 0], np.float32) > 0.5)
    if not len(places):
        return answering(np.empty((0, 6)), [], [])("main", inputs)
    box = [*places.min(axis=0), *(places.max(axis=0) + 1)]
    return answering([box], [0.9], [1])("main", inputs)


def an_image() -> Image:
    """Return an image of 40 rows and 80 columns with contrast, a pixel of 0.25 mm."""
    array = np.arange(3200, dtype=np.uint16).reshape(1, 40, 80)
    return Image(array=array, spacing_mm=(0.25, 0.25))


def with_cube(spacing: tuple[float, float, float] = (2.0, 1.0, 1.0)) -> Volume:
    """Return a volume along S, P and L with a bright box at slices 5 to 7, rows 20 to 29, columns 8 to 13."""
    array = np.zeros((20, 40, 30), np.int16)
    array[5:8, 20:30, 8:14] = 100
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1.0
    affine[:3, 3] = (-20.0, 30.0, 7.0)
    return Volume(array=array, affine=affine)


@pytest.mark.parametrize("inference", [{"strategy": "whole"}, {"strategy": "sliding-window", "window": [24, 24, 24]}])
def test_a_box_comes_back_to_where_the_thing_is(inference: dict[str, Any]) -> None:
    """From a grid of other axes, directions and spacing to the pixels' edges of the source, also window by window."""
    reading = read(a_detector_card(inference=inference), with_cube(), finding_what_is_bright)
    found = reading.detections[0]
    assert found.slice_index == 6
    assert found.voxels == 0
    if inference["strategy"] == "whole":
        np.testing.assert_allclose(np.min(found.outline, axis=0), [19.5, 7.5], atol=1e-6)
        np.testing.assert_allclose(np.max(found.outline, axis=0), [29.5, 13.5], atol=1e-6)
        numbers = {each.name: each.value for each in found.measurements}
        assert numbers == {DIAMETER: pytest.approx(10.0), CERTAINTY: pytest.approx(90.0)}
        assert len(reading.detections) == 1
    assert [label.name for label in reading.missing] == ["Mass"]
    assert reading.labels is None
    assert reading.instances is None


@pytest.mark.parametrize(("first", "ends", "cut"), [(14, True, True), (15, True, False), (14, False, False)])
def test_a_box_at_a_scanners_circle_is_cut(first: int, *, ends: bool, cut: bool) -> None:
    """As what is outlined there is: beyond it nobody has seen anything. The thing ends at column 13."""
    volume = with_cube()
    beyond = np.zeros(volume.array.shape, np.bool_)
    beyond[:, :, first:] = True
    source = replace(volume, padding=np.packbits(beyond, axis=-1), ends_at_padding=ends)
    (found,) = read(a_detector_card(inference={"strategy": "whole"}), source, finding_what_is_bright).detections
    assert found.cut is cut


@pytest.mark.parametrize(
    ("interpretation", "box"),
    [
        ({}, [5, 10, 10, 30]),
        ({"axes": "reversed"}, [10, 5, 30, 10]),
        ({"corners": "centre-size"}, [7.5, 20, 5, 20]),
        ({"corners": "low-size"}, [5, 10, 5, 20]),
        ({"axes": "reversed", "corners": "low-size", "coordinates": "fractions"}, [0.25, 0.25, 0.5, 0.25]),
        ({"coordinates": "fractions"}, [0.25, 0.25, 0.5, 0.75]),
        ({"axes": "reversed", "corners": "centre-size", "coordinates": "fractions"}, [0.5, 0.375, 0.5, 0.25]),
    ],
)
def test_every_way_to_write_a_box_is_the_same_box(interpretation: dict[str, Any], box: list[float]) -> None:
    """Corners or centre, voxels or fractions, rows or columns first: the outline is the same."""
    reading = read(an_image_card(**interpretation), an_image(), answering([box], [0.75], [1]))
    (found,) = reading.detections
    # The input is half the image: a pixel of it is two of the image.
    np.testing.assert_allclose(found.outline, [(9.5, 19.5), (9.5, 59.5), (19.5, 59.5), (19.5, 19.5)], atol=1e-5)
    assert found.slice_index == 0
    assert {each.name: each.value for each in found.measurements}[DIAMETER] == pytest.approx(10.0)


def test_of_boxes_that_overlap_the_best_is_kept_for_each_label() -> None:
    """The same thing twice is one; another label at the same place is another thing; a low score is nothing."""
    boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [12, 20, 18, 30], [12, 0, 18, 10]]
    reading = read(an_image_card(), an_image(), answering(boxes, [0.6, 0.9, 0.8, 0.7, 0.4], [1, 1, 2, 1, 1]))
    told = [(each.label.name, each.number, each.measurements[-1].value) for each in reading.detections]
    assert told == [("Nodule", 1, pytest.approx(90)), ("Mass", 2, pytest.approx(80)), ("Nodule", 3, pytest.approx(70))]


def test_suppression_is_that_of_a_plain_loop() -> None:
    """Over random boxes: kept is what no better kept box of its label covers by more than the limit."""
    generator = np.random.default_rng(3)
    low = generator.uniform(0, 20, (120, 3))
    boxes = Boxes(
        low=low,
        high=low + generator.uniform(4, 12, (120, 3)),
        score=generator.uniform(0, 1, 120),
        number=generator.integers(1, 3, 120),
    )
    kept: list[int] = []
    for index in np.argsort(-boxes.score):
        shared = [
            np.clip(np.minimum(boxes.high[k], boxes.high[index]) - np.maximum(boxes.low[k], boxes.low[index]), 0, None)
            for k in kept
            if boxes.number[k] == boxes.number[index]
        ]
        sizes = [
            np.prod(boxes.high[k] - boxes.low[k]) + np.prod(boxes.high[index] - boxes.low[index])
            for k in kept
            if boxes.number[k] == boxes.number[index]
        ]
        if all(np.prod(one) / (size - np.prod(one)) <= 0.2 for one, size in zip(shared, sizes, strict=True)):
            kept.append(int(index))
    assert 5 < len(kept) < 115
    np.testing.assert_array_equal(best_of(boxes, 0.2).score, boxes.score[kept])


def test_a_box_ends_at_the_edge_and_one_beyond_it_is_left_out() -> None:
    """What lies outside of the image cannot be shown."""
    boxes = [[-5, -5, 10, 10], [30, 50, 40, 60]]
    (found,) = read(an_image_card(), an_image(), answering(boxes, [0.9, 0.9], [1, 1])).detections
    np.testing.assert_allclose(found.outline, [(-0.5, -0.5), (-0.5, 19.5), (19.5, 19.5), (19.5, -0.5)], atol=1e-5)
    assert found.cut
    (inside,) = read(an_image_card(), an_image(), answering([[5, 5, 10, 10]], [0.9], [1])).detections
    assert not inside.cut


def test_a_score_that_rounding_brings_beyond_1_is_1() -> None:
    """As in bf16: the study was refused."""
    (one,) = read(an_image_card(), an_image(), answering([[0, 0, 5, 5]], [1.0039], [1])).detections
    assert [each.value for each in one.measurements if each.unit.value == "%"] == [100.0]


def test_no_box_is_an_answer() -> None:
    """A detector that finds nothing says so: each label was looked for and is missing."""
    reading = read(an_image_card(), an_image(), answering(np.empty((0, 4)), [], []))
    assert reading.detections == ()
    assert [label.number for label in reading.missing] == [1, 2]


@pytest.mark.parametrize(
    ("answer", "changes", "error", "words"),
    [
        (answering([[0, 0, 5, 5]], [1.5], [1]), {}, ImplausibleResult, "no probabilities"),
        (answering([[5, 0, 0, 5]], [0.9], [1]), {}, ImplausibleResult, "end before they begin"),
        (answering([[0, 0, 5, np.nan]], [0.9], [1]), {}, ImplausibleResult, "boxes"),
        (answering([[0, 0, 5, 5]], [0.9], [7]), {}, ImplausibleResult, "class 7 of the network is no label"),
        (answering([[0, 0, 5, 5]], [0.9], [1]), {"plausible_count": {"min": 2}}, ImplausibleResult, "1 found"),
        (answering([[0, 0, 5]], [0.9], [1]), {}, CardError, "boxes_output"),
        (answering([[0, 0, 5, 5]], [0.9], [1]), {"scores_output": "logits"}, CardError, "scores_output"),
    ],
)
def test_what_is_no_answer_of_a_detector_is_refused(
    answer: Infer, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Scores, boxes, classes and counts that cannot be right give no result, and the card's key is named."""
    with pytest.raises(error, match=words):
        read(an_image_card(**changes), an_image(), answer)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": []}, "boxes need at least one"),
        ({"inference": {"strategy": "slices"}}, "boxes does not go with .* inference.strategy = slices"),
        ({"labels": [LABELS[0] | {"instances": True}]}, "no mask"),
        ({"labels": [LABELS[0] | {"plausible_volume_ml": {"min": 1.0}}]}, "leave out plausible_volume_ml"),
        ({"labels": [LABELS[0] | {"smallest_ml": 0.1}]}, "small ones are not dropped"),
        ({"labels": [LABELS[0] | {"smallest_mm": 3.0}]}, "small ones are not dropped"),
    ],
)
def test_a_card_that_contradicts_boxes_is_refused(changes: dict[str, Any], words: str) -> None:
    """What a box cannot have is not asked of it."""
    with pytest.raises(ValidationError, match=words):
        a_detector_card(**changes)


def test_a_box_can_be_critical() -> None:
    """Rules about probability and diameter count for boxes too."""
    rules = [{"when": "probability", "label": "Nodule", "at_least": 80}, {"when": "diameter", "label": "Nodule"}]
    card = a_detector_card(critical=[rules[0], rules[1] | {"at_least": 9}])
    reading = read(card, with_cube(), finding_what_is_bright)
    assert [reason.kind for reason in critical_reasons(card.critical, reading)] == ["probability", "diameter"]
