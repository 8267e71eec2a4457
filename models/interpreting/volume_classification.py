"""A network answers about a whole volume: findings, and where it looked."""

import numpy as np
from numpy.typing import NDArray

from models.asking.inference import INPUT
from models.card.card_inference import Whole
from models.card.card_interpretation import ClassificationInterpretation
from models.card.manifest import Card
from models.errors import CardError
from models.findings import HeatMap, Reading
from models.interpreting.classification import class_activation, findings_of, mapped_classes, probabilities, scaled
from models.preparing.grid import Grid, grid_of, resample, shape_of
from models.preparing.preparation import Prepared
from models.runtimes.runtime import Infer
from models.volume import Volume


def classify_volume(
    card: Card, interpretation: ClassificationInterpretation, prepared: Prepared, source: Volume, infer: Infer
) -> Reading:
    """Return what the network says of a volume. Raises ImplausibleResult, RuntimeFailed, CardError."""
    if not isinstance(card.inference, Whole):
        raise CardError(f"{card.id}: a classification needs the strategy whole, not {card.inference.strategy}")
    answer = infer("main", {INPUT: prepared.array})
    findings = findings_of(interpretation, probabilities(card, interpretation, answer)[np.newaxis])
    spoke = class_activation(card, interpretation, answer, axes=3)
    return Reading(
        findings=findings,
        heat_maps=tuple(
            HeatMap(name=concept, array=_heat_map(spoke[index], prepared, source))
            for index, concept in mapped_classes(interpretation, findings)
            if spoke is not None
        ),
    )


def _heat_map(values: NDArray[np.float32], prepared: Prepared, source: Volume) -> NDArray[np.float32]:
    seen = Grid(affine=prepared.affine, shape=shape_of(prepared.array[0, 0])).stretched(shape_of(values))
    there: NDArray[np.float32] = resample(
        Volume(array=values, affine=seen.affine), grid_of(source), interpolation="linear", outside=0.0
    ).array.astype(np.float32, copy=False)
    return scaled(there)
