"""From the network's answer to a Reading on the source grid."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from models.asking.answers import logit
from models.card.card_interpretation import LabelMapInterpretation
from models.card.card_parts import DECIDING_DIGITS, Concept, Label
from models.card.manifest import Card
from models.components import drop_small, fill_holes, largest_component
from models.errors import ImplausibleResult
from models.findings import Detection, Measurement, Reading, Structure
from models.interpreting.counting import counts_of, plausibly_counted
from models.interpreting.instances import MILLILITRE, VOLUME, take_instances
from models.interpreting.measuring import (
    ANOTHER_UNIT,
    IN_PARTS,
    any_cut_more_than_once,
    measure,
    unit_of_values,
)
from models.interpreting.view_edges import at_edge_of_field, at_edge_of_images, at_edge_of_view, cut_by_content
from models.preparing.grid import box_of, grid_of, reach, resample, shape_of
from models.sentence import Sentence
from models.volume import Volume

#: Labels that are counted one by one: a comparison takes a twentieth of what a bincount does.
_FEW = 12
_CUT = Sentence("What was segmented reaches the edge of the images: sizes may be too small.")
_CUT_BY_VIEW = Sentence("What was segmented ends where the model's view ends: sizes may be too small.")


def interpret(card: Card, interpretation: LabelMapInterpretation, answer: Volume, source: Volume) -> Reading:
    """Turn an answer on the network's grid into labels and volumes on the source's.

    Args:
        card: Whose labels and plausible ranges count.
        interpretation: The card's.
        answer: What `models.asking.inference.ask` returned.
        source: What was read.

    Raises ImplausibleResult when a volume or a count lies outside the card's range; what was not found has 0.
    """
    labels = label_map(interpretation, answer, source)
    known = sorted(card.labels, key=lambda label: label.number)
    parts = _parts_known(interpretation, known)
    for label in known:
        if label.smallest_ml > 0:
            smallest = round(label.smallest_ml / source.voxel_ml, DECIDING_DIGITS)
            parts[label.number] = drop_small(labels, label.number, smallest_voxels=smallest)
    voxels = _voxels([label.number for label in known], labels)
    _check_plausible(known, voxels, source.voxel_ml, interpretation)
    at_field, at_view = at_edge_of_field(labels, source), _at_view(card, labels, answer, source)
    at_edge = at_edge_of_images(labels) | at_field
    warnings = (*((_CUT,) if at_edge else ()), *((_CUT_BY_VIEW,) if at_view else ()))
    value_unit = unit_of_values(source, interpretation.value_unit)
    structures, in_parts = _structures(known, labels, voxels, parts, source, value_unit)
    structures = tuple(replace(one, cut=one.label.number in at_edge | at_view) for one in structures)
    if value_unit is None:
        warnings = (*warnings, ANOTHER_UNIT)
    instances, detections = _instances(known, labels, interpretation, answer, source)
    if instances is not None and (at_field or at_view):
        things = at_edge_of_field(instances, source) | _at_view(card, instances, answer, source)
        detections = tuple(replace(one, cut=one.cut or one.number in things) for one in detections)
    if in_parts or (instances is not None and any_cut_more_than_once(detections, instances)):
        warnings = (*warnings, IN_PARTS)
    counted = {detection.label.number for detection in detections}
    missing = tuple(
        label for label in known if label.number not in counted and (label.instances or not voxels[label.number])
    )
    reading = Reading(
        labels=labels,
        instances=instances,
        detections=detections,
        structures=structures,
        missing=missing,
        counts=counts_of(detections, missing),
        warnings=warnings,
    )
    return plausibly_counted(reading)


def _parts_known(interpretation: LabelMapInterpretation, known: list[Label]) -> dict[int, int]:
    """Return of how many connected parts labels are, by their numbers, where cleaning has decided that."""
    if interpretation.largest_component == "none" or (interpretation.fill_holes and len(known) > 1):
        return {}  # what fills a hole may be cut off by another label within it
    alone = interpretation.largest_component == "each-label" or interpretation.kind == "probability"
    return {label.number: 1 for label in known} if alone else {}


def _structures(
    known: list[Label],
    labels: NDArray[np.uint8],
    voxels: NDArray[np.intp],
    parts: dict[int, int],
    source: Volume,
    value_unit: Concept | None,
) -> tuple[tuple[Structure, ...], bool]:
    """Return what was found of each label that is one structure, and whether a diameter is of a part of it alone."""
    found, in_parts = [], False
    boxes = dict(_boxes(labels)) if any(label.measurements for label in known) else {}
    for label in known:
        count = int(voxels[label.number])
        if label.instances or not count:
            continue
        numbers = [_volume(count, source.voxel_ml)]
        if label.measurements:
            box = boxes[label.number]
            here = labels[box] == label.number
            measured = measure(label, here, box, source, value_unit, parts=parts.get(label.number))
            numbers += measured.numbers
            in_parts |= measured.in_parts
        found.append(Structure(label=label, voxels=count, measurements=tuple(numbers)))
    return tuple(found), in_parts


def _instances(
    known: list[Label],
    labels: NDArray[np.uint8],
    interpretation: LabelMapInterpretation,
    answer: Volume,
    source: Volume,
) -> tuple[NDArray[np.uint16] | None, tuple[Detection, ...]]:
    """Take what is counted out of the labels; None where the card counts nothing."""
    wanted = [label for label in known if label.instances]
    if not wanted:
        return None, ()
    probability = None
    if interpretation.kind == "probability":
        logits: NDArray[Any] = resample(answer, grid_of(source), interpolation="linear", outside=None).array
        probability = expit(logits).astype(np.float32, copy=False)
    return take_instances(labels, wanted, source, probability)


def label_map(interpretation: LabelMapInterpretation, answer: Volume, source: Volume) -> NDArray[np.uint8]:
    """Return uint8 labels on the source grid: brought there through patient space, then cleaned as the card says."""
    labels = np.zeros(shape_of(source.array), np.uint8)
    grid = grid_of(source)
    cut = logit(interpretation.threshold) if interpretation.kind == "probability" else 0.0
    values: NDArray[Any] = answer.array
    found = box_of(values > cut)
    box = None if found is None else reach(found, grid_of(answer), grid, margin=1.0)
    if found is None or box is None:
        return labels
    part = labels[box]
    if interpretation.kind != "probability":
        part[:] = resample(answer, grid.boxed(box), interpolation="nearest", outside=0).array
    else:
        logits: NDArray[Any] = resample(answer, grid.boxed(box), interpolation="linear", outside=None).array
        part[:] = logits > cut
        if any(side.start == 0 or side.stop == end for side, end in zip(found, values.shape, strict=True)):
            # At its edge the answer was continued, but it counts only within the space that the network has seen.
            seen = Volume(array=np.ones(values.shape, np.uint8), affine=answer.affine)
            part[resample(seen, grid.boxed(box), interpolation="nearest", outside=0).array == 0] = 0
    clean(part, interpretation)
    return labels


def clean(labels: NDArray[np.uint8], interpretation: LabelMapInterpretation) -> None:
    """Drop and fill in labels ``(slices, rows, columns)`` what the card says, in place."""
    if interpretation.largest_component == "foreground":
        labels[~largest_component(labels > 0)] = 0
    elif interpretation.largest_component == "each-label":
        for number, box in _boxes(labels):
            part = labels[box]
            here = part == number
            part[here & ~largest_component(here)] = 0
    if interpretation.fill_holes:
        for number, box in _boxes(labels):
            part = labels[box]
            part[fill_holes(part == number) & (part == 0)] = number


def _boxes(labels: NDArray[np.uint8]) -> list[tuple[int, Any]]:
    return [(number, box) for number, box in enumerate(ndimage.find_objects(labels), start=1) if box is not None]


def _voxels(numbers: list[int], labels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return how many voxels each number has, shape (256,)."""
    voxels = np.zeros(256, np.intp)
    if len(numbers) <= _FEW:
        for number in numbers:
            voxels[number] = sum(int(np.count_nonzero(plane == number)) for plane in labels)
        if voxels.sum() == np.count_nonzero(labels):
            return voxels
    # There are many, or others than were asked for. Slice by slice: bincount works on a copy of eight bytes a voxel.
    counted: NDArray[np.intp] = np.sum([np.bincount(plane.ravel(), minlength=256) for plane in labels], axis=0)
    return counted


