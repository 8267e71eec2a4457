"""What a detector answers: boxes, each with a score and a class; of those that overlap, the best."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.asking.answers import are_probabilities
from models.card.card_interpretation import BoxInterpretation
from models.errors import CardError, ImplausibleResult


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes:
    """Boxes on a grid, whose first voxel reaches from 0 to 1 along each axis.

    Attributes:
        low: Lowest edges, float64 ``(n, axes)`` in the order of the grid's axes.
        high: Highest edges, likewise.
        score: Probabilities, float64 ``(n,)``.
        number: Numbers of labels, ``(n,)``.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    score: NDArray[np.float64]
    number: NDArray[np.intp]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.score)

    def moved(self, by: NDArray[np.float64]) -> "Boxes":
        """Return the boxes on a grid of which this one begins at `by`."""
        return replace(self, low=self.low + by, high=self.high + by)

    def __getitem__(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> "Boxes":
        """Return some of them."""
        return Boxes(low=self.low[kept], high=self.high[kept], score=self.score[kept], number=self.number[kept])


def boxes_of(
    model_id: str,
    interpretation: BoxInterpretation,
    answer: Mapping[str, NDArray[np.generic]],
    shape: tuple[int, ...],
) -> Boxes:
    """Return the boxes of an answer whose score reaches the card's threshold.

    Args:
        model_id: For the message.
        interpretation: The card's.
        answer: The network's; each output may have a first axis of 1 for the batch.
        shape: Of the network's input without batch and channels.

    Raises CardError when the answer is not the card's kind, ImplausibleResult when a score is no probability or a box
    no box.
    """
    rows, score, classes = _outputs(model_id, interpretation, answer, 2 * len(shape))
    if not are_probabilities(score):
        raise ImplausibleResult(
            "the result is not sent: the network's scores are no probabilities; look at the source images, and at "
            "scores_output in the card"
        )
    score = np.clip(score, 0.0, 1.0)
    kept = score >= interpretation.threshold
    first, second = np.split(rows[kept], 2, axis=1)
    if interpretation.axes == "reversed":
        first, second = first[:, ::-1], second[:, ::-1]
    if interpretation.corners == "centre-size":
        first, second = first - second / 2, first + second / 2
    elif interpretation.corners == "low-size":
        second = first + second
    if interpretation.coordinates == "fractions":
        first, second = first * shape, second * shape
    if not (np.isfinite(first).all() and np.isfinite(second).all() and (first <= second).all()):
        raise ImplausibleResult(
            "the result is not sent: the network answers boxes that end before they begin; look at corners and axes "
            "in the card"
        )
    return Boxes(low=first, high=second, score=score[kept], number=classes[kept] - interpretation.first_class + 1)


def joined(parts: list[Boxes], axes: int) -> Boxes:
    """Return all of them as one; `axes` is for when there are none."""
    nothing = Boxes(low=np.empty((0, axes)), high=np.empty((0, axes)), score=np.empty(0), number=np.empty(0, np.intp))
    every = [nothing, *parts]
    return Boxes(
        low=np.concatenate([one.low for one in every]),
        high=np.concatenate([one.high for one in every]),
        score=np.concatenate([one.score for one in every]),
        number=np.concatenate([one.number for one in every]),
    )


def best_of(boxes: Boxes, overlap: float) -> Boxes:
    """Return the boxes without those that a better one of the same label covers (non-maximum suppression).

    Args:
        boxes: Any.
        overlap: The intersection over union from above which two boxes are one thing.

    Returns them by falling score; of equals, the first comes first.
    """
    boxes = boxes[np.argsort(-boxes.score, kind="stable")]
    volume = (boxes.high - boxes.low).prod(axis=1)
    free = np.ones(len(boxes), bool)
    for index in range(len(boxes)):
        if not free[index]:
            continue
        low, high = np.maximum(boxes.low, boxes.low[index]), np.minimum(boxes.high, boxes.high[index])
        shared = np.clip(high - low, 0.0, None).prod(axis=1)
        covered = shared > overlap * (volume + volume[index] - shared)
        covered[: index + 1] = False
        free &= ~(covered & (boxes.number == boxes.number[index]))
    return boxes[free]


def _outputs(
    model_id: str, interpretation: BoxInterpretation, answer: Mapping[str, NDArray[np.generic]], wide: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    names = (interpretation.boxes_output, interpretation.scores_output, interpretation.classes_output)
    found = [np.asarray(answer[name]) for name in names if name in answer]
    if len(found) == len(names):
        rows, score, classes = found
        if rows.ndim == 3 and rows.shape[0] == 1:  # noqa: PLR2004  # with its batch
            rows, score, classes = rows[0], score.reshape(-1), classes.reshape(-1)
        if rows.ndim == 2 and rows.shape[1] == wide and score.shape == classes.shape == (len(rows),):  # noqa: PLR2004
            return rows.astype(np.float64), score.astype(np.float64), classes.astype(np.intp)
    shapes = {name: array.shape for name, array in answer.items()}
    raise CardError(
        f"{model_id}: the network answers {shapes}, not {names[0]} (n, {wide}), {names[1]} (n,) and {names[2]} (n,); "
        "mend boxes_output, scores_output and classes_output in the card"
    )
