"""Frames on their way to a network and back: size, aspect, intensities."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from models.card.card_preparation import ImagePreparation
from models.errors import InputRefused
from models.preparing.image_preparation import brought_back, prepare_frame


def preparation(**values: Any) -> ImagePreparation:
    """Return a preparation; keywords replace its keys."""
    return ImagePreparation.model_validate({"kind": "image", "size": (8, 8), "normalisation": "min-max"} | values)


def test_values_become_0_to_1_and_the_size_the_networks() -> None:
    """An image of another size and of large values fills the network's input, averaged where it is made smaller."""
    frame = np.kron(np.arange(64, dtype=np.uint16).reshape(8, 8) * 100, np.ones((5, 3), np.uint16))
    prepared = prepare_frame(frame, preparation())
    assert prepared is not None
    assert (prepared.array.shape, prepared.array.dtype) == ((1, 1, 8, 8), np.float32)
    assert prepared.array.min() >= 0
    assert prepared.array.max() <= 1
    np.testing.assert_allclose(prepared.array[0, 0], np.arange(64).reshape(8, 8) / 63, atol=0.12)


def test_a_mean_and_deviation_a_channel() -> None:
    """Three channels hold the same brightness, each less its mean and divided by its deviation."""
    frame = np.linspace(0, 255, 64).reshape(8, 8).astype(np.uint8)
    wished = {"channels": 3, "normalisation": "mean-std", "mean": (0.4, 0.5, 0.6), "std": (0.1, 0.2, 0.3)}
    three, plain = prepare_frame(frame, preparation(**wished)), prepare_frame(frame, preparation())
    assert three is not None
    assert plain is not None
    for channel, (mean, std) in enumerate(zip(wished["mean"], wished["std"], strict=True)):  # type: ignore[call-overload]
        np.testing.assert_allclose(three.array[0, channel], (plain.array[0, 0] - mean) / std, rtol=1e-4, atol=1e-5)


def test_percentiles_and_windows_cut_what_is_extreme() -> None:
    """A burnt-in marker does not decide what the lungs look like."""
    frame = np.full((10, 10), 100.0)
    frame[5:] = 200.0
    frame[0, 0] = 60000.0
    for wished in ({"percentiles": (1.0, 98.0)}, {"window": (100.0, 200.0)}):
        prepared = prepare_frame(frame, preparation(size=(10, 10), **wished))
        assert prepared is not None
        assert set(np.unique(prepared.array)) == {0.0, 1.0}


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("shape", [(40, 20), (21, 33), (8, 8), (5, 3)])
def test_what_was_seen_comes_back_where_it_was(fit: str, shape: tuple[int, int]) -> None:
    """A gradient that goes to the network and back is still that gradient, and what was cut away is 0."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    frame = (1 + rows + 10 * columns).astype(np.float32)
    size = (24, 16)
    prepared = prepare_frame(frame, preparation(size=size, fit=fit, window=(0.0, 1000.0)))
    assert prepared is not None
    back = brought_back(prepared.array[0, 0], shape, prepared.placement, size, linear=True) * 1000
    seen = back > 0
    assert seen.all() or fit == "crop"
    assert seen.mean() > 0.3
    inner = seen & (rows > 1) & (rows < shape[0] - 2) & (columns > 1) & (columns < shape[1] - 2)
    np.testing.assert_allclose(back[inner], frame[inner], atol=13)


def a_disc(shape: tuple[int, int], pixel_aspect: float, radius: float) -> NDArray[np.bool_]:
    """Return what is round in the body, about the middle; `radius` in widths of a pixel."""
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in shape)
    return np.asarray(np.hypot(rows[:, np.newaxis] * pixel_aspect, columns) < radius)


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize("pixel_aspect", [0.25, 0.5, 0.8, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("shape", [(120, 90), (90, 120), (100, 100)])
def test_what_is_round_stays_round_and_comes_back(fit: str, pixel_aspect: float, shape: tuple[int, int]) -> None:
    """A network sees the body's shapes, whatever its pixels are; a mask of it lies where it was, to the pixel."""
    radius = 0.3 * min(shape[0] * pixel_aspect, shape[1])
    disc = a_disc(shape, pixel_aspect, radius)
    size = (256, 256)
    made = preparation(size=size, fit=fit, window=(0.0, 1.0))
    prepared = prepare_frame(disc.astype(np.float32), made, pixel_aspect=pixel_aspect)
    assert prepared is not None
    mask = prepared.array[0, 0] > 0.5
    high, wide = (np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (1, 0))
    # A pixel of the frame is several of the input, so that its edges are.
    assert high / wide == pytest.approx(1.0, abs=1.5 * max(pixel_aspect, 1) / radius)
    back = brought_back(mask.astype(np.float32), shape, prepared.placement, size, linear=True) > 0.5
    assert (back ^ disc).sum() <= 0.03 * disc.sum()


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize("pixel_aspect", [0.4, 1.0, 2.5])
def test_a_placement_is_exact(fit: str, pixel_aspect: float) -> None:
    """Its scale keeps the body's aspect but for the rounding to whole pixels, its middle is the frame's."""
    shape, size = (300, 200), (128, 96)
    frame = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    prepared = prepare_frame(frame, preparation(size=size, fit=fit), pixel_aspect=pixel_aspect)
    assert prepared is not None
    scale, start = prepared.placement.scale, prepared.placement.start
    assert scale[0] * pixel_aspect == pytest.approx(scale[1], rel=0.02)
    for axis in (0, 1):
        middle = start[axis] + scale[axis] * size[axis] / 2
        assert middle == pytest.approx(shape[axis] / 2, abs=0.51 * scale[axis])


