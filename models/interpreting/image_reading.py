"""A model reads images without a place in space: each frame is prepared and asked about, the answers become one."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.asking.inference import INPUT
from models.card.card_interpretation import (
    BoxInterpretation,
    ClassificationInterpretation,
    LabelMapInterpretation,
    NumbersInterpretation,
)
from models.card.card_preparation import ImagePreparation
from models.card.manifest import Card
from models.errors import CardError, InputRefused
from models.findings import HeatMap, Reading
from models.interpreting.classification import class_activation, findings_of, mapped_classes, probabilities, scaled
from models.interpreting.counting import counts_of, plausibly_counted
from models.interpreting.detection import boxes_in_frame, detections_of
from models.interpreting.image_labels import labels_of, structure_of
from models.interpreting.regression import measurements_of
from models.preparing.image_preparation import Placement, PreparedFrame, brought_back, prepare_frame, seen_by
from models.runtimes.runtime import Infer
from models.sentence import Sentence
from models.volume import Image

#: Nobody may take what was not looked at for negative.
PART = Sentence("A part of the images only was read: what lies outside of what the model looks at was not looked at.")
_SAME_ASPECT = 1.01  # what a size's rounding to whole pixels cuts away is no part


def read_images(card: Card, preparation: ImagePreparation, image: Image, infer: Infer) -> Reading:
    """Return what the model says of the images.

    Raises InputRefused, also where no frame has any contrast, and where left and right would be told the other way
    round; ImplausibleResult, RuntimeFailed, CardError.
    """
    if image.mirrored and any(label.laterality for label in card.labels):
        raise InputRefused(
            "the images are mirrored: their rows run to the patient's right (Patient Orientation), so that this model "
            "would take left for right; send them as people look at them, or correct Patient Orientation at the sender"
        )
    if isinstance(card.interpretation, ClassificationInterpretation):
        return _classified(card, card.interpretation, preparation, image, infer)
    if isinstance(card.interpretation, LabelMapInterpretation):
        return _outlined(card, card.interpretation, preparation, image, infer)
    if isinstance(card.interpretation, BoxInterpretation):
        return _detected(card, card.interpretation, preparation, image, infer)
    if isinstance(card.interpretation, NumbersInterpretation):
        return _numbered(card, card.interpretation, preparation, image, infer)
    raise CardError(
        f"{card.id}: images are interpreted as classification, numbers, labels or boxes, not as "
        f"{card.interpretation.kind}"
    )


def _prepared(preparation: ImagePreparation, image: Image) -> Iterator[tuple[int, PreparedFrame]]:
    """Yield each frame that has contrast, one at a time: a clip may have thousands."""
    blank = True
    for index, frame in enumerate(image.array):
        prepared = prepare_frame(frame, preparation, pixel_aspect=image.pixel_aspect(index))
        if prepared is not None:
            blank = False
            yield index, prepared
    if blank:
        raise InputRefused("the images have no contrast: one value nearly everywhere; look at the images")


def _classified(
    card: Card,
    interpretation: ClassificationInterpretation,
    preparation: ImagePreparation,
    image: Image,
    infer: Infer,
) -> Reading:
    answers, spoke, read = [], [], []
    for index, prepared in _prepared(preparation, image):
        answer = infer("main", {INPUT: prepared.array})
        answers.append(probabilities(card, interpretation, answer))
        read.append(index)
        activation = class_activation(card, interpretation, answer, axes=2)
        if activation is not None:
            spoke.append((index, prepared.placement, activation))
    findings = findings_of(interpretation, np.stack(answers))
    return Reading(
        findings=findings,
        heat_maps=tuple(
            HeatMap(
                name=concept,
                array=_heat_map(image, preparation, [(i, where, each[number]) for i, where, each in spoke]),
            )
            for number, concept in mapped_classes(interpretation, findings)
            if spoke
        ),
        warnings=_warnings(image, preparation, read),
        unread=_unread(image, read),
    )


def _heat_map(
    image: Image, preparation: ImagePreparation, spoke: list[tuple[int, Placement, NDArray[np.float32]]]
) -> NDArray[np.float32]:
    """Return how much each pixel of each frame spoke for a class, 0 to 1; 1 is the most anywhere."""
    values = np.zeros(image.array.shape, np.float32)
    rows, columns = image.array.shape[1:]
    for index, placement, activation in spoke:
        values[index] = brought_back(activation, (rows, columns), placement, preparation.size, linear=True)
    return scaled(values)


def _outlined(
    card: Card,
    interpretation: LabelMapInterpretation,
    preparation: ImagePreparation,
    image: Image,
    infer: Infer,
) -> Reading:
    labels = np.zeros(image.array.shape, np.uint8)
    rows, columns = image.array.shape[1:]
    seen = {}
    for index, prepared in _prepared(preparation, image):
        answer = infer("main", {INPUT: prepared.array})
        labels[index] = labels_of(
            card,
            interpretation,
            answer,
            size=preparation.size,
            shape=(rows, columns),
            placement=prepared.placement,
        )
        seen[index] = seen_by(prepared.placement, (rows, columns), preparation.size)
    known = sorted(card.labels, key=lambda label: label.number)
    found = {label.number: structure_of(label, labels, image.spacing_mm, seen) for label in known}
    return Reading(
        labels=labels,
        structures=tuple(structure for structure in found.values() if structure is not None),
        missing=tuple(label for label in known if found[label.number] is None),
        warnings=_warnings(image, preparation, list(seen)),
        unread=_unread(image, list(seen)),
    )


def _detected(
    card: Card, interpretation: BoxInterpretation, preparation: ImagePreparation, image: Image, infer: Infer
) -> Reading:
    found, read = [], []
    rows, columns = image.array.shape[1:]
    for index, prepared in _prepared(preparation, image):
        answer = infer("main", {INPUT: prepared.array})
        found += boxes_in_frame(
            card, interpretation, answer, index, preparation.size, (rows, columns), prepared.placement
        )
        read.append(index)
    detections, missing = detections_of(card, interpretation, found, image.array.shape, image.spacing_mm, by_frame=True)
    return plausibly_counted(
        Reading(
            detections=detections,
            missing=missing,
            counts=counts_of(detections, missing, image),
            warnings=_warnings(image, preparation, read),
            unread=_unread(image, read),
        )
    )


def _numbered(
    card: Card, interpretation: NumbersInterpretation, preparation: ImagePreparation, image: Image, infer: Infer
) -> Reading:
    answers = {index: infer("main", {INPUT: one.array}) for index, one in _prepared(preparation, image)}
    return Reading(
        measurements=measurements_of(card, interpretation, list(answers.values())),
        warnings=_warnings(image, preparation, list(answers)),
        unread=_unread(image, list(answers)),
    )


def _unread(image: Image, read: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(set(range(len(image.array))) - set(read)))


def _warnings(image: Image, preparation: ImagePreparation, read: Sequence[int]) -> tuple[str, ...]:
    blank = len(image.array) - len(read)
    return (
        *((PART,) if _cut(image, preparation) else ()),
        *((Sentence("Images without any contrast, which were not read: {count}.", count=blank),) if blank else ()),
    )


def _cut(image: Image, preparation: ImagePreparation) -> bool:
    """Say whether so much of the images lies outside of the network's input that somebody may miss it."""
    rows, columns = image.array.shape[1:]
    aspects = [
        rows * image.pixel_aspect(index) * preparation.size[1] / (columns * preparation.size[0])
        for index in range(len(image.array))
    ]
    return preparation.fit == "crop" and any(max(aspect, 1 / aspect) > _SAME_ASPECT for aspect in aspects)
