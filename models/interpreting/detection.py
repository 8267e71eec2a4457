"""A detector finds things in a volume or in images: from its boxes to findings with a rectangular outline."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.asking.inference import INPUT
from models.asking.sliding_window import filled_up, windows
from models.card.card_inference import SlidingWindow
from models.card.card_interpretation import BoxInterpretation
from models.card.card_parts import Label
from models.card.manifest import Card
from models.errors import ImplausibleResult
from models.findings import Detection, Measurement, Reading
from models.interpreting.box_seams import WindowBoxes, in_window, mended
from models.interpreting.boxes import Boxes, best_of, boxes_of
from models.interpreting.counting import counts_of, most_in_one, plausibly_counted
from models.interpreting.instances import CERTAINTY, DIAMETER, MILLIMETRE, PERCENT
from models.interpreting.view_edges import cut_by_content
from models.preparing.image_preparation import Placement
from models.preparing.preparation import Prepared
from models.runtimes.runtime import Infer
from models.volume import Volume

#: Of a pixel: rounding of the way from one grid to the other.
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Found:
    """A box on the source.

    Attributes:
        number: The label's.
        score: Probability.
        low: Lowest slice (or frame), row and column, counted between the centres of voxels: the first is at 0.
        high: Likewise the highest.
        cut: Whether it ends where the network's view ends, or what a scanner shows, within the images.
    """

    number: int
    score: float
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    cut: bool = False


def detect_in_volume(
    card: Card, interpretation: BoxInterpretation, prepared: Prepared, source: Volume, infer: Infer
) -> Reading:
    """Return what a detector finds in a volume.

    A box of a grid that is oblique to the source's becomes the box of the source that holds it.

    Raises RuntimeFailed, CardError when the answer is not the card's kind, ImplausibleResult.
    """
    boxes = best_of(_asked(card, interpretation, prepared.array, infer), interpretation.overlap)
    to_source = np.linalg.inv(source.affine) @ prepared.affine
    found = []
    for index in range(len(boxes)):
        edges = np.array(list(itertools.product(*zip(boxes.low[index], boxes.high[index], strict=True)))) - 0.5
        corners = edges @ to_source[:3, :3].T + to_source[:3, 3]
        cut = not cut_by_content(card) and _ends_with_view(
            boxes.low[index], boxes.high[index], prepared.array.shape[2:], to_source, source.array.shape
        )
        low, high = corners.min(axis=0), corners.max(axis=0)
        found.append(replace(_found(boxes, index, low, high), cut=cut or _ends_with_field(low, high, source)))
    _, row_mm, column_mm = source.spacing_mm
    detections, missing = detections_of(card, interpretation, found, source.array.shape, (row_mm, column_mm))
    return plausibly_counted(Reading(detections=detections, missing=missing, counts=counts_of(detections, missing)))


def boxes_in_frame(
    card: Card,
    interpretation: BoxInterpretation,
    answer: Mapping[str, NDArray[np.generic]],
    index: int,
    size: tuple[int, int],
    shape: tuple[int, int],
    placement: Placement,
) -> list[Found]:
    """Return what a detector found on one frame.

    Args:
        card: The model's.
        interpretation: The card's.
        answer: The network's.
        index: Of the frame.
        size: Rows, columns of the network's input.
        shape: Rows, columns of the frame.
        placement: Of the input on the frame.

    Raises CardError when the answer is not the card's kind, ImplausibleResult.
    """
    boxes = best_of(boxes_of(card.id, interpretation, answer, size), interpretation.overlap)
    low, high = (np.asarray(placement.start) + edges * placement.scale - 0.5 for edges in (boxes.low, boxes.high))
    first = np.asarray(placement.start)
    last = first + np.multiply(size, placement.scale)
    # Of the edges of the network's input those within the frame: beyond the others there is nothing unseen.
    before, behind = np.greater(first, _ROUNDING), np.less(last, np.subtract(shape, _ROUNDING))
    cut = ((boxes.low <= 0) & before).any(axis=1) | ((boxes.high >= size) & behind).any(axis=1)
    return [
        replace(
            _found(boxes, place, np.array([index, *low[place]]), np.array([index, *high[place]])),
            cut=bool(cut[place]),
        )
        for place in range(len(boxes))
    ]


def detections_of(
    card: Card,
    interpretation: BoxInterpretation,
    found: Sequence[Found],
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float] | None,
    *,
    by_frame: bool = False,
) -> tuple[tuple[Detection, ...], tuple[Label, ...]]:
    """Return the detections, the surest first, and the labels of which there is none.

    A box is outlined on its middle slice and ends at the source's edge; one that lies outside of it is left out.

    Args:
        card: Whose labels count.
        interpretation: The card's.
        found: In any order.
        shape: Of the source, ``(slices, rows, columns)``.
        spacing_mm: Between rows and columns; None where nobody knows.
        by_frame: What is plausible is so of each frame, not of all together.

    Raises ImplausibleResult for a class that is no label of the card, and when there are too many or too few.
    """
    labels = {label.number: label for label in card.labels}
    kept = []
    for one in sorted(found, key=lambda one: -one.score):
        if one.number not in labels:
            raise ImplausibleResult(
                f"the result is not sent: class {one.number + interpretation.first_class - 1} of the network is no "
                "label of the card; mend [[labels]] or first_class"
            )
        inside = _inside(one, shape)
        if inside is not None:
            kept.append(inside)
    detections = tuple(
        Detection(
            number=number,
            label=labels[one.number],
            slice_index=int(np.clip(np.floor((one.low[0] + one.high[0]) / 2 + 0.5), 0, shape[0] - 1)),
            outline=_rectangle(one),
            measurements=_measured(one, interpretation, spacing_mm),
            laterality=labels[one.number].laterality,
            cut=one.cut or _is_cut(one, shape, by_frame=by_frame),
        )
        for number, one in enumerate(kept, start=1)
    )
    there_are = most_in_one(detections) if by_frame else len(detections)
    if there_are not in interpretation.plausible_count:
        raise ImplausibleResult(
            f"the result is not sent: {there_are} found (plausible {interpretation.plausible_count}); look at the "
            "source images"
        )
    numbers = {one.number for one in kept}
    return detections, tuple(label for number, label in sorted(labels.items()) if number not in numbers)


def _asked(card: Card, interpretation: BoxInterpretation, array: NDArray[np.float32], infer: Infer) -> Boxes:
    """Return all boxes on the network's grid, also copies of those that several windows show."""
    if not isinstance(card.inference, SlidingWindow):
        return boxes_of(card.id, interpretation, infer("main", {INPUT: array}), array.shape[2:])
    return mended(list(_asked_windows(card, card.inference, interpretation, array, infer)), interpretation.overlap)