def test_labels_come_back_as_labels() -> None:
    """Nearest neighbours: no number between two labels appears."""
    frame = np.zeros((30, 30), np.float32)
    frame[10:20, 5:15] = 7
    prepared = prepare_frame(frame, preparation(size=(60, 60), interpolation="nearest"))
    assert prepared is not None
    labels = (prepared.array[0, 0] > 0.5).astype(np.uint8) * 7
    back = brought_back(labels, (30, 30), prepared.placement, (60, 60), linear=False)
    np.testing.assert_array_equal(back, frame)


def test_an_image_without_contrast_is_left_out() -> None:
    """One value everywhere tells nothing."""
    assert prepare_frame(np.full((9, 9), 7, np.uint8), preparation()) is None


def test_an_image_without_contrast_in_the_window_is_left_out() -> None:
    """One value everywhere, all of it below the window, or all of it above."""
    gradient = np.linspace(0, 50, 81).reshape(9, 9)
    windowed = preparation(window=(100.0, 200.0))
    for blank in (np.zeros((9, 9), np.uint8), np.full((9, 9), 150, np.uint8), gradient, gradient + 300):
        assert prepare_frame(blank, windowed) is None
    assert prepare_frame(gradient + 80, windowed) is not None


@pytest.mark.parametrize("size", [224, 448])
def test_a_crop_ends_within_the_frame_whatever_its_sides(size: int) -> None:
    """Sides that do not divide by the size are rounded, and no part reaches a billionth of a pixel over the edge."""
    for side in (900, 1800, 2010, *range(448, 2048)):
        # Narrow, since one axis is like the other: a whole image of each size takes minutes.
        frame = np.arange(side * 10, dtype=np.float32).reshape(side, 10)
        prepared = prepare_frame(frame, preparation(size=(size, 1), fit="crop"))
        assert prepared is not None
        assert prepared.placement.start[0] == pytest.approx(0, abs=1e-9)
        assert prepared.placement.start[0] >= 0
        assert prepared.placement.scale[0] == pytest.approx(side / size)


@pytest.mark.parametrize("shape", [(2010, 2400), (1800, 1800), (900, 700), (3600, 3700)])
def test_a_crop_of_common_detectors_is_square(shape: tuple[int, int]) -> None:
    """Whole images of sides that once were refused."""
    frame = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    prepared = prepare_frame(frame, preparation(size=(224, 224), fit="crop"))
    assert prepared is not None
    assert prepared.array.shape == (1, 1, 224, 224)
    assert prepared.placement.scale == pytest.approx((min(shape) / 224,) * 2)


def test_values_that_are_none_are_refused() -> None:
    """A slope that is not finite makes no picture."""
    with pytest.raises(InputRefused, match="not finite"):
        prepare_frame(np.full((9, 9), np.nan), preparation())


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": (0, 8)},
        {"normalisation": "mean-std"},
        {"mean": (0.5,)},
        {"normalisation": "mean-std", "mean": (0.5,), "std": (0.0,)},
        {"channels": 3, "normalisation": "mean-std", "mean": (0.5, 0.5), "std": (1.0, 1.0)},
        {"window": (5.0, 5.0)},
        {"channels": 2},
    ],
)
def test_a_contradiction_is_refused(wrong: dict[str, Any]) -> None:
    """A card that cannot be meant is told so."""
    with pytest.raises(ValidationError):
        preparation(**wrong)
