"""Reads one lead of an ECG: rhythm, heart rate, intervals and where the waves lie.

The network answers for every sample of one window of one lead; what it says near the window's ends is not used (the
card's ``trust_s``). Intervals are those of that lead, so they carry the "per lead" concepts: a cart measures globally,
from the earliest onset in any lead to the latest offset, and a QTc from one lead would look like more than it is: there
is none.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import signal as filters
from scipy import stats

from models.card.card_inference import SingleWindow
from models.card.card_interpretation import EcgInterpretation
from models.card.card_parts import Concept
from models.card.card_preparation import WaveformPreparation
from models.card.ecg_concepts import (
    BEATS_PER_MINUTE,
    HEART_RATE,
    MILLISECOND,
    PR_INTERVAL,
    QRS_DURATION,
    QT_INTERVAL,
    RR_INTERVAL,
)
from models.card.manifest import Card
from models.errors import CardError, ImplausibleResult, InputRefused
from models.findings import Finding, Mark, Measurement, Reading
from models.runtimes.runtime import Arrays, Infer
from models.sentence import Sentence
from models.volume import Waveform

CARDIAC_RHYTHM = Concept(value="8884-9", scheme="LN", meaning="Cardiac Rhythm")
MEAN = Concept(value="373098007", scheme="SCT", meaning="Mean")
MEDIAN = Concept(value="373099004", scheme="SCT", meaning="Median")

_WAVES = ("P", "QRS", "T")
_SMALLEST_RANGE_MV = 0.05  # below it lies noise: even "low voltage" limb leads reach 0.5 mV
_SHORTEST_WAVE_S = 0.02
_LONGEST_PR_S = 0.4
_LONGEST_QT_S = 0.7
_SAME_END_S = 0.05  # what a rounding to samples leaves out is no part of the recording
_SLOPE_OVER_S = 0.01
# Measured: 5 to 20 in each of twelve leads, 2 under noise of 0.2 mV; drift, hum, a ramp and noise stay below 1.4.
_LEAST_STEEPNESS = 2.0


@dataclass(frozen=True, kw_only=True)
class Beat:
    """One QRS complex; times in seconds from the first sample, None where no wave belongs to it."""

    onset_s: float
    peak_s: float
    offset_s: float
    p_onset_s: float | None
    t_offset_s: float | None


def read_ecg(card: Card, waveform: Waveform, infer: Infer) -> Reading:
    """Read the card's lead of the waveform.

    Raises InputRefused when the lead is missing, too short, flat or not finite; ImplausibleResult when the heart rate
    lies outside the card's range, there are too few beats to have one, or they do not stand out of the signal;
    CardError when card and network disagree.
    """
    preparation, inference, interpretation = card.preparation, card.inference, card.interpretation
    if not (
        isinstance(preparation, WaveformPreparation)
        and isinstance(inference, SingleWindow)
        and isinstance(interpretation, EcgInterpretation)
    ):
        raise CardError(f"{card.id}: an ECG needs preparation `waveform`, inference `window` and interpretation `ecg`")
    lead = select_lead(preparation, inference, waveform)
    outputs = infer("main", {"signal": rank(lead, preparation.samples)[np.newaxis]})
    trusted_s = (inference.trust_s[0], min(inference.trust_s[1], lead.size / preparation.sampling_frequency_hz))
    reading = interpret(interpretation, outputs, lead, preparation, trusted_s)
    return replace(
        reading,
        warnings=(
            Sentence("Read from lead {lead} alone; intervals are of this lead.", lead=preparation.channel),
            *part_of(waveform, *trusted_s),
            *reading.warnings,
        ),
    )


def part_of(waveform: Waveform, first_s: float, last_s: float) -> tuple[Sentence, ...]:
    """Return the sentence that only these seconds were read; none where they are the whole recording."""
    all_s = waveform.array.shape[1] / waveform.sampling_frequency_hz
    if max(first_s, all_s - last_s) <= _SAME_END_S:
        return ()
    first, last, whole = (f"{round(seconds, 1):g}" for seconds in (first_s, last_s, all_s))
    return (Sentence("Read from second {first} to {last} of {all}.", first=first, last=last, all=whole),)


def select_lead(preparation: WaveformPreparation, inference: SingleWindow, waveform: Waveform) -> NDArray[np.float64]:
    """Return the card's lead, resampled, at most one window long, in mV. Raises InputRefused."""
    names = [lead_name(name) for name in waveform.channels]
    if preparation.channel not in names:
        raise InputRefused(f"lead {preparation.channel} is needed and the recording has {', '.join(names)}")
    lead = waveform.array[names.index(preparation.channel)].astype(np.float64)
    seconds = lead.size / waveform.sampling_frequency_hz
    if seconds < inference.trust_s[1]:
        raise InputRefused(f"the recording lasts {seconds:.6g} s; at least {inference.trust_s[1]:g} s are needed")
    if not np.isfinite(lead).all():
        raise InputRefused(f"lead {preparation.channel} has samples that are no numbers; record it again")
    ratio = Fraction(preparation.sampling_frequency_hz / waveform.sampling_frequency_hz).limit_denominator(1000)
    if ratio != 1:
        # "line" takes drift out first: a lead that does not end at 0 mV would ring at both ends.
        lead = np.asarray(filters.resample_poly(lead, ratio.numerator, ratio.denominator, padtype="line"))
    lead = lead[: preparation.samples]
    if np.ptp(lead) < _SMALLEST_RANGE_MV:
        raise InputRefused(f"lead {preparation.channel} is flat ({np.ptp(lead):.4g} mV); check the electrodes")
    return np.asarray(lead)


