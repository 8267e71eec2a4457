"""Orientation, size and intensities are what the card says."""

import numpy as np
import pytest

from models.card_preparation import VolumePreparation
from models.errors import InputRefused
from models.preparation import normalise, prepare
from models.volume import Volume


def preparation(**changes: object) -> VolumePreparation:
    """Return a valid preparation with changes."""
    values: dict[str, object] = {
        "kind": "volume",
        "orientation": "LPS",
        "fit": "resize",
        "size": (16, 16, 16),
        "normalisation": "min-max",
    }
    return VolumePreparation.model_validate(values | changes)


def noise(shape: tuple[int, int, int] = (12, 20, 18), dtype: type = np.int16) -> Volume:
    """Return a volume of noise whose axes run along S, P and L."""
    affine = np.array([[0, 0, 1.5, -10], [0, 1.5, 0, -20], [2.0, 0, 0, 5], [0, 0, 0, 1]])
    array = np.random.default_rng(1).integers(10, 900, shape).astype(dtype)
    return Volume(array=array, affine=affine)


def test_resize_with_min_max_spans_zero_to_one() -> None:
    """The network's array is float32 ``(1, 1, d, h, w)`` of the card's size, from 0 to 1."""
    prepared = prepare(noise(), preparation(interpolation="nearest"))
    assert prepared.array.shape == (1, 1, 16, 16, 16)
    assert prepared.array.dtype == np.float32
    assert prepared.array.flags.c_contiguous
    assert (prepared.array.min(), prepared.array.max()) == (0.0, 1.0)


def test_z_score_is_that_of_the_clipped_values() -> None:
    """Clipped to percentiles, mean and standard deviation (ddof = 1) of the array, then scale and offset."""
    settings = preparation(
        size=(12, 20, 18),
        orientation="SPL",
        interpolation="nearest",
        normalisation="percentile-z-score",
        percentiles=(0.5, 99.5),
        scale=0.226,
        offset=0.449,
    )
    volume = noise()
    prepared = prepare(volume, settings)
    values = np.asarray(volume.array, np.float64)
    low, high = np.percentile(values, (0.5, 99.5))
    clipped = np.clip(values, low, high)
    expected = (clipped - clipped.mean()) / clipped.std(ddof=1) * 0.226 + 0.449
    np.testing.assert_allclose(prepared.array[0, 0], expected, atol=1e-5)
    assert prepared.window == pytest.approx((low, high))


def test_a_crop_keeps_the_window_of_the_whole() -> None:
    """Normalising another array with a given window clips to that window, not to its own extremes."""
    array = np.array([[[-5.0, 0.0, 5.0, 10.0, 99.0]]], np.float32)
    normalise(array, preparation(), (0.0, 10.0))
    np.testing.assert_allclose(array.ravel(), [0, 0, 0.5, 1, 1])


def test_conform_centres_pads_and_keeps_the_place() -> None:
    """A small volume lies in the middle of the conformed grid, and what is around it is the volume's least value."""
    volume = noise()
    settings = preparation(fit="conform", spacing_mm=(1.0, 1.0, 1.0), size=(64, 64, 64), orientation="LIA")
    prepared = prepare(volume, settings)
    centre = prepared.affine @ np.array([31.5, 31.5, 31.5, 1.0])
    middle = volume.affine @ np.array([5.5, 9.5, 8.5, 1.0])
    np.testing.assert_allclose(centre, middle)
    assert prepared.array[0, 0, 0, 0, 0] == 0.0
    # LIA: the first axis grows to the left (x), the second downwards, the third to the front.
    np.testing.assert_allclose(prepared.affine[:3, :3], [[1, 0, 0], [0, 0, -1], [0, -1, 0]])


def test_cropping_keeps_the_place_of_what_is_left() -> None:
    """The box of what is above the limit is kept, rounded up to the multiple, and the affine moves along."""
    array = np.zeros((16, 16, 16), np.int16)
    array[4:9, 2:8, 15] = 100
    volume = Volume(array=array, affine=np.diag([1.0, 1.0, 1.0, 1.0]))
    settings = preparation(interpolation="nearest", crop_above=0.2, crop_multiple=4)
    prepared = prepare(volume, settings)
    shape = prepared.array.shape[2:]
    assert all(side % 4 == 0 for side in shape)
    assert prepared.array.sum() == 5 * 6
    bright = np.argwhere(prepared.array[0, 0] == 1.0)
    points = bright @ prepared.affine[:3, :3].T + prepared.affine[:3, 3]
    np.testing.assert_allclose(points.min(axis=0), [4, 2, 15])
    np.testing.assert_allclose(points.max(axis=0), [8, 7, 15])


@pytest.mark.parametrize("normalisation", ["min-max", "percentile-z-score"])
def test_no_contrast_is_refused_by_name(normalisation: str) -> None:
    """One value everywhere gives InputRefused instead of a division by zero."""
    volume = Volume(array=np.full((8, 8, 8), 7, np.int16), affine=np.eye(4))
    with pytest.raises(InputRefused, match="no contrast"):
        prepare(volume, preparation(normalisation=normalisation))


def test_values_that_are_not_finite_are_refused_by_name() -> None:
    """NaN gives InputRefused instead of spreading into the network."""
    array = np.asarray(noise(dtype=np.float32).array, np.float32).copy()
    array[3, 3, 3] = np.nan
    with pytest.raises(InputRefused, match="finite"):
        prepare(Volume(array=array, affine=np.eye(4)), preparation(size=(12, 20, 18)))


def test_the_source_is_not_changed() -> None:
    """Preparation works on its own array, also when size and dtype are already right."""
    volume = noise((16, 16, 16), np.float32)
    before = np.array(volume.array)
    prepare(volume, preparation(orientation="SPL"))
    np.testing.assert_array_equal(volume.array, before)
