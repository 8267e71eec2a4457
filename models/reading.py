"""A model reads an input: prepare, ask, interpret."""

from models.ecg import read_ecg
from models.errors import CardError, InputRefused
from models.findings import Reading
from models.inference import ask
from models.interpretation import interpret
from models.manifest import Card, LabelMapInterpretation, VolumePreparation
from models.preparation import prepare
from models.runtime import Infer
from models.volume import Source, Volume, Waveform


def read(card: Card, source: Source, infer: Infer) -> Reading:
    """Return what the model says of the input. ``Reading.runtime`` is left empty: only the caller knows what ran.

    Args:
        card: The model's.
        source: A volume or a waveform, as the card's preparation asks.
        infer: Asks the model's networks.

    Raises InputRefused, ImplausibleResult, RuntimeFailed, or CardError when the card contradicts itself.
    """
    if isinstance(card.preparation, VolumePreparation):
        return _read_volume(card, card.preparation, source, infer)
    if not isinstance(source, Waveform):
        raise InputRefused(f"{card.id} reads waveforms, and this is a volume; mend the card's [selection]")
    return read_ecg(card, source, infer)


def _read_volume(card: Card, preparation: VolumePreparation, source: Source, infer: Infer) -> Reading:
    if not isinstance(source, Volume):
        raise InputRefused(f"{card.id} reads volumes, and this is a waveform; mend the card's [selection]")
    if not isinstance(card.interpretation, LabelMapInterpretation):
        raise CardError(
            f"{card.id}: a volume is interpreted as labels or probability, not as {card.interpretation.kind}"
        )
    answer = ask(card, prepare(source, preparation), source, infer)
    return interpret(card, card.interpretation, answer, source)
