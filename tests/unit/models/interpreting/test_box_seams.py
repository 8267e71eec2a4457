"""A thing that lies on the seam of a detector's windows is one thing, whole."""

from typing import Any

import numpy as np
import pytest

from models.interpreting.box_seams import in_window, mended
from models.interpreting.boxes import Boxes, best_of
from models.reading import read
from models.runtimes.runtime import Arrays
from models.volume import Volume
from tests.unit.models.interpreting.test_detection import a_detector_card, answering

Box = tuple[float, ...]
WINDOW = 32


def finding_each_bright_thing(network: str, inputs: Arrays) -> Arrays:
    """Answer the box of what is between 0.3 and 0.7, and of what is above, the surer the less of it there is."""
    (array,) = inputs.values()
    values, boxes, scores = np.asarray(array[0, 0], np.float32), [], []
    for low, high in ((0.3, 0.7), (0.7, 2.0)):
        places = np.argwhere((values > low) & (values <= high))
        if len(places):
            boxes.append([*places.min(axis=0), *(places.max(axis=0) + 1)])
            scores.append(0.95 - len(places) * 1e-5)
    return answering(np.reshape(boxes, (-1, 6)), scores, [1] * len(boxes))(network, inputs)


def found(things: list[tuple[tuple[slice, slice, slice], int]], overlap: float) -> list[Box]:
    """Return the boxes that a detector finds in 48 slices of 96 by 48, as lowest and highest edges in the plane."""
    array = np.zeros((48, 96, 48), np.int16)
    for place, value in things:
        array[place] = value
    array[0, 0, 0] = 100  # one brightness for all volumes
    volume = Volume(array=array, affine=np.eye(4)[[2, 1, 0, 3]])
    inference = {"strategy": "sliding-window", "window": [WINDOW] * 3, "overlap": overlap}
    reading = read(a_detector_card(inference=inference), volume, finding_each_bright_thing)
    outlines = [np.array(each.outline) + 0.5 for each in reading.detections if max(max(each.outline)) > 1]
    return sorted((*line.min(axis=0).tolist(), *line.max(axis=0).tolist()) for line in outlines)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
@pytest.mark.parametrize(
    ("rows", "columns"),
    [((20, 40), (10, 20)), ((10, 80), (10, 20)), ((2, 12), (20, 40)), ((22, 42), (20, 40)), ((0, 96), (4, 12))],
)
def test_a_lesion_on_a_seam_is_one(rows: tuple[int, int], columns: tuple[int, int], overlap: float) -> None:
    """Across one edge, longer than a window, across the corner of four, as long as the volume: once, and all of it."""
    lesion = [((slice(10, 20), slice(*rows), slice(*columns)), 50)]
    assert found(lesion, overlap) == [(rows[0], columns[0], rows[1], columns[1])]


def test_two_lesions_beside_a_seam_are_two() -> None:
    """One ends where a window ends, another lies beside the edge: their cross-sections are not one thing's."""
    lesions = [
        ((slice(10, 16), slice(24, 32), slice(4, 10)), 50),
        ((slice(10, 16), slice(32, 40), slice(14, 22)), 100),
    ]
    assert found(lesions, 0.0) == [(24, 4, 32, 10), (32, 14, 40, 22)]


def boxes(*rows: Box, numbers: Any = None) -> Boxes:
    """Return boxes along one axis of a plane: low, high, score."""
    table = np.array(rows, float).reshape(-1, 3)
    return Boxes(
        low=np.stack([table[:, 0], np.full(len(table), 5.0)], axis=1),
        high=np.stack([table[:, 1], np.full(len(table), 9.0)], axis=1),
        score=table[:, 2],
        number=np.array(numbers if numbers is not None else [1] * len(table), np.intp),
    )


def mended_of(*windows: tuple[int, Boxes]) -> list[tuple[float, float, float]]:
    """Return low, high and score of what is made of windows of 64 in a row of 200, each at its start."""
    nothing = np.zeros(2)
    made = [in_window(each, (slice(at, at + 64), slice(0, 64)), (200, 64), nothing) for at, each in windows]
    left = best_of(mended(made, 0.5), 0.5)
    return [
        (float(low), float(high), float(score))
        for low, high, score in zip(left.low[:, 0], left.high[:, 0], left.score, strict=True)
    ]


def test_a_part_loses_to_the_whole_however_sure_it_is() -> None:
    """Its intersection with the whole is small over their union, and most of itself."""
    assert mended_of((0, boxes((54, 64, 0.99))), (32, boxes((22, 58, 0.6)))) == [(54, 90, 0.6)]


def test_another_label_is_another_thing() -> None:
    """A part of a nodule is no part of a mass, neither covered by it nor joined with it."""
    parts = (0, boxes((54, 64, 0.9))), (64, boxes((0, 12, 0.8), numbers=[2]))
    assert mended_of(*parts) == [(54, 64, 0.9), (64, 76, 0.8)]
    covered = (0, boxes((54, 64, 0.9))), (32, boxes((22, 58, 0.6), numbers=[2]))
    assert mended_of(*covered) == [(54, 64, 0.9), (54, 90, 0.6)]


def test_the_volumes_own_edge_cuts_nothing() -> None:
    """What ends there is as whole as it can be; a small thing beside a large one in one window stays too."""
    assert mended_of((0, boxes((0, 30, 0.7), (4, 12, 0.9)))) == [(4, 12, 0.9), (0, 30, 0.7)]
    assert mended_of((136, boxes((50, 64, 0.7)))) == [(186, 200, 0.7)]


def test_nothing_anywhere_is_nothing() -> None:
    """Windows without boxes give none."""
    assert mended_of((0, boxes()), (64, boxes())) == []
