"""A model reads an input: prepare, ask, interpret."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.asking.inference import INPUT, ask
from models.card.card_inference import Command, EntryPoint
from models.card.card_interpretation import (
    BoxInterpretation,
    ClassificationInterpretation,
    LabelMapInterpretation,
    NumbersInterpretation,
)
from models.card.card_preparation import ImagePreparation, SignalsPreparation, VolumePreparation
from models.card.manifest import Card
from models.errors import CardError, InputRefused, RuntimeFailed
from models.findings import Reading
from models.interpreting.classification import findings_of, probabilities
from models.interpreting.detection import detect_in_volume
from models.interpreting.image_reading import PART, read_images
from models.interpreting.interpretation import interpret
from models.interpreting.regression import measurements_of
from models.interpreting.volume_classification import classify_volume
from models.preparing.preparation import Prepared, prepare
from models.programs.code_model import ask_code, words_of
from models.runtimes.runtime import Infer
from models.volume import Image, Source, Volume, Waveform

#: Code answers probabilities, in the one output of that name.
_AS_IT_IS = {"activation": "none", "answer_output": "probabilities"}
_KINDS = {Volume: "a volume", Image: "images without a place in space", Waveform: "a waveform"}


def read(card: Card, source: Source, infer: Infer, *, loud: bool = False) -> Reading:
    """Return what the model says of the input. ``Reading.runtime`` is left empty: only the caller knows what ran.

    Args:
        card: The model's.
        source: A volume, images or a waveform, as the card's preparation asks.
        infer: Asks the model's networks.
        loud: Whether a person sees what a model that comes as code prints.

    Raises InputRefused, ImplausibleResult, RuntimeFailed, or CardError when the card contradicts itself.
    """
    if isinstance(card.inference, EntryPoint):
        return _read_by_code(card, card.inference, source, loud=loud)
    if isinstance(card.preparation, VolumePreparation):
        return _read_volume(card, card.preparation, source, infer)
    if isinstance(card.preparation, ImagePreparation):
        if not isinstance(source, Image):
            raise _another(card, "images without a place in space", source)
        return read_images(card, card.preparation, source, infer)
    if isinstance(card.inference, Command):
        raise CardError(f"{card.id}: a command reads files, and only a worker has them")
    if not isinstance(source, Waveform):
        raise _another(card, "waveforms", source)
    return _read_waveform(card, source, infer)


def _read_waveform(card: Card, source: Waveform, infer: Infer) -> Reading:
    # Imported here: of SciPy's parts, filters are the slowest to import, and few workers read an ECG.
    from models.interpreting.ecg import read_ecg  # noqa: PLC0415
    from models.interpreting.signal_classification import classify_signals  # noqa: PLC0415

    if isinstance(card.preparation, SignalsPreparation):
        return classify_signals(card, card.preparation, source, infer)
    return read_ecg(card, source, infer)


def _read_by_code(card: Card, entry_point: EntryPoint, source: Source, *, loud: bool) -> Reading:
    answer, words = ask_code(card, entry_point, source, loud=loud), words_of(entry_point)
    if isinstance(card.interpretation, ClassificationInterpretation):
        found = probabilities(card, card.interpretation.model_copy(update=_AS_IT_IS), answer)
        return Reading(findings=findings_of(card.interpretation, found[np.newaxis]), runtime=words)
    if isinstance(card.interpretation, NumbersInterpretation) and set(answer) == {"numbers"}:
        return Reading(measurements=measurements_of(card, card.interpretation, [answer]), runtime=words)
    labels = answer.get("labels")
    if not isinstance(card.interpretation, LabelMapInterpretation) or not isinstance(source, Volume) or labels is None:
        raise CardError(
            f"{card.id}: code answers labels of a volume, probabilities of classes or numbers, as the card's "
            "kind says, and nothing else"
        )
    return replace(read_labels(card, card.interpretation, labels, source), runtime=words)


def read_labels(
    card: Card, interpretation: LabelMapInterpretation, labels: NDArray[np.generic], source: Volume
) -> Reading:
    """Return the reading of label numbers, or of a mask of label 1, that somebody else drew on the source's grid.

    Raises RuntimeFailed for another shape or what is no label, ImplausibleResult.
    """
    whole = np.issubdtype(labels.dtype, np.integer) or np.issubdtype(labels.dtype, np.bool_)
    if labels.shape != source.array.shape or not whole:
        raise RuntimeFailed(
            f"{card.id}: labels {labels.dtype} {labels.shape} for images {source.array.shape}; wanted are label "
            "numbers of an integer type, or a mask of true and false for label 1, on the images' grid: mend the model"
        )
    if labels.size and (labels.min() < 0 or labels.max() > 255):  # noqa: PLR2004
        raise RuntimeFailed(f"{card.id}: label numbers go from 0 to 255")
    answer = Volume(array=labels.astype(np.uint8), affine=source.affine)
    return interpret(card, interpretation.model_copy(update={"kind": "labels"}), answer, source)


def _read_volume(card: Card, preparation: VolumePreparation, source: Source, infer: Infer) -> Reading:
    if not isinstance(source, Volume):
        raise _another(card, "volumes", source)
    prepared = prepare(source, preparation)
    reading = _interpreted(card, prepared, source, infer)
    if prepared.part:
        return replace(reading, warnings=(*reading.warnings, PART))
    return reading


def _interpreted(card: Card, prepared: Prepared, source: Volume, infer: Infer) -> Reading:
    if isinstance(card.interpretation, ClassificationInterpretation):
        return classify_volume(card, card.interpretation, prepared, source, infer)
    if isinstance(card.interpretation, NumbersInterpretation):
        answer = infer("main", {INPUT: prepared.array})
        return Reading(measurements=measurements_of(card, card.interpretation, [answer]))
    if isinstance(card.interpretation, BoxInterpretation):
        return detect_in_volume(card, card.interpretation, prepared, source, infer)
    if not isinstance(card.interpretation, LabelMapInterpretation):
        raise CardError(
            f"{card.id}: a volume is interpreted as labels or probability, not as {card.interpretation.kind}"
        )
    return interpret(card, card.interpretation, ask(card, prepared, source, infer), source)


def _another(card: Card, wanted: str, source: Source) -> InputRefused:
    return InputRefused(f"{card.id} reads {wanted}, and this is {_KINDS[type(source)]}; mend the card's [selection]")
