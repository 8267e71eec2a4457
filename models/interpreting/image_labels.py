"""From a network's answer about a frame to labels on the frame, and the areas of what was found."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.asking.answers import answered, logit
from models.card.card_interpretation import LabelMapInterpretation
from models.card.card_parts import Concept, Label
from models.card.manifest import Card
from models.errors import ImplausibleResult
from models.findings import Measurement, Structure
from models.interpreting.interpretation import clean
from models.preparing.image_preparation import Placement, brought_back

AREA = Concept(value="42798000", scheme="SCT", meaning="Area")
SQUARE_MILLIMETRE = Concept(value="mm2", scheme="UCUM", meaning="square millimeter")
PIXELS = Concept(value="{pixels}", scheme="UCUM", meaning="pixels")


def labels_of(
    card: Card,
    interpretation: LabelMapInterpretation,
    answer: Mapping[str, NDArray[Any]],
    *,
    size: tuple[int, int],
    shape: tuple[int, int],
    placement: Placement,
) -> NDArray[np.uint8]:
    """Return the labels of a frame, uint8 ``(rows, columns)``, cleaned as the card says.

    Args:
        card: The model's.
        interpretation: The card's.
        answer: The network's, whose one output is ``(1, rows, columns)`` or ``(1, classes, rows, columns)``.
        size: Rows, columns of the network's input.
        shape: Rows, columns of the frame.
        placement: Of the input on the frame.

    Raises CardError when the answer is not the card's kind, ImplausibleResult for a label that is not on the card.
    """
    values = answered(card.id, interpretation, answer, size, card.labels)
    if interpretation.kind == "probability":
        # Less the threshold's, so that what the network has not seen, 0, is never above it.
        logits = values - np.float32(logit(interpretation.threshold))
        found = (brought_back(logits, shape, placement, size, linear=True) > 0).astype(np.uint8)
    else:
        found = brought_back(values, shape, placement, size, linear=False)
    unknown = sorted(set(np.unique(found).tolist()) - {0} - {label.number for label in card.labels})
    if unknown:
        raise ImplausibleResult(f"the result is not sent: label {unknown[0]} is not on the card; mend [[labels]]")
    clean(found[np.newaxis], interpretation)
    return found


def structure_of(
    label: Label,
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float] | None,
    seen: Mapping[int, tuple[slice, slice]] = MappingProxyType({}),
) -> Structure | None:
    """Return a label's area on the frame where it is largest, in pixels where nobody knows how large a pixel is.

    None where no pixel carries it.

    Args:
        label: Which.
        labels: Of all, ``(frames, rows, columns)``.
        spacing_mm: Between rows and columns.
        seen: The rows and columns of each frame that the network has seen; of one that is not here, all.
    """
    counts = [int(np.count_nonzero(frame == label.number)) for frame in labels]
    if not any(counts):
        return None
    if spacing_mm is None:
        area = Measurement(name=AREA, value=float(max(counts)), unit=PIXELS)
    else:
        area = Measurement(name=AREA, value=max(counts) * spacing_mm[0] * spacing_mm[1], unit=SQUARE_MILLIMETRE)
    index = int(np.argmax(counts))
    largest = (labels[index] == label.number)[seen.get(index, (slice(None), slice(None)))]
    edges = (largest[0], largest[-1], largest[:, 0], largest[:, -1])
    return Structure(label=label, voxels=sum(counts), measurements=(area,), cut=any(edge.any() for edge in edges))
