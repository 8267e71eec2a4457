"""Pixel Padding Value (PS3.3 C.7.5.1.1.2) of volumes: no image, so no network and no mean takes it for one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from models.card.card_parts import Concept, Label
from models.interpreting.measuring import measure
from models.volume import Volume
from worker.errors import SeriesUnreadable
from worker.series.series_volume import load_series
from worker.testing import write_mr_series

ROOM = 10**6
HU = Concept(value="[hnsf'U]", scheme="UCUM", meaning="Hounsfield unit")
#: Of scanners that write what lies beyond their circle as -2000.
CT = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "RescaleType": "HU"}
SIGNED = {**CT, "PixelRepresentation": 1, "PixelPaddingValue": -2000}


def stored(padding: int, *, lowest: int = 24) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return values of a CT, 24 to 4 000, and where beyond the circle they are this."""
    values = np.random.default_rng(1).integers(lowest, 4000, (6, 20, 21)).astype(np.int32)
    values[3, 10, 10] = lowest
    rows, columns = np.ogrid[:20, :21]
    beyond = np.broadcast_to((rows - 10) ** 2 + (columns - 10) ** 2 > 81, values.shape)
    return np.where(beyond, padding, values).astype(np.int32), beyond


def read(folder: Path, values: NDArray[np.int32], **attributes: Any) -> Volume:
    """Write these values as 16 bits and read them back."""
    files = write_mr_series(folder, array=values.astype(np.uint16), attributes=attributes)
    source = load_series(files, max_voxels=ROOM).source
    assert isinstance(source, Volume)
    return source


@pytest.mark.parametrize(
    ("padding", "attributes"),
    [
        (-2000, SIGNED),
        (63536, {**CT, "PixelPaddingValue": 63536}),
        (-2000, {**SIGNED, "PixelPaddingValue": -2100, "PixelPaddingRangeLimit": -1900}),
        (-2000, {**SIGNED, "RescaleSlope": "0.5"}),
        (-2000, {**SIGNED, "RescaleIntercept": "-1024.5"}),
    ],
)
def test_what_lies_beyond_the_circle_is_as_dark_as_the_darkest(
    tmp_path: Path, padding: int, attributes: dict[str, Any]
) -> None:
    """Not -3024 HU, nor 62 512, and what is image is what it was."""
    values, beyond = stored(padding)
    source = read(tmp_path, values, **attributes)
    slope, intercept = float(attributes["RescaleSlope"]), float(attributes["RescaleIntercept"])
    real = values * slope + intercept
    np.testing.assert_allclose(np.asarray(source.array)[~beyond], real[~beyond])
    assert set(np.asarray(source.array)[beyond]) == {real[~beyond].min()}
    np.testing.assert_array_equal(source.imaged((slice(0, 6), slice(0, 20), slice(0, 21))), ~beyond)
    np.testing.assert_array_equal(source.imaged((slice(2, 4), slice(1, 9), slice(3, 20))), ~beyond[2:4, 1:9, 3:20])


def test_implicit_vr_says_it_too(tmp_path: Path) -> None:
    """There its VR (US or SS) follows from Pixel Representation."""
    values, beyond = stored(-2000)
    files = write_mr_series(tmp_path, array=values.astype(np.uint16), attributes=SIGNED)
    for file in files:
        dataset = dcmread(file)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
        dataset.save_as(file, implicit_vr=True, little_endian=True)
    source = load_series(files, max_voxels=ROOM).source
    assert np.asarray(source.array)[beyond].max() == -1000


def test_twelve_bits_need_no_more_for_it(tmp_path: Path) -> None:
    """-2000 is written in 16 bits where the values have 12, and so is what a decoder makes of it."""
    values, beyond = stored(-2000, lowest=-1000)
    values = np.where(beyond, -2000, np.minimum(values, 2000)).astype(np.int32)
    source = read(tmp_path, values, **{**SIGNED, "BitsStored": 12, "HighBit": 11, "RescaleIntercept": "0"})
    assert source.array.dtype == np.int16
    assert set(np.asarray(source.array)[beyond]) == {-1000}


