"""The ECG path: which lead, at which rate, and what logits per sample come to."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.card.card_inference import SingleWindow
from models.card.card_parts import Range
from models.card.card_preparation import WaveformPreparation
from models.card.ecg_concepts import HEART_RATE, PR_INTERVAL, QRS_DURATION, QT_INTERVAL, RR_INTERVAL
from models.card.manifest import Card, load_card
from models.catalog import BUILT_IN
from models.errors import CardError, ImplausibleResult, InputRefused
from models.findings import Reading
from models.interpreting.ecg import lead_name, rank, read_ecg, select_lead
from models.runtimes.runtime import Arrays
from models.volume import Waveform

CARD = load_card(BUILT_IN / "ecg_rhythm" / "model.toml")
RATE = 500
FRAMES = ("other", "P", "QRS", "T")
BEATS = ("none", "sinus", "vpc", "paced", "fusion", "unknown")
RHYTHMS = ("sinus", "avb", "paced", "afib", "bbb", "ventricular")
assert isinstance(CARD.preparation, WaveformPreparation)
assert isinstance(CARD.inference, SingleWindow)
PREPARATION, INFERENCE = CARD.preparation, CARD.inference

#: A beat: wave, start and end in seconds from its beginning.
SINUS_BEAT = (("P", 0.1, 0.2), ("QRS", 0.26, 0.35), ("T", 0.5, 0.64))


def waveform(seconds: float = 10.0, *, rate: float = RATE, lead: str = "II", **changed: Any) -> Waveform:
    """Return one lead with a spike at the middle of each QRS complex of `SINUS_BEAT`, one beat a second."""
    times = np.arange(round(seconds * rate)) / rate
    array = np.exp(-((((times % 1.0) - 0.305) / 0.01) ** 2)).astype(np.float32)[np.newaxis]
    return Waveform(**{"array": array, "channels": (lead,), "sampling_frequency_hz": rate, **changed})


def answering(
    beat: Sequence[tuple[str, float, float]] = SINUS_BEAT,
    *,
    every_s: float = 1.0,
    rhythm: str = "sinus",
    beats: Mapping[int, str] | None = None,
) -> Any:
    """Return an `infer` whose network finds these waves in every beat and this rhythm; it keeps what it was asked."""
    frames = np.zeros((1, 5000, len(FRAMES)), np.float32)
    kinds = np.zeros((1, 5000, len(BEATS)), np.float32)
    frames[..., 0] = 1.0
    for number in range(int(10 / every_s)):
        for wave, start, end in beat:
            where = slice(round((number * every_s + start) * RATE), round((number * every_s + end) * RATE))
            frames[0, where, FRAMES.index(wave)] = 5.0
            kinds[0, where, BEATS.index((beats or {}).get(number, "sinus"))] = 5.0
    rhythms = np.zeros((1, 5000, len(RHYTHMS)), np.float32)
    rhythms[..., RHYTHMS.index(rhythm)] = np.log(5 * 9.0)  # nine to one against the five others together

    def infer(network: str, inputs: Arrays) -> Arrays:
        assert network == "main"
        infer.asked = inputs["signal"]  # type: ignore[attr-defined]
        return {"frame_logits": frames, "beat_logits": kinds, "rhythm_logits": rhythms}

    return infer


def values(reading: Reading) -> dict[str, float]:
    """Return measurements by their codes."""
    return {item.name.value: item.value for item in reading.measurements}


def test_intervals_are_those_of_the_waves() -> None:
    """RR between peaks, PR from onset to onset, QRS from onset to offset, QT from onset to T's offset, in ms."""
    found = values(read_ecg(CARD, waveform(), answering()))
    assert found[HEART_RATE.value] == pytest.approx(60.0)
    assert found[RR_INTERVAL.value] == pytest.approx(1000.0)
    assert found[PR_INTERVAL.value] == pytest.approx(160.0)
    assert found[QRS_DURATION.value] == pytest.approx(90.0)
    assert found[QT_INTERVAL.value] == pytest.approx(380.0)


def test_units_are_ucum() -> None:
    """Beats per minute and milliseconds, as PS3.16 TID 3700 has them."""
    reading = read_ecg(CARD, waveform(), answering())
    assert {(item.unit.value, item.unit.scheme) for item in reading.measurements} == {
        ("{H.B.}/min", "UCUM"),
        ("ms", "UCUM"),
    }


def test_only_the_trusted_seconds_count() -> None:
    """Marks lie between the card's 2 s and 8 s, though the network answers for all ten."""
    marks = read_ecg(CARD, waveform(), answering()).marks
    assert len(marks) == 6 * 3
    assert min(mark.start_s for mark in marks) == pytest.approx(2.1)
    assert max(mark.end_s for mark in marks) == pytest.approx(7.64)
    assert [mark.kind for mark in marks[:3]] == ["P", "QRS", "T"]