def _volume(voxels: int, voxel_ml: float) -> Measurement:
    return Measurement(name=VOLUME, value=voxels * voxel_ml, unit=MILLILITRE)


def _check_plausible(
    known: list[Label], voxels: NDArray[np.intp], voxel_ml: float, interpretation: LabelMapInterpretation
) -> None:
    unknown = sorted(set(np.flatnonzero(voxels[1:]) + 1) - {label.number for label in known})
    if unknown:
        # The images are not to blame, and volumes are not worth a look.
        raise ImplausibleResult(
            "the result is not sent: "
            + "; ".join(f"label {number} is not on the card" for number in unknown)
            + "; mend [[labels]] of the card, or the model"
        )
    problems = [
        f"{label.name} {volume:.6g} ml (plausible {label.plausible_volume_ml})"
        for label in known
        if (volume := float(voxels[label.number]) * voxel_ml) not in label.plausible_volume_ml
    ]
    total = float(voxels[1:].sum()) * voxel_ml
    if total not in interpretation.plausible_total_ml:
        problems.append(f"all together {total:.6g} ml (plausible {interpretation.plausible_total_ml})")
    if problems:
        raise ImplausibleResult("the result is not sent: " + "; ".join(problems) + "; look at the source images")


def _at_view(card: Card, numbers: NDArray[Any], answer: Volume, source: Volume) -> frozenset[int]:
    """Return what ends where the network's view ends, within the images."""
    return frozenset() if cut_by_content(card) else at_edge_of_view(numbers, grid_of(answer), source)
