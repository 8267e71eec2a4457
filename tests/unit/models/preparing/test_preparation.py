"""Orientation, size and intensities are what the card says."""

from dataclasses import replace

import numpy as np
import pytest

from models.card.card_preparation import VolumePreparation
from models.errors import InputRefused
from models.preparing.normalisation import normalise
from models.preparing.preparation import prepare
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


#: The grid of `noise` itself.
AS_IT_IS: dict[str, object] = {"fit": "spacing", "size": None, "spacing_mm": (2.0, 1.5, 1.5), "orientation": "SPL"}


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


@pytest.mark.parametrize("changes", [{"size": (10**24, 16, 16)}, AS_IT_IS | {"spacing_mm": (1e-300, 1.0, 1.0)}])
def test_a_grid_that_no_memory_holds_is_refused_by_name(changes: dict[str, object]) -> None:
    """A card's size or spacing with a slip of the pen is told as that, not as a defect of wetread."""
    with pytest.raises(InputRefused, match=r"0 x \d+ x \d+ voxels, .* mend size, spacing_mm and pad_multiple"):
        prepare(noise(), preparation(**changes))


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


def test_a_z_score_of_what_is_not_zero_leaves_zero() -> None:
    """Only what is not 0 is centred and scaled; the air stays 0, as skull-stripped heads are prepared."""
    volume = noise()
    values = np.array(volume.array)
    values[:, :5] = 0
    prepared = prepare(
        Volume(array=values, affine=volume.affine),
        preparation(**AS_IT_IS, normalisation="non-zero-z-score"),
    ).array[0, 0]
    air = np.zeros(prepared.shape, bool)
    air[:, :5] = True
    assert (prepared[air] == 0).all()
    assert prepared[~air].mean() == pytest.approx(0, abs=1e-5)
    assert prepared[~air].std(ddof=1) == pytest.approx(1, abs=1e-5)


def test_fixed_numbers_normalise_a_ct() -> None:
    """Values are clipped to the window, less the card's mean, divided by its deviation, as nnU-Net does for CT."""
    volume = noise()
    card = preparation(
        **AS_IT_IS, normalisation="fixed", mean=100, std=50,
        window=(50, 200),
    )  # fmt: skip
    found = prepare(volume, card).array[0, 0]
    np.testing.assert_allclose(found, (np.clip(np.asarray(volume.array), 50, 200) - 100) / 50, rtol=1e-6)


@pytest.mark.parametrize("anchor", ["edges", "first-voxel"])
@pytest.mark.parametrize("interpolation", ["linear", "spline"])
def test_a_spacing_of_0_keeps_the_images_own(anchor: str, interpolation: str) -> None:
    """Along that axis there are as many voxels as before, in the same places, and each plane is resampled by itself."""
    changes = AS_IT_IS | {"anchor": anchor, "interpolation": interpolation, "normalisation": "none"}
    volume = noise()
    prepared = prepare(volume, preparation(**changes | {"spacing_mm": (0.0, 2.0, 1.9)}))
    assert prepared.array.shape[2] == 12
    np.testing.assert_allclose(prepared.affine[:3, 0], volume.affine[:3, 0])
    alone = replace(volume, array=np.repeat(volume.array[5:6], 12, axis=0))
    again = prepare(alone, preparation(**changes | {"spacing_mm": (0.0, 2.0, 1.9)}))
    np.testing.assert_allclose(again.array[0, 0, 7], prepared.array[0, 0, 5], atol=1e-2)
    kept = prepare(volume, preparation(**changes | {"spacing_mm": (0.0, 0.0, 0.0)}))
    np.testing.assert_array_equal(kept.array[0, 0], volume.array)
    np.testing.assert_allclose(kept.affine, volume.affine)


def test_sides_are_filled_up_to_a_multiple() -> None:
    """A network with strides gets sides that it can halve; what is filled up lies beyond the images' end."""
    volume = noise((12, 20, 18))
    card = preparation(
        **AS_IT_IS, normalisation="none", pad_multiple=16,
        outside=-7,
    )  # fmt: skip
    prepared = prepare(volume, card)
    assert prepared.array.shape == (1, 1, 16, 32, 32)
    np.testing.assert_array_equal(prepared.array[0, 0, :12, :20, :18], volume.array)
    assert (prepared.array[0, 0, 13:] == -7).all()


def test_the_middle_is_cropped_before_values_are_normalised() -> None:
    """The lowest and the highest value are those of the part; sides are filled up after it, a 0 keeps a side."""
    volume = noise()
    prepared = prepare(volume, preparation(**AS_IT_IS, crop_centre=(0, 9, 6), pad_multiple=4))
    assert prepared.array.shape == (1, 1, 12, 12, 8)
    values = np.asarray(volume.array, np.float32)[:, 6:15, 6:12]
    expected = (values - values.min()) / (values.max() - values.min())
    np.testing.assert_allclose(prepared.array[0, 0, :, :9, :6], expected, atol=1e-6)