def rank(lead: NDArray[np.float64], samples: int) -> NDArray[np.float32]:
    """Replace each value by its rank (ties share their average), scaled to -1…1, zeros behind it up to `samples`."""
    ranks = stats.rankdata(lead, method="average")
    scaled = np.zeros(samples, np.float32)
    scaled[: lead.size] = 2.0 * (ranks - 1.0) / (lead.size - 1.0) - 1.0
    return scaled


def lead_name(name: str) -> str:
    """Return the short name of a lead: "Lead II", "MDC_ECG_LEAD_II" and "II (Einthoven)" are all "II"."""
    return re.sub(r"\s*\(.*\)", "", re.sub(r"^\s*(MDC_ECG_LEAD_|Lead\s+)", "", name, flags=re.IGNORECASE)).strip()


def interpret(
    interpretation: EcgInterpretation,
    outputs: Arrays,
    lead: NDArray[np.float64],
    preparation: WaveformPreparation,
    trusted_s: tuple[float, float],
) -> Reading:
    """Turn logits per sample into a Reading; `lead` is the window in mV that the network saw. Raises as `read_ecg`."""
    rate, samples = preparation.sampling_frequency_hz, preparation.samples
    trusted = slice(round(trusted_s[0] * rate), round(trusted_s[1] * rate))
    frames = _logits(outputs, "frame_logits", interpretation.frame_classes, samples)[: lead.size].argmax(axis=1)
    marks = _waves(frames, interpretation.frame_classes, preparation, trusted_s)
    beats = _beats(marks, lead, rate)
    rhythms = _logits(outputs, "rhythm_logits", interpretation.rhythm_classes, samples)
    finding = _rhythm(interpretation, rhythms[trusted])
    measurements = _measurements(beats)
    bounds = interpretation.plausible_heart_rate_bpm
    heart_rate = next((item.value for item in measurements if item.name == HEART_RATE), 0.0)
    if heart_rate not in bounds:
        raise ImplausibleResult(
            f"{len(beats)} beats in {trusted_s[1] - trusted_s[0]:g} s give a heart rate of {heart_rate:.0f} bpm, "
            f"where {bounds} is plausible; look at the recording"
        )
    if steepness(beats, lead, rate, trusted) < _LEAST_STEEPNESS:
        raise ImplausibleResult(
            f"the {len(beats)} QRS complexes found are hardly steeper than the rest of the signal, so they may be "
            "noise; look at the recording"
        )
    beat_logits = _logits(outputs, "beat_logits", interpretation.beat_classes, samples)
    return Reading(
        measurements=measurements,
        findings=(finding,),
        marks=marks,
        warnings=tuple(_unusual_beats(interpretation.beat_classes, beat_logits, beats, rate)),
    )


def _logits(outputs: Arrays, name: str, classes: Sequence[str], samples: int) -> NDArray[np.floating]:
    if name not in outputs or outputs[name].ndim != 3 or outputs[name].shape[1:] != (samples, len(classes)):  # noqa: PLR2004
        raise CardError(f"the network must answer {name} (1, {samples}, {len(classes)}); card and network do not match")
    return np.asarray(outputs[name][0], np.float64)


def _waves(
    frames: NDArray[np.intp], classes: Sequence[str], preparation: WaveformPreparation, trusted_s: tuple[float, float]
) -> tuple[Mark, ...]:
    """Return the waves that lie wholly inside the trusted seconds, in order."""
    rate = preparation.sampling_frequency_hz
    edges = [0, *(np.flatnonzero(np.diff(frames)) + 1).tolist(), frames.size]
    runs = [
        Mark(kind=classes[frames[start]], start_s=start / rate, end_s=end / rate, channel=preparation.channel)
        for start, end in itertools.pairwise(edges)
        if start < end
    ]
    return tuple(
        run
        for run in runs
        if run.kind in _WAVES
        and run.end_s - run.start_s >= _SHORTEST_WAVE_S
        and trusted_s[0] <= run.start_s
        and run.end_s <= trusted_s[1]
    )


