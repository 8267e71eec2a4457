"""Of a thing that the edge of a detector's window has cut, each window has a part: one box is made of them.

A part has little in common with the whole by intersection over union, so suppression keeps both. By the intersection
over the smaller box it is known (Akyon et al., Slicing Aided Hyper Inference, ICIP 2022), and whether a box was cut is
known by the window's edge that it reaches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.interpreting.boxes import Boxes, joined

#: Voxels between a box and the edge that cut it: networks do not place edges more exactly.
_REACH = 1.0
#: A part of which another box covers more than this is a part of what that box shows.
_COVERED = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowBoxes:
    """What a window showed.

    Attributes:
        boxes: On the grid of all windows.
        cut: Whether a box reaches an edge beyond which the volume goes on, bool ``(n, axes, 2)``: lowest, highest.
    """

    boxes: Boxes
    cut: NDArray[np.bool_]


def in_window(boxes: Boxes, window: Sequence[slice], shape: Sequence[int], first: NDArray[np.float64]) -> WindowBoxes:
    """Return the boxes of a window on the grid of all.

    Args:
        boxes: On the window's own grid.
        window: Where it lies in the volume that was filled up.
        shape: Of that volume.
        first: Where in it the volume itself begins.
    """
    start, stop = (
        np.array(ends, np.float64) for ends in zip(*((side.start, side.stop) for side in window), strict=True)
    )
    low = (boxes.low <= _REACH) & (start > 0)
    high = (boxes.high >= stop - start - _REACH) & (stop < np.array(shape))
    return WindowBoxes(boxes=boxes.moved(start - first), cut=np.stack([low, high], axis=-1))


def mended(windows: Sequence[WindowBoxes], overlap: float) -> Boxes:
    """Return the boxes of all windows, of each thing that was cut the whole one; copies are left to suppression.

    What some window shows whole replaces its parts. Else parts that end at each other's edge are joined, where their
    cross-sections overlap by more than `overlap`; then a part of what a larger box covers is dropped.
    """
    axes = windows[0].cut.shape[1]
    every = joined([each.boxes for each in windows], axes)
    cut = np.concatenate([each.cut for each in windows])
    window = np.repeat(np.arange(len(windows)), [len(each.boxes) for each in windows])
    if not cut.any():
        return every
    parts = cut.any(axis=(1, 2))
    kept = np.ones(len(every), bool)
    for index in np.flatnonzero(parts).tolist():
        kept[index] = not _covered(every, index, ~parts & (window != window[index]))
    whole, parts = every[kept & ~parts], kept & parts
    halves = list(_joined_parts(every[parts], cut[parts], window[parts], overlap))
    everything = joined([whole, *halves], axes)
    larger = (everything.high - everything.low).prod(axis=1)
    covered = [_covered(everything, index, larger > larger[index]) for index in range(len(whole), len(everything))]
    return everything[np.array([*[True] * len(whole), *(not one for one in covered)], bool)]


def _covered(boxes: Boxes, index: int, others: NDArray[np.bool_]) -> bool:
    """Say whether one of the others, of the same label, covers most of a box."""
    others = others & (boxes.number == boxes.number[index])
    low, high = np.maximum(boxes.low[others], boxes.low[index]), np.minimum(boxes.high[others], boxes.high[index])
    shared = np.clip(high - low, 0.0, None).prod(axis=1)
    return bool((shared > _COVERED * (boxes.high[index] - boxes.low[index]).prod()).any())


def _joined_parts(boxes: Boxes, cut: NDArray[np.bool_], window: NDArray[np.intp], overlap: float) -> Iterator[Boxes]:
    """Yield the boxes, those that are parts of one thing as one, with the best score of its parts."""
    low, high, score, cut, window = boxes.low.copy(), boxes.high.copy(), boxes.score.copy(), cut.copy(), window.copy()
    free = np.ones(len(boxes), bool)
    for axis in range(cut.shape[1]):
        for index in range(len(boxes)):
            # A thing that is longer than a window has a part in each of several.
            while free[index] and cut[index, axis, 1]:
                fits = free & cut[:, axis, 0] & (boxes.number == boxes.number[index])
                fits &= (window != window[index]) | (window < 0)
                fits &= (low[:, axis] > low[index, axis]) & (high[:, axis] > high[index, axis])
                fits &= low[:, axis] <= high[index, axis] + 2 * _REACH
                alike = np.where(fits, _cross_sections(low, high, index, axis), 0.0)
                other = int(alike.argmax())
                if alike[other] <= overlap:
                    break
                low[index], high[index] = np.minimum(low[index], low[other]), np.maximum(high[index], high[other])
                score[index] = max(score[index], score[other])
                ends = cut[index, axis, 0], cut[other, axis, 1]
                cut[index] |= cut[other]
                cut[index, axis] = ends
                free[other], window[index] = False, -1
    for index in np.flatnonzero(free).tolist():
        place = slice(index, index + 1)
        yield Boxes(low=low[place], high=high[place], score=score[place], number=boxes.number[place])


def _cross_sections(low: NDArray[np.float64], high: NDArray[np.float64], index: int, axis: int) -> NDArray[np.float64]:
    """Return how much of each box's extent across an axis is that of one of them too, as intersection over union."""
    across = [other for other in range(low.shape[1]) if other != axis]
    sides = np.minimum(high, high[index]) - np.maximum(low, low[index])
    shared = np.clip(sides[:, across], 0.0, None).prod(axis=1)
    sizes = (high - low)[:, across].prod(axis=1)
    union = sizes + sizes[index] - shared
    alike: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return alike