def test_the_rhythm_has_its_certainty() -> None:
    """The mean of the trusted samples' softmax, in percent, beside the card's concept."""
    (finding,) = read_ecg(CARD, waveform(), answering(rhythm="bbb")).findings
    assert finding.value.value == "6374002"
    assert finding.certainty_percent == pytest.approx(90.0)


def test_without_p_waves_there_is_no_pr() -> None:
    """Fibrillation has no P, so no PR is measured; the other intervals are."""
    reading = read_ecg(CARD, waveform(), answering(SINUS_BEAT[1:], rhythm="afib"))
    assert set(values(reading)) == {HEART_RATE.value, RR_INTERVAL.value, QRS_DURATION.value, QT_INTERVAL.value}


def test_a_distant_p_belongs_to_no_beat() -> None:
    """A P more than 400 ms before the complex does not lead to it."""
    beat = (("QRS", 0.26, 0.35), ("P", 0.8, 0.85))
    assert set(values(read_ecg(CARD, waveform(), answering(beat)))) == {
        HEART_RATE.value,
        RR_INTERVAL.value,
        QRS_DURATION.value,
    }


def test_a_flicker_is_no_wave() -> None:
    """A run shorter than 20 ms is not taken for a wave."""
    marks = read_ecg(CARD, waveform(), answering((*SINUS_BEAT, ("P", 0.8, 0.81)))).marks
    assert len(marks) == 6 * 3


def test_unusual_beats_are_told() -> None:
    """Ectopic beats are counted in a sentence; sinus beats are not worth one."""
    warnings = read_ecg(CARD, waveform(), answering(beats={3: "vpc", 5: "vpc"})).warnings
    assert warnings == (
        "Read from lead II alone; intervals are of this lead.",
        "Read from second 2 to 8 of 10.",
        "2 of 6 beats look vpc.",
    )
    assert max(map(len, warnings)) <= 90


@pytest.mark.parametrize(
    ("seconds", "trust_s", "told"),
    [
        (10.04, (0.0, 10.0), []),
        (12.34, (0.0, 10.0), ["Read from second 0 to 10 of 12.3."]),
        (9.0, (0.5, 9.0), ["Read from second 0.5 to 9 of 9."]),
        (9.5, (0.0, 9.25), ["Read from second 0 to 9.2 of 9.5."]),
    ],
)
def test_a_part_of_the_recording_is_told(seconds: float, trust_s: tuple[float, float], told: list[str]) -> None:
    """Which seconds were read, where they are not all that there are."""
    card = CARD.model_copy(update={"inference": INFERENCE.model_copy(update={"trust_s": trust_s})})
    _, *warnings = read_ecg(card, waveform(seconds), answering()).warnings
    assert warnings == told


@pytest.mark.parametrize(("every_s", "beats"), [(0.15, "39"), (10.0, "0")])
def test_an_implausible_heart_rate_is_not_sent(every_s: float, beats: str) -> None:
    """400 beats a minute, or none at all (noise, or asystole): a person looks at it."""
    beat = (("QRS", 0.0, 0.06),)
    with pytest.raises(ImplausibleResult, match=rf"{beats} beats in 6 s .* at least 20 and at most 300"):
        read_ecg(CARD, waveform(), answering(beat, every_s=every_s))


def test_complexes_that_do_not_stand_out_are_not_sent() -> None:
    """The network finds waves in ranks alone; where the signal has no steep part, they are taken for noise."""
    drift = np.sin(2 * np.pi * 0.1 * np.arange(5000) / RATE).astype(np.float32)[np.newaxis]
    with pytest.raises(ImplausibleResult, match="6 QRS complexes found are hardly steeper"):
        read_ecg(CARD, waveform(array=drift), answering())


def test_a_range_with_an_open_end_can_be_told() -> None:
    """The message about an implausible rate does not need both ends."""
    open_ended = CARD.interpretation.model_copy(update={"plausible_heart_rate_bpm": Range(min=90)})
    with pytest.raises(ImplausibleResult, match="where at least 90 is plausible"):
        read_ecg(CARD.model_copy(update={"interpretation": open_ended}), waveform(), answering())


@pytest.mark.parametrize("rate", [250.0, 360.0, 500.0, 1000.0, 977.5])
def test_any_rate_becomes_the_networks(rate: float) -> None:
    """The window always has 5000 samples of 2 ms, and the peaks stay where they were."""
    lead = select_lead(PREPARATION, INFERENCE, waveform(12.0, rate=rate))
    assert lead.shape == (5000,)
    peaks = [int(lead[at : at + RATE].argmax()) / RATE for at in range(0, 5000, RATE)]
    np.testing.assert_allclose(peaks, 0.305, atol=0.004)


