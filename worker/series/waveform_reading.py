"""From a waveform object (PS3.3 C.10.9) to channels in millivolt."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.volume import Waveform
from worker.errors import SeriesRefused, SeriesUnreadable
from worker.instances.pydicom_errors import told_as_unreadable
from worker.instances.series_repairs import longest_group

_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_BY_UPPER = {lead.upper(): lead for lead in _LEADS}
#: The number after the prefix of a code of CID 3001; SCPECG and, since 2017, MDC count alike.
_PREFIXES = {"SCPECG": "5.6.3-9-", "MDC": "2:"}
_BY_NUMBER = dict(zip(("1", "2", "61", "62", "63", "64", "3", "4", "5", "6", "7", "8"), _LEADS, strict=True))
#: UCUM units of Channel Sensitivity, in millivolt.
_MILLIVOLT = {"uV": 1e-3, "mV": 1.0, "V": 1e3}
_SAMPLES = {"SS": np.int16, "US": np.uint16, "SB": np.int8, "UB": np.uint8, "SL": np.int32, "UL": np.uint32}


def read_waveform(dataset: Any, name: str) -> tuple[Waveform, tuple[str, ...]]:
    """Read the rhythm strip: the longest multiplex group that is ORIGINAL, never a median beat.

    Returns the waveform and what was mended. Raises SeriesRefused, SeriesUnreadable, which names the file.
    """
    with told_as_unreadable(name):
        return _read_longest(dataset)


def _read_longest(dataset: Any) -> tuple[Waveform, tuple[str, ...]]:
    groups = list(dataset.WaveformSequence)
    originals = [group for group in groups if str(group.get("WaveformOriginality", "ORIGINAL")) == "ORIGINAL"]
    if not originals:
        raise SeriesRefused("no original waveform: every multiplex group is derived")
    group = max(originals, key=lambda item: int(item.NumberOfWaveformSamples))
    frequency = float(group.get("SamplingFrequency") or 0.0)
    if not (np.isfinite(frequency) and frequency > 0):
        raise SeriesRefused("no sampling frequency: (003A,001A) is not positive")
    stored = _stored_values(dataset, group)
    definitions = list(group.ChannelDefinitionSequence)
    padded = _padded(group, stored)
    # What is behind the last sample of any channel is no recording.
    used = int(np.flatnonzero(~padded.all(axis=1))[-1]) + 1 if not padded.all() else 0
    stored, padded = stored[:used], padded[:used]
    array = np.stack([_millivolt(stored[:, index], channel) for index, channel in enumerate(definitions)])
    array[padded.T] = np.nan
    channels = tuple(_lead(channel, index) for index, channel in enumerate(definitions))
    if len(set(channels)) < len(channels):
        raise SeriesRefused("doubled leads: two channels of the recording have the same lead's name")
    waveform = Waveform(
        array=np.ascontiguousarray(array, dtype=np.float32),
        channels=channels,
        sampling_frequency_hz=frequency,
    )
    repairs = (longest_group(len(groups)),) if len(groups) > 1 else ()
    return waveform, repairs


def _stored_values(dataset: Any, group: Any) -> NDArray[np.generic]:
    channels, samples = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    kind = str(group.WaveformSampleInterpretation)
    if kind not in _SAMPLES:
        raise SeriesUnreadable(f"waveform samples of another kind than {', '.join(_SAMPLES)} are not read")
    dtype = np.dtype(_SAMPLES[kind]).newbyteorder("<" if dataset.original_encoding[1] else ">")
    data = group.WaveformData
    if len(data) < channels * samples * dtype.itemsize or channels != len(group.ChannelDefinitionSequence):
        raise SeriesUnreadable(
            "waveform shorter than announced: channels x samples do not fit the data; is it truncated?"
        )
    return np.frombuffer(data, dtype=dtype, count=channels * samples).reshape(samples, channels)


def _padded(group: Any, stored: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return which samples are no signal: they have the Waveform Padding Value (5400,100A), PS3.3 C.10.9.1.7."""
    value = group.get("WaveformPaddingValue")
    if value in (None, b""):
        return np.zeros(stored.shape, bool)
    if isinstance(value, (bytes, bytearray)):
        value = np.frombuffer(bytes(value)[: stored.dtype.itemsize], stored.dtype)[0]
    return np.asarray(stored == stored.dtype.type(value))


def _millivolt(stored: NDArray[Any], channel: Any) -> NDArray[np.float64]:
    """Apply baseline, sensitivity and its correction (C.10.9.1.4.2)."""
    sensitivity = float(channel.get("ChannelSensitivity") or 0.0)
    stated = channel.get("ChannelSensitivityCorrectionFactor")
    correction = 1.0 if stated in (None, "") else float(stated)
    baseline = float(channel.get("ChannelBaseline") or 0.0)
    if sensitivity * correction == 0 or not np.all(np.isfinite((sensitivity, correction, baseline))):
        raise SeriesRefused("no sensitivity: that of a channel, or its correction or baseline, is missing or no number")
    units = channel.get("ChannelSensitivityUnitsSequence")
    unit = str(units[0].CodeValue) if units else ""
    if unit not in _MILLIVOLT:
        raise SeriesRefused("no unit of voltage: a channel's sensitivity is not in uV, mV or V")
    return np.asarray((stored.astype(np.float64) * sensitivity * correction + baseline) * _MILLIVOLT[unit])


def _lead(channel: Any, index: int) -> str:
    """Return the lead's usual name, from its code (CID 3001), else from the code's meaning or the channel's label."""
    sources = channel.get("ChannelSourceSequence")
    code = str(sources[0].get("CodeValue", "")) if sources else ""
    prefix = _PREFIXES.get(str(sources[0].get("CodingSchemeDesignator", ""))) if sources else None
    if prefix and code.startswith(prefix) and code.removeprefix(prefix) in _BY_NUMBER:
        return _BY_NUMBER[code.removeprefix(prefix)]
    texts = [str(sources[0].get("CodeMeaning", ""))] if sources else []
    texts.append(str(channel.get("ChannelLabel", "")))
    for text in texts:
        name = re.sub(r"(?i)^lead\s+", "", text.split("(", 1)[0].strip()).strip().upper()
        if name in _BY_UPPER:
            return _BY_UPPER[name]
    return f"channel {index + 1}"
