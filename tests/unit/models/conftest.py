"""Models that exist only in tests."""

from pathlib import Path

import numpy as np
import pytest

from models.catalog import CatalogEntry, read_entry
from models.testing import write_threshold_model
from models.volume import Volume


@pytest.fixture
def threshold_model(tmp_path: Path) -> CatalogEntry:
    """The shipped test model, ready."""
    return read_entry(write_threshold_model(tmp_path / "models"))


@pytest.fixture
def ball() -> Volume:
    """An oblique, anisotropic volume with a bright ball of 20 mm radius in its middle; about 33.5 ml."""
    affine = np.eye(4)
    turn = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
    affine[:3, :3] = turn[:, [2, 1, 0]] * np.array([2.0, 1.25, -1.25])
    indices = np.indices((40, 64, 60)).reshape(3, -1).astype(np.float64)
    centre = (np.array([[40], [64], [60]]) - 1) / 2
    distance = np.linalg.norm(affine[:3, :3] @ (indices - centre), axis=0).reshape(40, 64, 60)
    array = np.where(distance <= 20.0, 800, 40).astype(np.int16)
    return Volume(array=array, affine=affine)