def test_resampling_lets_no_hum_fold_back() -> None:
    """440 Hz, which sampling at 500 Hz would turn into 60 Hz, is filtered out first."""
    times = np.arange(10000) / 1000.0
    hum = np.sin(2 * np.pi * 440.0 * times)
    clean = waveform(rate=1000.0)
    noisy = waveform(rate=1000.0, array=(clean.array + hum).astype(np.float32))
    difference = select_lead(PREPARATION, INFERENCE, noisy) - select_lead(PREPARATION, INFERENCE, clean)
    assert np.abs(difference[50:-50]).max() < 0.01


def test_an_offset_does_not_ring() -> None:
    """A lead that rests at 5 mV has no oscillation at its ends after resampling."""
    shifted = waveform(rate=1000.0, array=waveform(rate=1000.0).array + 5.0)
    difference = select_lead(PREPARATION, INFERENCE, shifted) - select_lead(
        PREPARATION, INFERENCE, waveform(rate=1000.0)
    )
    np.testing.assert_allclose(difference, 5.0, atol=1e-3)


def test_ranks_share_ties_and_span_one() -> None:
    """Smallest -1, largest 1, ties in between at their average; what is missing behind is 0."""
    ranked = rank(np.array([3.0, 1.0, 2.0, 2.0, 9.0]), 7)
    np.testing.assert_allclose(ranked, [0.5, -1.0, -0.25, -0.25, 1.0, 0.0, 0.0])
    assert ranked.dtype == np.float32


def test_a_short_recording_is_padded_after_ranking() -> None:
    """Nine seconds are read: ranks of nine seconds, then zeros, and the trusted seconds as always."""
    infer = answering()
    reading = read_ecg(CARD, waveform(9.0), infer)
    assert infer.asked.shape == (1, 5000)
    assert not infer.asked[0, 4500:].any()
    assert infer.asked[0, :4500].min() < -0.1  # nine seconds of baseline, not ten, share their rank
    assert infer.asked[0, :4500].max() > 0.99
    assert values(reading)[HEART_RATE.value] == pytest.approx(60.0)


def _broken(value: float) -> NDArray[np.float32]:
    array = waveform().array.copy()
    array[0, 777] = value
    return array


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (waveform(7.9), r"7\.9 s; at least 8 s"),
        (waveform(array=np.full((1, 5000), 0.7, np.float32)), "flat"),
        (waveform(array=_broken(np.nan)), "no numbers"),
        (waveform(array=_broken(np.inf)), "no numbers"),
        (waveform(lead="V1"), "lead II is needed and the recording has V1"),
    ],
    ids=["short", "flat", "nan", "inf", "other lead"],
)
def test_what_cannot_be_read_is_refused_by_name(source: Waveform, named: str) -> None:
    """Too short, flat, not finite, or without lead II: the network is not asked."""
    with pytest.raises(InputRefused, match=named):
        read_ecg(CARD, source, answering())


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("II", "II"),
        ("Lead II", "II"),
        ("LEAD II", "II"),
        ("MDC_ECG_LEAD_II", "II"),
        ("Lead I (Einthoven)", "I"),
        ("aVR", "aVR"),
        (" III ", "III"),
    ],
)
def test_leads_have_many_spellings(written: str, name: str) -> None:
    """What carts and nomenclatures call a lead comes down to its short name."""
    assert lead_name(written) == name


def test_a_network_that_answers_otherwise_is_a_wrong_card() -> None:
    """Another number of classes, or no such output, is not read as if it were right."""

    def infer(_network: str, _inputs: Arrays) -> Arrays:
        return {"frame_logits": np.zeros((1, 5000, 3), np.float32)}

    with pytest.raises(CardError, match=r"frame_logits \(1, 5000, 4\)"):
        read_ecg(CARD, waveform(), infer)


@pytest.mark.parametrize("name", ["frame_logits", "rhythm_logits", "beat_logits"])
@pytest.mark.parametrize("samples", [4999, 2500, 5001])
def test_a_network_that_answers_for_other_samples_is_a_wrong_card(name: str, samples: int) -> None:
    """Each answer has one row a sample: of another length, its rows belong to other moments."""
    right = answering()

    def infer(network: str, inputs: Arrays) -> Arrays:
        answer = dict(right(network, inputs))
        return answer | {name: np.resize(answer[name], (1, samples, answer[name].shape[2]))}

    with pytest.raises(CardError, match=rf"{name} \(1, 5000, [456]\)"):
        read_ecg(CARD, waveform(), infer)


def test_a_volumes_card_does_not_read_an_ecg() -> None:
    """A card whose parts contradict each other is named."""
    card: Card = load_card(BUILT_IN / "brain_extraction" / "model.toml")
    with pytest.raises(CardError, match="brain-extraction: an ECG needs"):
        read_ecg(card, waveform(), answering())