def _asked_windows(
    card: Card, strategy: SlidingWindow, interpretation: BoxInterpretation, array: NDArray[np.float32], infer: Infer
) -> Iterator[WindowBoxes]:
    padded, inside = filled_up(array, strategy)
    first = np.array([side.start for side in inside], np.float64)
    # One at a time: how many boxes an answer has differs, so answers do not stack.
    for box in windows(padded.shape[1:], strategy):
        part = np.ascontiguousarray(padded[(slice(None), *box)])[np.newaxis]
        found = boxes_of(card.id, interpretation, infer("main", {INPUT: part}), strategy.window)
        yield in_window(found, box, padded.shape[1:], first)


def _found(boxes: Boxes, index: int, low: NDArray[np.float64], high: NDArray[np.float64]) -> Found:
    first, last = (tuple(float(value) for value in corner) for corner in (low, high))
    return Found(
        number=int(boxes.number[index]),
        score=float(boxes.score[index]),
        low=(first[0], first[1], first[2]),
        high=(last[0], last[1], last[2]),
    )


def _inside(one: Found, shape: tuple[int, ...]) -> Found | None:
    """Return the part of a box inside the source; None where there is none."""
    ends = np.array(shape, np.float64) - 0.5
    low, high = np.clip(one.low, -0.5, ends), np.clip(one.high, -0.5, ends)
    if not (low[1:] < high[1:]).all() or one.high[0] < -0.5 or one.low[0] > ends[0]:  # noqa: PLR2004
        return None
    first, last = low.tolist(), high.tolist()
    return replace(one, low=(first[0], first[1], first[2]), high=(last[0], last[1], last[2]))


def _ends_with_view(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    size: tuple[int, ...],
    to_source: NDArray[np.float64],
    shape: tuple[int, ...],
) -> bool:
    """Say whether a box on the network's grid reaches an edge of it that lies within the source."""
    for axis in range(3):
        for reaches, edge in ((low[axis] <= 0, 0.0), (high[axis] >= size[axis], float(size[axis]))):
            place = (low + high) / 2
            place[axis] = edge
            there = to_source[:3, :3] @ (place - 0.5) + to_source[:3, 3]
            ends = np.array(shape) - 0.5
            if reaches and ((there > -0.5 + _ROUNDING) & (there < ends - _ROUNDING)).all():
                return True
    return False


def _ends_with_field(low: NDArray[np.float64], high: NDArray[np.float64], source: Volume) -> bool:
    """Say whether a box reaches the end of what a scanner shows within the images: beside it, or in it, is padding."""
    if not source.ends_at_padding:
        return False
    first = np.floor(low + 0.5 + _ROUNDING).astype(int) - 1
    last = np.ceil(high - 0.5 - _ROUNDING).astype(int) + 1
    slices, rows, columns = (slice(max(0, start), max(0, end + 1)) for start, end in zip(first, last, strict=True))
    return not source.imaged((slices, rows, columns)).all()


def _is_cut(one: Found, shape: tuple[int, ...], *, by_frame: bool) -> bool:
    """Say whether a box ends at the source's edge; across frames, and a single slice, it has none."""
    axes = [axis for axis in range(3) if shape[axis] > 1 and not (by_frame and axis == 0)]
    return any(one.low[axis] <= -0.5 or one.high[axis] >= shape[axis] - 0.5 for axis in axes)  # noqa: PLR2004


def _rectangle(one: Found) -> tuple[tuple[float, float], ...]:
    (_, top, left), (_, bottom, right) = one.low, one.high
    return ((top, left), (top, right), (bottom, right), (bottom, left))


def _measured(
    one: Found, interpretation: BoxInterpretation, spacing_mm: tuple[float, float] | None
) -> tuple[Measurement, ...]:
    certainty = Measurement(name=CERTAINTY, value=100.0 * one.score, unit=PERCENT)
    if interpretation.diameter == "none" or spacing_mm is None:
        return (certainty,)
    sides = [(one.high[axis] - one.low[axis]) * mm for axis, mm in zip((1, 2), spacing_mm, strict=True)]
    return (Measurement(name=DIAMETER, value=max(sides), unit=MILLIMETRE), certainty)
