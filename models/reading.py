"""A model reads an input: prepare, ask, interpret."""

from models.card_interpretation import BoxInterpretation, ClassificationInterpretation, LabelMapInterpretation
from models.card_preparation import ImagePreparation, SignalsPreparation, VolumePreparation
from models.detection import detect_in_volume
from models.ecg import read_ecg
from models.errors import CardError, InputRefused
from models.findings import Reading
from models.image_reading import read_images
from models.inference import ask
from models.interpretation import interpret
from models.manifest import Card
from models.preparation import prepare
from models.runtime import Infer
from models.signal_classification import classify_signals
from models.volume import Image, Source, Volume, Waveform
from models.volume_classification import classify_volume

_KINDS = {Volume: "a volume", Image: "images without a place in space", Waveform: "a waveform"}


def read(card: Card, source: Source, infer: Infer) -> Reading:
    """Return what the model says of the input. ``Reading.runtime`` is left empty: only the caller knows what ran.

    Args:
        card: The model's.
        source: A volume, images or a waveform, as the card's preparation asks.
        infer: Asks the model's networks.

    Raises InputRefused, ImplausibleResult, RuntimeFailed, or CardError when the card contradicts itself.
    """
    if isinstance(card.preparation, VolumePreparation):
        return _read_volume(card, card.preparation, source, infer)
    if isinstance(card.preparation, ImagePreparation):
        if not isinstance(source, Image):
            raise _another(card, "images without a place in space", source)
        return read_images(card, card.preparation, source, infer)
    if not isinstance(source, Waveform):
        raise _another(card, "waveforms", source)
    if isinstance(card.preparation, SignalsPreparation):
        return classify_signals(card, card.preparation, source, infer)
    return read_ecg(card, source, infer)


def _read_volume(card: Card, preparation: VolumePreparation, source: Source, infer: Infer) -> Reading:
    if not isinstance(source, Volume):
        raise _another(card, "volumes", source)
    if isinstance(card.interpretation, ClassificationInterpretation):
        return classify_volume(card, card.interpretation, prepare(source, preparation), source, infer)
    if isinstance(card.interpretation, BoxInterpretation):
        return detect_in_volume(card, card.interpretation, prepare(source, preparation), source, infer)
    if not isinstance(card.interpretation, LabelMapInterpretation):
        raise CardError(
            f"{card.id}: a volume is interpreted as labels or probability, not as {card.interpretation.kind}"
        )
    answer = ask(card, prepare(source, preparation), source, infer)
    return interpret(card, card.interpretation, answer, source)


def _another(card: Card, wanted: str, source: Source) -> InputRefused:
    return InputRefused(f"{card.id} reads {wanted}, and this is {_KINDS[type(source)]}; mend the card's [selection]")
