"""Real weights on a real ECG, fetched as a user fetches them: the intervals agree with the cart's own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from numpy.typing import NDArray

from models.card.ecg_concepts import HEART_RATE, PR_INTERVAL, QRS_DURATION, QT_INTERVAL, RR_INTERVAL
from models.catalog import BUILT_IN, CatalogEntry, read_entry
from models.errors import ImplausibleResult
from models.findings import Reading
from models.importing.weights import fetch
from models.loaded import LoadedModel
from models.proving.checking import check
from models.reading import read
from models.runtimes.onnx_runtime import OnnxRuntime
from models.volume import Waveform
from ops.demonstration.demo_inputs import ecg_file
from worker.series.series_volume import load_series

pytestmark = pytest.mark.weights

#: What the cart wrote into the file: RR, and global PR, QRS, QT, in ms.
CART_RR_MS, CART_PR_MS, CART_QRS_MS, CART_QT_MS = 982, 161, 75, 368
#: Half a millimetre of paper: how far one lead may lie from the earliest and latest of twelve.
ONE_LEAD_MS = 25


@pytest.fixture(scope="module")
def entry() -> CatalogEntry:
    """ecg-rhythm with its weights, kept in the user's cache for the next run."""
    cache = Path(platformdirs.user_cache_dir("wetread-tests")) / "models"
    card = read_entry(BUILT_IN / "ecg_rhythm").card
    return read_entry(fetch(BUILT_IN / "ecg_rhythm", card, cache, None, print))


@pytest.fixture(scope="module")
def model(entry: CatalogEntry) -> LoadedModel:
    """The network, resident."""
    return LoadedModel.load(entry, OnnxRuntime(), 1)


@pytest.fixture(scope="module")
def reading(entry: CatalogEntry, model: LoadedModel) -> Reading:
    """What the model says of the 12-lead ECG that pydicom ships."""
    return read(entry.card, load_series([ecg_file()], max_voxels=10**6).source, model.infer)


def test_the_weights_prove_themselves(entry: CatalogEntry) -> None:
    """ONNX Runtime gives the golden answer with what was fetched."""
    (verdict,) = check(entry, OnnxRuntime())
    assert verdict.passed
    assert verdict.seconds < 2


def test_the_rhythm_is_sinus(reading: Reading) -> None:
    """Sinus rhythm, with near certainty."""
    (finding,) = reading.findings
    assert finding.value.meaning == "Sinus Rhythm"
    assert finding.certainty_percent is not None
    assert finding.certainty_percent > 95


def test_intervals_agree_with_the_cart(reading: Reading) -> None:
    """RR within 1 %; PR, QRS and QT of lead II near those that the cart measured over twelve leads."""
    found = {item.name.value: item.value for item in reading.measurements}
    assert found[RR_INTERVAL.value] == pytest.approx(CART_RR_MS, rel=0.01)
    assert found[HEART_RATE.value] == pytest.approx(60_000 / CART_RR_MS, rel=0.01)
    assert found[PR_INTERVAL.value] == pytest.approx(CART_PR_MS, abs=ONE_LEAD_MS)
    assert found[QRS_DURATION.value] == pytest.approx(CART_QRS_MS, abs=ONE_LEAD_MS)
    assert found[QT_INTERVAL.value] == pytest.approx(CART_QT_MS, abs=ONE_LEAD_MS)


def test_waves_follow_each_other(reading: Reading) -> None:
    """Six beats between 2 s and 8 s, each P, QRS, T in this order."""
    assert [mark.kind for mark in reading.marks] == ["P", "QRS", "T"] * 6


_SECONDS = np.arange(5000) / 500


@pytest.mark.parametrize(
    "signal",
    [
        np.sin(2 * np.pi * 0.1 * _SECONDS),
        np.sin(2 * np.pi * _SECONDS),
        np.sin(2 * np.pi * 50 * _SECONDS),
        _SECONDS / 10,
        np.random.default_rng(0).normal(0, 0.1, 5000),
        np.cumsum(np.random.default_rng(1).normal(0, 0.01, 5000)),
    ],
    ids=["drift", "breathing", "hum", "ramp", "noise", "random walk"],
)
def test_what_is_no_ecg_is_not_sent(entry: CatalogEntry, model: LoadedModel, signal: NDArray[np.float64]) -> None:
    """The network finds beats and rhythms in anything; what does not stand out is kept back for a person to look at."""
    source = Waveform(array=signal.astype(np.float32)[np.newaxis], channels=("II",), sampling_frequency_hz=500)
    with pytest.raises(ImplausibleResult, match="look at the recording"):
        read(entry.card, source, model.infer)


@pytest.mark.parametrize("noise_mv", [0.02, 0.05, 0.1])
def test_a_noisy_ecg_is_still_read(entry: CatalogEntry, model: LoadedModel, noise_mv: float) -> None:
    """Muscle tremor does not make an ECG implausible, and RR stays within 1 % of the cart's."""
    source = load_series([ecg_file()], max_voxels=10**6).source
    assert isinstance(source, Waveform)
    noise = np.random.default_rng(3).normal(0, noise_mv, source.array.shape)
    noisy = replace(source, array=(source.array + noise).astype(np.float32))
    found = {item.name.value: item.value for item in read(entry.card, noisy, model.infer).measurements}
    assert found[RR_INTERVAL.value] == pytest.approx(CART_RR_MS, rel=0.01)
