"""All of it in one function, with a real network in a real runtime."""

import numpy as np
import pytest

from models.catalog import CatalogEntry
from models.errors import InputRefused
from models.loaded import LoadedModel
from models.reading import read
from models.runtimes.onnx_runtime import OnnxRuntime
from models.testing_runtimes import ConstantRuntime
from models.volume import Volume, Waveform


def test_a_real_network_reads_a_volume(threshold_model: CatalogEntry, ball: Volume) -> None:
    """Prepare, ONNX Runtime, interpret: what is bright is labelled, on the source grid."""
    model = LoadedModel.load(threshold_model, OnnxRuntime(), 1)
    reading = read(threshold_model.card, ball, model.infer)
    assert reading.labels is not None
    assert reading.labels.dtype == np.uint8
    assert reading.labels.shape == ball.array.shape
    # 16 voxels a side are coarse, but the ball's middle is bright and the corner is not.
    assert reading.labels[20, 32, 30] == 1
    assert reading.labels[0, 0, 0] == 0
    (structure,) = reading.structures
    assert 20 < structure.measurements[0].value < 50


def test_the_constant_runtime_reads_any_volume(threshold_model: CatalogEntry, ball: Volume) -> None:
    """The constant answer goes the same way: half of every side, an eighth of the volume."""
    model = LoadedModel.load(threshold_model, ConstantRuntime(), 1)
    reading = read(threshold_model.card, ball, model.infer)
    assert reading.labels is not None
    assert (reading.labels > 0).mean() == pytest.approx(1 / 8, rel=0.1)


def test_one_slice_is_a_volume_too(threshold_model: CatalogEntry) -> None:
    """A series of a single image is read by a model whose card allows it."""
    model = LoadedModel.load(threshold_model, OnnxRuntime(), 1)
    array = np.arange(100, dtype=np.int16).reshape(1, 10, 10)
    reading = read(threshold_model.card, Volume(array=array, affine=np.eye(4)), model.infer)
    assert reading.labels is not None
    np.testing.assert_array_equal(reading.labels[0].any(axis=1), [False] * 5 + [True] * 5)


def test_the_same_input_gives_the_same_reading(threshold_model: CatalogEntry, ball: Volume) -> None:
    """Two reads agree in every voxel and every number, so a retry gives the same bytes."""
    model = LoadedModel.load(threshold_model, OnnxRuntime(), 2)
    first, second = (read(threshold_model.card, ball, model.infer) for _ in range(2))
    assert first.labels is not None
    assert second.labels is not None
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.structures == second.structures


def test_a_waveform_for_a_volume_model_is_refused_by_name(threshold_model: CatalogEntry) -> None:
    """A selection that chose the wrong kind of input ends in InputRefused."""
    waveform = Waveform(array=np.zeros((1, 10), np.float32), channels=("I",), sampling_frequency_hz=500.0)
    with pytest.raises(InputRefused, match="reads volumes"):
        read(
            threshold_model.card,
            waveform,
            ConstantRuntime().load(threshold_model.directory / "model.onnx", threads=1).infer,
        )  # type: ignore[arg-type]
