"""mindgrab's real weights: the import proves itself; on a real head the volume is that of the origin's conversion."""

from pathlib import Path

import pytest

from models.catalog import CatalogEntry, read_entry
from models.importing.brainchop import import_brainchop
from models.loaded import LoadedModel
from models.proving.checking import check
from models.reading import read
from models.runtimes.onnx_runtime import OnnxRuntime
from worker.series.series_volume import load_series

pytestmark = pytest.mark.weights

# Millilitres on t1-head, computed with torch from the same weights.
EXPECTED_ML = 1904.0


@pytest.fixture(scope="module")
def entry(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> CatalogEntry:
    """brain-mask, imported from brainchop's mindgrab."""
    folder = shared_data / "brainchop-models" / "mindgrab"
    return read_entry(import_brainchop(folder, tmp_path_factory.mktemp("models")))


def test_the_imported_mask_proves_itself(entry: CatalogEntry) -> None:
    """ONNX Runtime agrees with a float64 computation from tfjs's own layout, with the real weights."""
    (verdict,) = check(entry, OnnxRuntime(), threads=2)
    assert verdict.passed


@pytest.mark.campaign
def test_the_mask_of_a_real_head_has_its_volume(entry: CatalogEntry, shared_data: Path) -> None:
    """Through conform, network, largest component and the way back; minutes on two cores."""
    series = load_series(sorted((shared_data / "t1-head").glob("*.dcm")), max_voxels=512**3)
    model = LoadedModel.load(entry, OnnxRuntime(), 2)
    try:
        reading = read(entry.card, series.source, model.infer)
    finally:
        model.close()
    (structure,) = reading.structures
    assert structure.measurements[0].value == pytest.approx(EXPECTED_ML, rel=0.01)