def test_a_mean_does_not_count_it(tmp_path: Path) -> None:
    """Nor a deviation; of what is padding alone there is none."""
    values, beyond = stored(-2000)
    source = read(tmp_path, values, **SIGNED)
    label = Label(
        number=1,
        name="Thing",
        concept=Concept(value="1", scheme="99TEST", meaning="Thing"),
        category=Concept(value="2", scheme="99TEST", meaning="Thing"),
        colour_rgb=(255, 0, 0),
        measurements=("mean", "deviation"),
    )
    box = (slice(0, 6), slice(0, 20), slice(0, 21))
    mean, deviation = measure(label, np.ones(values.shape, np.bool_), box, source, HU).numbers
    inside = (values - 1024.0)[~beyond]
    assert (mean.value, deviation.value) == pytest.approx((inside.mean(), inside.std()))
    assert measure(label, np.asarray(beyond), box, source, HU).numbers == ()


def test_a_slice_of_nothing_else_is_dark_as_well(tmp_path: Path) -> None:
    """As scanners add them at the ends; where all slices are, nothing is changed."""
    values, _ = stored(-2000)
    values[5] = -2000
    source = read(tmp_path / "one", values, **SIGNED)
    assert set(np.asarray(source.array)[5].ravel()) == {-1000}
    values[:] = -2000
    assert read(tmp_path / "all", values, **SIGNED).padding is None


def test_zero_around_a_body_stays_zero(tmp_path: Path) -> None:
    """Some networks have learnt to leave it out (`crop_non_zero`, z-scores of what is not 0)."""
    values, beyond = stored(0)
    source = read(tmp_path, values, PixelPaddingValue=0)
    np.testing.assert_array_equal(source.array, values)
    np.testing.assert_array_equal(source.imaged((slice(0, 6), slice(0, 20), slice(0, 21))), ~beyond)


@pytest.mark.parametrize("attributes", [{}, {"RescaleSlope": "0.5", "RescaleIntercept": "-7"}])
def test_a_value_amid_all_others_is_one_of_the_image(tmp_path: Path, attributes: dict[str, str]) -> None:
    """Such as 0 of phase images and subtractions, which some devices call padding: holes would be made in a body."""
    values = np.random.default_rng(2).integers(-40, 40, (6, 20, 21)).astype(np.int32)
    values[2] = 0
    source = read(tmp_path, values, **{"PixelRepresentation": 1, "PixelPaddingValue": 0, **attributes})
    slope, intercept = (
        float(attributes.get(f"Rescale{name}", usual)) for name, usual in (("Slope", 1), ("Intercept", 0))
    )
    np.testing.assert_allclose(source.array, values * slope + intercept)
    assert (source.padding, source.ends_at_padding) == (None, False)


def test_a_few_values_beyond_padding_do_not_make_it_one_of_the_image(tmp_path: Path) -> None:
    """As metal leaves them: padding beside the circle is no image all the same."""
    values, beyond = stored(-2000)
    values[2, 10, 10] = -2500
    source = read(tmp_path, values, **SIGNED)
    assert source.padding is not None
    assert set(np.asarray(source.array)[beyond]) == {-2500 - 1024}


def test_a_volume_without_padding_is_as_it_was(tmp_path: Path) -> None:
    """Also where the header names a value that no pixel has."""
    values, _ = stored(50)
    for place, attributes in enumerate((CT, SIGNED)):
        source = read(tmp_path / str(place), values, **attributes)
        np.testing.assert_array_equal(source.array, values - 1024)
        assert source.padding is None
        assert source.imaged((slice(0, 2), slice(0, 3), slice(0, 4))).all()


def test_a_header_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """By the name of its file."""
    files = write_mr_series(tmp_path, slices=3, attributes={"PixelPaddingValue": 5})
    dataset = dcmread(files[1])
    del dataset.BitsStored
    dataset.save_as(files[1])
    with pytest.raises(SeriesUnreadable, match=r"0001\.dcm"):
        load_series(files, max_voxels=ROOM)


@pytest.mark.parametrize(
    ("padding", "attributes", "ends"),
    [
        (-2000, SIGNED, True),
        (63536, {**CT, "PixelPaddingValue": 63536}, True),
        (0, {**CT, "PixelPaddingValue": 0}, False),
        (0, {"PixelPaddingValue": 0}, False),
        (50, {**CT, "PixelPaddingValue": 40}, False),
    ],
)
def test_what_is_shown_ends_where_padding_is_like_nothing_else(
    tmp_path: Path, padding: int, attributes: dict[str, Any], *, ends: bool
) -> None:
    """What is stored about as air, or as 0 around a head, may be just that."""
    assert read(tmp_path, stored(padding)[0], **attributes).ends_at_padding is ends
