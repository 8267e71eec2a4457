"""A network answers about a whole recording: several channels, resampled and scaled, become findings or numbers."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import signal as filters

from models.asking.inference import INPUT
from models.card.card_inference import Whole
from models.card.card_interpretation import ClassificationInterpretation, NumbersInterpretation
from models.card.card_preparation import SignalsPreparation
from models.card.manifest import Card
from models.errors import CardError, InputRefused
from models.findings import Reading
from models.interpreting.classification import findings_of, probabilities
from models.interpreting.ecg import lead_name, part_of
from models.interpreting.regression import measurements_of
from models.runtimes.runtime import Infer
from models.volume import Waveform


def classify_signals(card: Card, preparation: SignalsPreparation, waveform: Waveform, infer: Infer) -> Reading:
    """Return what the network says of a recording.

    Raises InputRefused when a channel is missing, flat, too short or not finite; ImplausibleResult, RuntimeFailed,
    CardError.
    """
    how = card.interpretation
    if not (
        isinstance(card.inference, Whole) and isinstance(how, (ClassificationInterpretation, NumbersInterpretation))
    ):
        raise CardError(f"{card.id}: signals need the strategy whole and the interpretation classification or numbers")
    answer = infer("main", {INPUT: prepare_signals(waveform, preparation)})
    warnings = part_of(waveform, 0.0, preparation.samples / preparation.sampling_frequency_hz)
    if isinstance(how, NumbersInterpretation):
        return Reading(measurements=measurements_of(card, how, [answer]), warnings=warnings)
    return Reading(findings=findings_of(how, probabilities(card, how, answer)[np.newaxis]), warnings=warnings)


def prepare_signals(waveform: Waveform, preparation: SignalsPreparation) -> NDArray[np.float32]:
    """Return the first samples of each of the card's channels, ``(1, channels, samples)`` float32.

    Raises InputRefused.
    """
    names = [lead_name(name) for name in waveform.channels]
    missing = [name for name in preparation.channels if name not in names]
    if missing:
        raise InputRefused(f"channels {', '.join(missing)} are needed and the recording has {', '.join(names)}")
    array = waveform.array[[names.index(name) for name in preparation.channels]].astype(np.float64)
    if not np.isfinite(array).all():
        raise InputRefused("the recording has samples that are no numbers; record it again")
    wanted_s = preparation.samples / preparation.sampling_frequency_hz
    # As it was recorded: resampling leaves noise of rounding on a flat channel, and a z-score would make waves of it.
    if not np.ptp(array[:, : max(1, int(wanted_s * waveform.sampling_frequency_hz))], axis=1).all():
        raise InputRefused("a channel of the recording is flat; check the electrodes")
    ratio = Fraction(preparation.sampling_frequency_hz / waveform.sampling_frequency_hz).limit_denominator(1000)
    if ratio != 1:
        # "line" takes drift out first: a channel that does not end at 0 would ring at both ends.
        array = np.asarray(filters.resample_poly(array, ratio.numerator, ratio.denominator, axis=1, padtype="line"))
    array = array[:, : preparation.samples]
    if array.shape[1] < preparation.samples:
        raise InputRefused(f"the recording is too short; at least {wanted_s:g} s are needed")
    if preparation.normalisation == "z-score":
        array = (array - array.mean(axis=1, keepdims=True)) / array.std(axis=1, keepdims=True)
    return np.ascontiguousarray(array[np.newaxis], np.float32)