def test_what_is_zero_around_the_body_is_cropped_first() -> None:
    """With crop_non_zero the network's grid is the box of what is not 0, at its own place in space."""
    volume = noise()
    values = np.zeros(volume.array.shape, np.int16)
    values[3:9, 4:10, 5:17] = np.asarray(volume.array)[3:9, 4:10, 5:17]
    card = preparation(
        **AS_IT_IS, normalisation="none", crop_non_zero=True
    )  # fmt: skip
    prepared = prepare(Volume(array=values, affine=volume.affine), card)
    np.testing.assert_array_equal(prepared.array[0, 0], values[3:9, 4:10, 5:17])
    np.testing.assert_allclose(prepared.affine[:3, 3], (volume.affine @ [3, 4, 5, 1])[:3])
    with pytest.raises(InputRefused, match="nothing but 0"):
        prepare(Volume(array=np.zeros_like(values), affine=volume.affine), card)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"normalisation": "fixed"}, "needs mean and std"),
        ({"mean": 1.0, "std": 2.0}, "needs mean and std"),
        ({"pad_multiple": 8}, "pad_multiple goes with fit = spacing"),
        ({"fit": "conform", "spacing_mm": (1, 0, 1)}, "conform needs spacing_mm above 0"),
        (AS_IT_IS | {"spacing_mm": (1, -1, 1)}, "spacing_mm"),
        ({"normalisation": "z"}, "non-zero-z-score"),
        ({"fit": "conform", "spacing_mm": (1, 1, 1), "crop_centre": (8, 8, 8)}, "crop_centre goes with"),
        ({"channel_values": {"flair": {"normalisation": "none"}}}, "channel_values names flair"),
        ({"crop_centre": (8, -8, 8)}, "greater than or equal to 0"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(changes: dict[str, object], words: str) -> None:
    """What belongs together must be there together, and a wrong word is answered with those that are allowed."""
    with pytest.raises(ValueError, match=words):
        preparation(**changes)


def bordered(seed: int) -> Volume:
    """Return noise with zeros around it."""
    volume = noise((14, 24, 22))
    array = np.zeros(volume.array.shape, np.float32)
    array[3:-2, 4:-5, 2:-6] = np.random.default_rng(seed).normal(500.0, 90.0, (9, 15, 14))
    return Volume(array=array, affine=volume.affine)


def test_what_is_zero_around_the_body_is_zero_in_every_channel() -> None:
    """Series on one grid are cut alike: splines would make almost zeros of zeros, and these would count as values."""
    first, second = bordered(1), bordered(2)
    settings = preparation(
        **AS_IT_IS,
        interpolation="spline",
        crop_non_zero=True,
        normalisation="non-zero-z-score",
        normalised="source-grid",
        channels=("second",),
    )
    prepared = prepare(replace(first, others=(second,)), settings)
    for channel, series in zip(prepared.array[0], (first, second), strict=True):
        inside = np.asarray(series.array)[3:-2, 4:-5, 2:-6]
        np.testing.assert_allclose(channel, (inside - inside.mean()) / inside.std(ddof=1), atol=1e-4)


def test_what_is_cropped_after_normalisation_counts_in_the_statistics_of_every_channel() -> None:
    """As MONAI's CropForegroundd behind NormalizeIntensityd: mean and deviation are those of the whole."""
    first, second = bordered(1), bordered(2)
    settings = preparation(
        **AS_IT_IS, interpolation="linear", normalisation="z-score", crop_above=0.0, channels=("second",)
    )
    prepared = prepare(replace(first, others=(second,)), settings)
    assert prepared.array.shape[2:] == (9, 15, 14)
    for channel, series in zip(prepared.array[0], (first, second), strict=True):
        whole = np.asarray(series.array)
        expected = ((whole - whole.mean()) / whole.std(ddof=1))[3:-2, 4:-5, 2:-6]
        np.testing.assert_allclose(channel, expected, atol=1e-4)


def test_beyond_a_conformed_source_every_channel_has_its_lowest_value() -> None:
    """Not that of its edge, which would be smeared over the rest of the cube."""
    first, second = noise((6, 20, 18)), noise((6, 20, 18), np.float32)
    settings = preparation(
        fit="conform", size=(24, 24, 24), spacing_mm=(2.0, 1.5, 1.5), normalisation="none", channels=("second",)
    )
    prepared = prepare(replace(first, others=(second,)), settings)
    for channel, series in zip(prepared.array[0], (first, second), strict=True):
        assert (channel[:, :, [0, -1]] == np.asarray(series.array).min()).all()


@pytest.mark.parametrize(
    ("changes", "partly"),
    [
        ({"fit": "conform", "size": (24, 24, 24), "spacing_mm": (2.0, 1.5, 1.5)}, False),
        ({"fit": "conform", "size": (24, 24, 24), "spacing_mm": (2.0, 1.0, 1.5)}, True),
        ({"crop_centre": (16, 8, 0)}, True),
        ({}, False),
        ({**AS_IT_IS, "crop_above": 800.0, "normalisation": "none"}, False),
        ({**AS_IT_IS, "crop_above": 800.0, "normalisation": "none", "crop_centre": (0, 8, 0)}, True),
        ({**AS_IT_IS, "crop_non_zero": True}, False),
        ({**AS_IT_IS, "crop_non_zero": True, "crop_centre": (0, 8, 0)}, True),
    ],
)
def test_what_is_not_looked_at_is_known(changes: dict[str, object], partly: bool) -> None:  # noqa: FBT001
    """What lies outside must not be told as negative; what a card cuts off for its values is none of it."""
    assert prepare(noise(), preparation(**changes)).part is partly


def test_what_is_zero_around_a_body_that_is_read_whole_is_no_part() -> None:
    """Its box fits into the middle that the card keeps, the images do not."""
    settings = preparation(**AS_IT_IS, crop_non_zero=True, crop_centre=(9, 15, 14))
    assert prepare(bordered(1), settings).part is False
    assert prepare(bordered(1), settings.model_copy(update={"crop_non_zero": False})).part is True
