"""ECG objects to millivolt: pydicom's own recording, and the same one altered."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.waveforms import multiplex_array

from models.volume import Waveform
from worker.errors import SeriesRefused, SeriesUnreadable
from worker.series.series_volume import load_series
from worker.series.waveform_reading import read_waveform

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
ECG = Path(str(get_testdata_file("waveform_ecg.dcm")))


def test_an_ecg_is_read_in_millivolt() -> None:
    """Twelve leads under their usual names, as a cart recorded them, with a plausible amplitude."""
    series = load_series([ECG], max_voxels=1)
    waveform = series.source
    assert isinstance(waveform, Waveform)
    assert waveform.channels == LEADS
    assert (waveform.array.shape, waveform.sampling_frequency_hz) == ((12, 10000), 1000.0)
    # Einthoven: I + III = II holds in any right recording, and fails where a unit or an order is wrong.
    np.testing.assert_allclose(waveform.array[0] + waveform.array[2], waveform.array[1], atol=0.011)
    assert 0.5 < waveform.array.max() < 5
    assert series.repairs == ("2 multiplex groups: the longest original one was read.",)


def test_values_agree_with_pydicoms() -> None:
    """Baseline, sensitivity, correction and unit are applied as pydicom applies them."""
    dataset = pydicom.dcmread(ECG)
    for number, channel in enumerate(dataset.WaveformSequence[0].ChannelDefinitionSequence):
        channel.ChannelBaseline = str(number * 3)
        channel.ChannelSensitivityCorrectionFactor = "1.5"
    waveform, _ = read_waveform(dataset, "a.dcm")
    np.testing.assert_allclose(waveform.array, multiplex_array(dataset, 0, as_raw=False).T / 1000, rtol=1e-5)


def test_the_median_beat_is_never_read() -> None:
    """A derived group is left alone, also when it comes first."""
    dataset = pydicom.dcmread(ECG)
    dataset.WaveformSequence = list(dataset.WaveformSequence)[::-1]
    assert read_waveform(dataset, "a.dcm")[0].array.shape == (12, 10000)


@pytest.mark.parametrize(("scheme", "prefix"), [("SCPECG", "5.6.3-9-"), ("MDC", "2:")])
def test_leads_are_known_by_their_codes(scheme: str, prefix: str) -> None:
    """A cart may name leads in its own language; the code of CID 3001 tells, in either scheme."""
    dataset = pydicom.dcmread(ECG)
    for channel in dataset.WaveformSequence[0].ChannelDefinitionSequence:
        (source,) = channel.ChannelSourceSequence
        number = source.CodeValue.removeprefix("5.6.3-9-")
        source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = prefix + number, scheme, "Ableitung"
    assert read_waveform(dataset, "a.dcm")[0].channels == LEADS


def drop(keyword: str) -> Callable[[pydicom.Dataset, pydicom.Dataset], None]:
    """Return an alteration that removes an attribute of the rhythm group."""
    return lambda group, _channel: delattr(group, keyword)


@pytest.mark.parametrize(
    ("alter", "error", "words"),
    [
        (drop("SamplingFrequency"), SeriesRefused, "no sampling frequency"),
        (drop("WaveformData"), SeriesUnreadable, r"a\.dcm: its header has no WaveformData; "),
        (drop("ChannelDefinitionSequence"), SeriesUnreadable, r"a\.dcm"),
        (lambda group, _: setattr(group, "WaveformData", group.WaveformData[:100]), SeriesUnreadable, "shorter"),
        (lambda group, _: setattr(group, "SamplingFrequency", 0), SeriesRefused, "no sampling frequency"),
        (lambda group, _: setattr(group, "WaveformOriginality", "DERIVED"), SeriesRefused, "no original waveform"),
        (lambda _, channel: delattr(channel, "ChannelSensitivityUnitsSequence"), SeriesRefused, "no unit of voltage"),
        (lambda _, channel: delattr(channel, "ChannelSensitivity"), SeriesRefused, "no sensitivity"),
        (lambda _, channel: setattr(channel, "ChannelSensitivity", "0"), SeriesRefused, "no sensitivity"),
        (
            lambda _, channel: setattr(channel, "ChannelSensitivityCorrectionFactor", "0"),
            SeriesRefused,
            "no sensitivity",
        ),
        (lambda _, channel: setattr(channel, "ChannelSensitivityCorrectionFactor", "inf"), SeriesRefused, "no sens"),
        (
            lambda _, channel: setattr(channel.ChannelSourceSequence[0], "CodeValue", "5.6.3-9-2"),
            SeriesRefused,
            "doubled leads",
        ),
    ],
)
def test_what_is_no_recording_is_refused_by_name(
    alter: Callable[[pydicom.Dataset, pydicom.Dataset], None], error: type[Exception], words: str
) -> None:
    """Values without a unit, a rate or a lead are never guessed."""
    dataset = pydicom.dcmread(ECG)
    group = dataset.WaveformSequence[0]
    alter(group, group.ChannelDefinitionSequence[0])
    with pytest.raises(error, match=words):
        read_waveform(dataset, "a.dcm")


def padded(leads: slice, *, first: int) -> pydicom.Dataset:
    """Return the recording with padding in some leads from a sample on."""
    dataset = pydicom.dcmread(ECG)
    (group, *_) = dataset.WaveformSequence
    samples = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 12).copy()
    samples[first:, leads] = -32768
    group.WaveformData = samples.tobytes()
    group.add_new("WaveformPaddingValue", "OW", np.int16(-32768).tobytes())
    return dataset


def test_padding_is_no_signal() -> None:
    """A lead that stops early has no samples behind that, and is refused by whoever needs them; others are read."""
    waveform, _ = read_waveform(padded(slice(1, 2), first=2500), "a.dcm")
    assert waveform.array.shape == (12, 10000)
    assert np.isnan(waveform.array[1, 2500:]).all()
    assert np.isfinite(waveform.array[0]).all()
    assert np.isfinite(waveform.array[1, :2500]).all()


def test_a_recording_ends_with_its_last_sample() -> None:
    """A cart that pads 2.5 s to 10 s has recorded 2.5 s."""
    waveform, _ = read_waveform(padded(slice(0, 12), first=2500), "a.dcm")
    assert waveform.array.shape == (12, 2500)
    assert np.isfinite(waveform.array).all()