def _beats(marks: Sequence[Mark], lead: NDArray[np.float64], rate: float) -> tuple[Beat, ...]:
    """Give every QRS complex the P directly before it and the T directly after it."""
    beats = []
    for index, mark in enumerate(marks):
        if mark.kind != "QRS":
            continue
        before = marks[index - 1] if index else None
        after = marks[index + 1] if index + 1 < len(marks) else None
        p_onset = before.start_s if before and before.kind == "P" else None
        t_offset = after.end_s if after and after.kind == "T" else None
        first = round(mark.start_s * rate)
        complex_mv = lead[first : round(mark.end_s * rate)]
        # The deflection that is farthest from the line between onset and offset, up or down.
        line = np.linspace(complex_mv[0], complex_mv[-1], complex_mv.size)
        beats.append(
            Beat(
                onset_s=mark.start_s,
                peak_s=(first + int(np.abs(complex_mv - line).argmax())) / rate,
                offset_s=mark.end_s,
                p_onset_s=p_onset if p_onset is not None and mark.start_s - p_onset <= _LONGEST_PR_S else None,
                t_offset_s=t_offset if t_offset is not None and t_offset - mark.start_s <= _LONGEST_QT_S else None,
            )
        )
    return tuple(beats)


def steepness(beats: Sequence[Beat], lead: NDArray[np.float64], rate: float, trusted: slice) -> float:
    """Return how much steeper the complexes are than what lies between them.

    The network finds waves in anything, for it sees ranks: drift looks to it like an ECG. But a QRS complex is the
    steepest part of an ECG. Compared are the median of the complexes' steepest slopes and the slope that 95 % of all
    other trusted samples stay below.
    """
    step = max(1, round(_SLOPE_OVER_S * rate))
    slopes = np.abs(lead[step:] - lead[:-step])
    between = np.zeros(slopes.size, np.bool_)
    between[trusted] = True
    steepest = []
    for beat in beats:
        # A slope counts for the sample at which it begins.
        inside = slice(max(0, round(beat.onset_s * rate) - step), round(beat.offset_s * rate))
        between[inside] = False
        steepest.append(slopes[inside].max())
    rest = float(np.percentile(slopes[between], 95)) if between.any() else 0.0
    return float(np.median(steepest)) / max(rest, 1e-9)


def _measurements(beats: Sequence[Beat]) -> tuple[Measurement, ...]:
    if len(beats) < 2:  # noqa: PLR2004 (an interval needs two)
        return ()
    rr_s = float(np.diff([beat.peak_s for beat in beats]).mean())
    found = [
        Measurement(name=HEART_RATE, value=60.0 / rr_s, unit=BEATS_PER_MINUTE, method=MEAN),
        Measurement(name=RR_INTERVAL, value=1000.0 * rr_s, unit=MILLISECOND, method=MEAN),
    ]
    intervals = {
        PR_INTERVAL: [beat.onset_s - beat.p_onset_s for beat in beats if beat.p_onset_s is not None],
        QRS_DURATION: [beat.offset_s - beat.onset_s for beat in beats],
        QT_INTERVAL: [beat.t_offset_s - beat.onset_s for beat in beats if beat.t_offset_s is not None],
    }
    found += [
        Measurement(name=name, value=1000.0 * float(np.median(values)), unit=MILLISECOND, method=MEDIAN)
        for name, values in intervals.items()
        # Waves that belong to fewer than half of the beats (no P in fibrillation) make no interval.
        if len(values) >= max(2, len(beats) / 2)
    ]
    return tuple(found)


def _rhythm(interpretation: EcgInterpretation, logits: NDArray[np.floating]) -> Finding:
    likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
    mean = (likelihood / likelihood.sum(axis=1, keepdims=True)).mean(axis=0)
    best = int(mean.argmax())
    concept = interpretation.rhythm_concepts[interpretation.rhythm_classes[best]]
    return Finding(name=CARDIAC_RHYTHM, value=concept, certainty_percent=100.0 * float(mean[best]))


def _unusual_beats(
    classes: Sequence[str], logits: NDArray[np.floating], beats: Sequence[Beat], rate: float
) -> list[str]:
    """Return a sentence for each class of beat other than the usual, by the mean over the QRS complex."""
    answers = [
        classes[int(logits[round(beat.onset_s * rate) : round(beat.offset_s * rate)].mean(axis=0).argmax())]
        for beat in beats
    ]
    return [
        Sentence("{count} of {total} beats look {kind}.", count=answers.count(name), total=len(beats), kind=name)
        for name in classes
        if name in answers and name not in {"none", "sinus"}
    ]
