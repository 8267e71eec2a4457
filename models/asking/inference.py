"""The order in which networks are asked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.asking.answers import answered, logit
from models.asking.slice_by_slice import ask_slices
from models.asking.sliding_window import ask_windows
from models.card.card_inference import LocateThenRead, Slices, SlidingWindow, Whole
from models.card.card_interpretation import LabelMapInterpretation
from models.card.card_preparation import VolumePreparation
from models.card.manifest import Card
from models.components import largest_component
from models.errors import CardError, InputRefused
from models.preparing.grid import Box, Shape, boxed, grid_of, oriented, resample, shape_of
from models.preparing.normalisation import normalise
from models.preparing.preparation import Prepared
from models.runtimes.runtime import Infer
from models.volume import Volume

#: Name of the input of every network that reads a volume, ``(1, 1, d, h, w)`` float32.
INPUT = "input"


def ask(card: Card, prepared: Prepared, volume: Volume, infer: Infer) -> Volume:
    """Ask the card's networks.

    Returns what they answer on the network's grid: for kind ``probability`` the float32 logit of label 1 (its network
    output less the background's), for the others uint8 label numbers.

    Raises InputRefused when nothing is found to read, RuntimeFailed, CardError when the answer is not the card's kind.
    """
    interpretation, shape = _label_map(card), prepared.array.shape[2:]
    at_once = card.networks["main"].max_batch
    if isinstance(card.inference, Whole):
        answer = infer("main", {INPUT: prepared.array})
    elif isinstance(card.inference, Slices):
        answer = {"answer": ask_slices(infer, "main", INPUT, prepared.array, card.inference, at_once=at_once)}
    elif isinstance(card.inference, SlidingWindow):
        answer = {"answer": ask_windows(infer, "main", INPUT, prepared.array, card.inference, at_once=at_once)}
    elif isinstance(card.inference, LocateThenRead):
        return _locate_then_read(card, card.inference, prepared, volume, infer)
    else:
        raise CardError(f"{card.id}: a volume cannot be read by the strategy {card.inference.strategy}")
    return Volume(array=answered(card.id, interpretation, answer, shape, card.labels), affine=prepared.affine)


def _label_map(card: Card) -> LabelMapInterpretation:
    if not isinstance(card.interpretation, LabelMapInterpretation):
        raise CardError(f"{card.id}: an answer on a grid is a label map, not {card.interpretation.kind}; mend the card")
    return card.interpretation


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
    preparation, interpretation = card.preparation, _label_map(card)
    if not isinstance(preparation, VolumePreparation):
        raise CardError(f"{card.id}: locate-then-read needs a volume's preparation")
    coarse = answered(
        card.id, interpretation, infer("locator", {INPUT: prepared.array}), prepared.array.shape[2:], card.labels
    )
    source = oriented(volume, preparation.orientation)
    found = largest_component(_is_set(coarse, interpretation))
    crop = boxed(source, located_box(found, shape_of(source.array), strategy))
    fine = resample(crop, grid_of(crop).stretched(strategy.read_size), interpolation="nearest", outside=None)
    array = fine.array.astype(np.float32)
    normalise(array, preparation, prepared.window)
    answer = infer("main", {INPUT: array[np.newaxis, np.newaxis]})
    return Volume(array=answered(card.id, interpretation, answer, array.shape, card.labels), affine=fine.affine)


def _is_set(values: NDArray[Any], interpretation: LabelMapInterpretation) -> NDArray[np.bool_]:
    if interpretation.kind != "probability":
        return values > 0
    return values > logit(interpretation.threshold)
