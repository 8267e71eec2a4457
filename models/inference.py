"""The order in which networks are asked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card_inference import LocateThenRead, SlidingWindow, Whole
from models.card_interpretation import LabelMapInterpretation
from models.card_preparation import VolumePreparation
from models.components import largest_component
from models.errors import CardError, InputRefused
from models.grid import Box, Shape, boxed, grid_of, oriented, resample, shape_of
from models.manifest import Card
from models.preparation import Prepared, normalise
from models.runtime import Infer
from models.sliding_window import ask_windows
from models.volume import Volume

#: Name of the input of every network that reads a volume, ``(1, 1, d, h, w)`` float32.
INPUT = "input"


def ask(card: Card, prepared: Prepared, volume: Volume, infer: Infer) -> Volume:
    """Ask the card's networks.

    Returns what they answer on the network's grid: for kinds ``labels`` and ``classes`` uint8 label numbers, for kind
    ``probability`` the float32 logit of label 1 (its network output less the background's).

    Raises InputRefused when nothing is found to read, RuntimeFailed, CardError when the answer is not the card's kind.
    """
    if isinstance(card.inference, Whole):
        answer = infer("main", {INPUT: prepared.array})
        return Volume(array=_values(card, answer, prepared.array.shape[2:]), affine=prepared.affine)
    if isinstance(card.inference, SlidingWindow):
        logits = ask_windows(infer, "main", INPUT, prepared.array, card.inference)
        return Volume(array=_values(card, {"logits": logits}, prepared.array.shape[2:]), affine=prepared.affine)
    if isinstance(card.inference, LocateThenRead):
        return _locate_then_read(card, card.inference, prepared, volume, infer)
    raise CardError(f"{card.id}: a volume cannot be read by the strategy {card.inference.strategy}")


def logit(probability: float) -> float:
    """Return the logit of a probability between 0 and 1, both excluded."""
    return float(np.log(probability / (1.0 - probability)))


def located_box(mask: NDArray[np.bool_], shape: Shape, strategy: LocateThenRead) -> Box:
    """Return the box of the oriented source that a coarse mask of the same space points at.

    Along each axis the box spans the planes on which more than the strategy's share of voxels is set, enlarged about
    its middle.

    Raises InputRefused when no plane is.
    """
    sides = []
    for axis, length in enumerate(shape):
        others = tuple(other for other in range(3) if other != axis)
        planes = np.flatnonzero(mask.mean(axis=others) > strategy.plane_mean_above)
        if not planes.size:
            raise InputRefused("the locating network finds nothing to read; look whether the images show the body part")
        scale = length / mask.shape[axis]
        first, last = int(planes[0]), int(planes[-1]) + 1
        middle = np.round(scale * (first + last) / 2)
        half = np.round(strategy.enlarge * scale * (last - first)) / 2
        sides.append(slice(max(0, int(middle - half)), min(length, int(middle + half))))
    return sides[0], sides[1], sides[2]


def _locate_then_read(card: Card, strategy: LocateThenRead, prepared: Prepared, volume: Volume, infer: Infer) -> Volume:
    preparation, interpretation = card.preparation, card.interpretation
    if not (isinstance(preparation, VolumePreparation) and isinstance(interpretation, LabelMapInterpretation)):
        raise CardError(f"{card.id}: locate-then-read needs a volume's preparation and a label map's interpretation")
    coarse = _values(card, infer("locator", {INPUT: prepared.array}), prepared.array.shape[2:])
    source = oriented(volume, preparation.orientation)
    found = largest_component(_is_set(coarse, interpretation))
    crop = boxed(source, located_box(found, shape_of(source.array), strategy))
    fine = resample(crop, grid_of(crop).stretched(strategy.read_size), interpolation="nearest", outside=None)
    array = fine.array.astype(np.float32)
    normalise(array, preparation, prepared.window)
    answer = infer("main", {INPUT: array[np.newaxis, np.newaxis]})
    return Volume(array=_values(card, answer, array.shape), affine=fine.affine)


def _is_set(values: NDArray[Any], interpretation: LabelMapInterpretation) -> NDArray[np.bool_]:
    if interpretation.kind != "probability":
        return values > 0
    return values > logit(interpretation.threshold)


def _values(card: Card, answer: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the one output of a network as ``(d, h, w)``."""
    (output,) = answer.values() if len(answer) == 1 else (None,)
    kind = card.interpretation.kind
    if output is not None and kind == "labels" and output.shape in {(1, *shape), (1, 1, *shape)}:
        return np.asarray(output, np.uint8).reshape(shape)
    if output is not None and kind == "classes" and output.ndim == 5 and output.shape[2:] == shape:  # noqa: PLR2004
        return np.asarray(output[0].argmax(axis=0), np.uint8)
    if output is not None and kind == "probability" and output.shape == (1, 2, *shape):
        logits: NDArray[Any] = np.asarray(output[0, 1] - output[0, 0], np.float32)
        return logits
    shapes = {name: value.shape for name, value in answer.items()}
    raise CardError(f"{card.id}: the network answers {shapes}, which is not {kind} for an input {shape}; mend the card")
