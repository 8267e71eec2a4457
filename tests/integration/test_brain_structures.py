"""Real weights on a real head: the volumes agree with those that brainchop's own conversion gave."""

from pathlib import Path

import pytest

from models.brainchop import import_brainchop
from models.catalog import CatalogEntry, read_entry
from models.checking import check
from models.findings import Reading
from models.loaded import LoadedModel
from models.onnx_runtime import OnnxRuntime
from models.reading import read
from worker.series_volume import load_series

pytestmark = pytest.mark.weights

# Millilitres on t1-head, both sides together, computed with torch from the same weights.
EXPECTED_ML = {"40146001": 606.0, "68523003": 580.0, "5366008": 8.4, "42695009": 18.6}


@pytest.fixture(scope="module")
def entry(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> CatalogEntry:
    """brain-structures, imported from brainchop's model18cls."""
    folder = shared_data / "brainchop-models" / "model18cls"
    return read_entry(import_brainchop(folder, tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def reading(shared_data: Path, entry: CatalogEntry) -> Reading:
    """What the model says of the head; about half a minute on two cores."""
    series = load_series(sorted((shared_data / "t1-head").glob("*.dcm")), max_voxels=512**3)
    model = LoadedModel.load(entry, OnnxRuntime(), 2)
    try:
        return read(entry.card, series.source, model.infer)
    finally:
        model.close()


def test_the_imported_network_proves_itself(entry: CatalogEntry) -> None:
    """ONNX Runtime agrees with a float64 computation from tfjs's own layout, with the real weights."""
    (verdict,) = check(entry, OnnxRuntime(), threads=2)
    assert verdict.passed


def test_all_structures_are_found(reading: Reading) -> None:
    """17 structures, none missing, nothing cut off by the edge of the images."""
    assert len(reading.structures) == 17
    assert reading.missing == ()
    assert reading.warnings == ()


@pytest.mark.parametrize(("code", "expected_ml"), EXPECTED_ML.items(), ids=str)
def test_volumes_agree_within_five_percent(reading: Reading, code: str, expected_ml: float) -> None:
    """Through orientation, conform, network, largest component and the way back, the volume stays the same."""
    (structure,) = (found for found in reading.structures if found.label.concept.value == code)
    assert structure.measurements[0].value == pytest.approx(expected_ml, rel=0.05)
