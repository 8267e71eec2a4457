"""A network of brainchop with its real weights; what it says of a head, `test_real_weights` asks."""

from pathlib import Path

import pytest

from models.catalog import CatalogEntry, read_entry
from models.importing.brainchop import import_brainchop
from models.proving.checking import check
from models.runtimes.onnx_runtime import OnnxRuntime

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def entry(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> CatalogEntry:
    """brain-structures, imported from brainchop's model18cls."""
    folder = shared_data / "brainchop-models" / "model18cls"
    return read_entry(import_brainchop(folder, tmp_path_factory.mktemp("models")))


def test_the_imported_network_proves_itself(entry: CatalogEntry) -> None:
    """ONNX Runtime agrees with a float64 computation from tfjs's own layout, with the real weights."""
    (verdict,) = check(entry, OnnxRuntime(), threads=2)
    assert verdict.passed
