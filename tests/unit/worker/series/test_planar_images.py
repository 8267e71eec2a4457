"""Series of images without a place in space, from files that wetread writes itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from models.volume import Image, Volume
from worker.errors import SeriesRefused, SeriesUnreadable
from worker.instances.series_repairs import AT_DETECTOR
from worker.planar_testing import CLASSES, a_chest, groups_at, write_planar_image
from worker.selecting.tag_rules import TagRule
from worker.series.series_volume import LoadedSeries, load_series

ROOM = 10**7


def loaded(*files: Path) -> tuple[Image, LoadedSeries]:
    """Read files as one series of images."""
    series = load_series(files, max_voxels=ROOM)
    assert isinstance(series.source, Image)
    return series.source, series


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind not in ("US multi-frame", "XA")])
def test_one_image(tmp_path: Path, kind: str) -> None:
    """X-ray, mammography, ultrasound and captures are read as they are, with their spacing."""
    image, series = loaded(write_planar_image(tmp_path / "a.dcm", a_chest(), kind=kind))
    np.testing.assert_array_equal(image.array, a_chest()[np.newaxis])
    assert image.array.dtype == np.uint16
    assert image.spacing_mm == (0.2, 0.25)
    assert (len(series.datasets), series.frame_numbers, series.repairs) == (1, (), _repairs(kind))
    assert "PixelData" not in series.datasets[0]


def _repairs(kind: str) -> tuple[str, ...]:
    """Return what is said of a kind's sizes: a radiograph's spacing is that of its detector."""
    return (AT_DETECTOR,) if kind in ("DX", "DX for processing", "MG") else ()


@pytest.mark.parametrize("kind", ["US multi-frame", "XA"])
def test_a_clip(tmp_path: Path, kind: str) -> None:
    """Frames of a multi-frame image keep their numbers."""
    clip = np.random.default_rng(1).integers(0, 255, (5, 12, 10)).astype(np.uint8)
    image, series = loaded(write_planar_image(tmp_path / "a.dcm", clip, kind=kind))
    np.testing.assert_array_equal(image.array, clip)
    assert (len(series.datasets), series.frame_numbers) == (1, (1, 2, 3, 4, 5))


def test_high_values_are_bright(tmp_path: Path) -> None:
    """MONOCHROME1 is turned round within its 12 bits, and said."""
    inverted = np.asarray(4095 - a_chest(), np.uint16)
    image, series = loaded(write_planar_image(tmp_path / "a.dcm", inverted, photometric="MONOCHROME1"))
    np.testing.assert_array_equal(image.array[0], a_chest())
    assert series.repairs == ("MONOCHROME1: values were inverted, high values are bright.", AT_DETECTOR)


def test_values_beyond_the_announced_bits_do_not_wrap(tmp_path: Path) -> None:
    """A value that its header has no bits for is as dark as can be, and never turns bright."""
    stored = np.full((4, 4), 5000, np.uint16)
    stored[0] = 0
    image, _ = loaded(write_planar_image(tmp_path / "a.dcm", stored, photometric="MONOCHROME1", bits=12))
    assert set(np.unique(image.array[0, 1:])) <= {0, 4095 - 5000 % 4096}
    assert (image.array[0, 0] == 4095).all()


def test_rescale_comes_before_the_inversion(tmp_path: Path) -> None:
    """The range that is turned round is the rescaled one."""
    attributes = {"RescaleSlope": 2, "RescaleIntercept": -100, "RescaleType": "US"}
    file = write_planar_image(
        tmp_path / "a.dcm", a_chest(), kind="CR", photometric="MONOCHROME1", attributes=attributes
    )
    image, _ = loaded(file)
    np.testing.assert_array_equal(image.array[0], 2.0 * 4095 - 200 - (2.0 * a_chest() - 100))


def test_a_scale_of_0_is_refused(tmp_path: Path) -> None:
    """It would make every image black, and read as 1 it would be a guess."""
    attributes = {"RescaleSlope": 0, "RescaleIntercept": 0, "RescaleType": "US"}
    file = write_planar_image(tmp_path / "0.dcm", np.arange(12, dtype=np.uint16).reshape(3, 4), attributes=attributes)
    with pytest.raises(SeriesRefused, match="no scale: "):
        load_series([file], max_voxels=ROOM)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_a_modality_lookup_table_is_applied(tmp_path: Path, photometric: str) -> None:
    """Stored values are replaced by the table's, and its range is the one that is turned round."""
    table = np.arange(16, dtype=np.uint16)[::-1] * 10
    item = Dataset()
    item.LUTDescriptor = [16, 0, 8]
    item.LUTData = table.tobytes()
    item.ModalityLUTType = "US"
    stored = np.arange(16, dtype=np.uint16).reshape(4, 4)
    file = write_planar_image(
        tmp_path / "a.dcm", stored, kind="CR", photometric=photometric, attributes={"ModalityLUTSequence": [item]}
    )
    image, _ = loaded(file)
    expected = table.reshape(4, 4)
    np.testing.assert_array_equal(image.array[0], 255 - expected if photometric == "MONOCHROME1" else expected)


def test_colour_becomes_brightness(tmp_path: Path) -> None:
    """Red, green and blue weigh as they look, and it is said."""
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    image, series = loaded(write_planar_image(tmp_path / "a.dcm", colours, kind="US", photometric="RGB"))
    np.testing.assert_array_equal(image.array[0], [[76, 150], [29, 255]])
    assert image.array.dtype == np.uint8
    assert series.repairs == ("Colour images: their brightness was read.",)


def test_white_of_32_bits_is_not_black(tmp_path: Path) -> None:
    """The brightness of the brightest is the highest number, and not one more."""
    white = np.array([[[2**32 - 1] * 3, [0, 0, 0]]], np.uint32)
    bits = {"BitsStored": 32, "HighBit": 31}
    image, _ = loaded(write_planar_image(tmp_path / "a.dcm", white, kind="US", photometric="RGB", attributes=bits))
    np.testing.assert_array_equal(image.array[0], [[2**32 - 1, 0]])


def test_several_images_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Whatever the files are called: two views of a chest are frame 1 and 2, the unnumbered one comes last."""
    files = [
        write_planar_image(tmp_path / f"{10 - number}.dcm", a_chest() + np.uint16(number), number=number)
        for number in (1, 2, 10)
    ]
    files.append(
        write_planar_image(tmp_path / "00.dcm", a_chest() + np.uint16(11), number=11, without=("InstanceNumber",))
    )
    image, series = loaded(*files)
    assert [int(frame[0, 0] - a_chest()[0, 0]) for frame in image.array] == [1, 2, 10, 11]
    assert [str(one.get("InstanceNumber", "")) for one in series.datasets] == ["1", "2", "10", ""]


def test_spacings_that_differ_are_none(tmp_path: Path) -> None:
    """Nobody can say how large a pixel of the series is."""
    first = write_planar_image(tmp_path / "a.dcm", a_chest())
    second = write_planar_image(tmp_path / "b.dcm", a_chest(), number=2, attributes={"PixelSpacing": ["0.1", "0.1"]})
    assert loaded(first, second)[0].spacing_mm is None


def test_each_image_has_its_own_aspect(tmp_path: Path) -> None:
    """Also where spacings differ, so that there is no common one; a ratio alone counts too."""
    spaced = {"PixelSpacing": ["0.4", "0.2"]}
    one = write_planar_image(tmp_path / "1.dcm", a_chest(), kind="CR", number=1, attributes=spaced)
    ratio = {"PixelAspectRatio": [3, 4]}
    two = write_planar_image(
        tmp_path / "2.dcm", a_chest(), kind="CR", number=2, attributes=ratio, without=("PixelSpacing",)
    )
    image, _ = loaded(one, two)
    assert image.spacing_mm is None
    assert [image.pixel_aspect(index) for index in (0, 1)] == [pytest.approx(2.0), 0.75]


def test_what_says_where_it_lies_stays_a_volume(tmp_path: Path) -> None:
    """A secondary capture of an axial slice has its place, and is not taken for a flat picture."""
    attributes = {
        "ImagePositionPatient": [0, 0, 5],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "SliceThickness": 3,
    }
    series = load_series(
        [write_planar_image(tmp_path / "a.dcm", a_chest(), kind="SC", attributes=attributes)], max_voxels=ROOM
    )
    assert isinstance(series.source, Volume)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"attributes": {"Rows": 30}}, "mixed sizes"),
        ({"kind": "US multi-frame", "array": np.zeros((2, 60, 48), np.uint8)}, "several multi-frame images"),
        ({"attributes": {"SeriesInstanceUID": "1.2.3"}}, "two series"),
        ({"attributes": {"PatientID": "CANARY"}}, "two patient ids"),
        ({"attributes": {"NumberOfFrames": 10**6}}, "too large"),
    ],
)
def test_what_does_not_belong_together_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], refusal: str
) -> None:
    """A second image that is unlike the first."""
    changes = {"array": a_chest(), "number": 2, "kind": "US", **changes}
    first = np.zeros((2, 60, 48), np.uint8) if changes["kind"] == "US multi-frame" else a_chest()
    files = [
        write_planar_image(tmp_path / "a.dcm", first, kind=changes["kind"]),
        write_planar_image(tmp_path / "b.dcm", **changes),
    ]
    with pytest.raises(SeriesRefused, match=f"^{refusal}") as told:
        load_series(files, max_voxels=ROOM)
    assert "CANARY" not in str(told.value)


@pytest.mark.parametrize(
    "attributes",
    [
        {"NumberOfFrames": 4},
        {"PixelData": b"\x00" * 10},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"BitsStored": 99},
    ],
)
def test_a_header_that_lies_is_unreadable(tmp_path: Path, attributes: dict[str, Any]) -> None:
    """Pixels that are not there are told with the file's name, never guessed."""
    file = write_planar_image(tmp_path / "a.dcm", a_chest(), kind="US", attributes=attributes)
    with pytest.raises(SeriesUnreadable, match=r"a\.dcm"):
        load_series([file], max_voxels=ROOM)


def test_an_image_of_nothing_is_refused(tmp_path: Path) -> None:
    """No rows, no picture."""
    file = write_planar_image(tmp_path / "a.dcm", a_chest(), attributes={"Rows": 0})
    with pytest.raises(SeriesRefused, match="no images"):
        load_series([file], max_voxels=ROOM)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_padding_is_as_dark_as_the_darkest(tmp_path: Path, photometric: str) -> None:
    """A shutter that is stored as 65535 does not make everything else black, inverted or not, rescaled or not."""
    stored = np.arange(100, 4100, 4, dtype=np.uint16).reshape(40, 25)
    shutter = np.zeros(stored.shape, np.bool_)
    shutter[:, :5] = True
    stored[shutter] = 65535 if photometric == "MONOCHROME2" else 0
    attributes = {"PixelPaddingValue": int(stored[0, 0]), "RescaleSlope": 2, "RescaleIntercept": -50}
    file = write_planar_image(
        tmp_path / "a.dcm", stored, kind="CR", bits=16, photometric=photometric, attributes=attributes
    )
    (values,) = loaded(file)[0].array
    real = 2.0 * stored - 50 if photometric == "MONOCHROME2" else 2.0 * (65535 - stored.astype(np.float64)) - 50
    np.testing.assert_allclose(values[~shutter], real[~shutter])
    assert set(values[shutter]) == {values[~shutter].min()}


@pytest.mark.parametrize("ends", [(4000, 4095), (4095, 4000), (4000, 65535)])
def test_padding_may_be_a_range(tmp_path: Path, ends: tuple[int, int]) -> None:
    """From either end, and with bits that are not stored; a range that holds the whole image is none."""
    stored = np.arange(3500, 4100, 6, dtype=np.uint16).reshape(10, 10)
    attributes = {"PixelPaddingValue": ends[0], "PixelPaddingRangeLimit": ends[1]}
    file = write_planar_image(tmp_path / "a.dcm", stored, attributes=attributes)
    np.testing.assert_array_equal(loaded(file)[0].array[0], np.where(stored < 4000, stored, 3500))
    everything = {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 4095}
    file = write_planar_image(tmp_path / "b.dcm", stored, attributes=everything)
    np.testing.assert_array_equal(loaded(file)[0].array[0], stored)


def test_padding_of_signed_values_is_found(tmp_path: Path) -> None:
    """-2000 is written in 16 bits where the values have 12, and so is what a decoder makes of it."""
    stored = np.arange(-500, 500, 10, dtype=np.int16).reshape(10, 10)
    stored[0] = 2000
    for value in (2000, -2096):
        attributes = {"PixelRepresentation": 1, "PixelPaddingValue": value}
        file = write_planar_image(tmp_path / "a.dcm", stored, kind="CR", attributes=attributes)
        np.testing.assert_array_equal(loaded(file)[0].array[0], np.where(stored == 2000, -400, stored))


def test_padding_of_colour_is_left_as_it_is(tmp_path: Path) -> None:
    """Its brightness is no stored value; nor is a padding that is no number."""
    colours = np.array([[[255, 255, 255], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    attributes = {"PixelPaddingValue": 255}
    file = write_planar_image(tmp_path / "a.dcm", colours, kind="US", photometric="RGB", attributes=attributes)
    np.testing.assert_array_equal(loaded(file)[0].array[0], [[255, 150], [29, 255]])
    file = write_planar_image(tmp_path / "b.dcm", a_chest(), attributes={"PixelPaddingValue": None})
    np.testing.assert_array_equal(loaded(file)[0].array[0], a_chest())


@pytest.mark.parametrize("second", [{"FrameOfReferenceUID": "1.2.4"}, {}])
def test_images_without_a_place_may_have_any_frame_of_reference(tmp_path: Path, second: dict[str, Any]) -> None:
    """Two views of a chest share no space, and some write its UID into one of them only."""
    files = [
        write_planar_image(tmp_path / "a.dcm", a_chest(), attributes={"FrameOfReferenceUID": "1.2.3"}),
        write_planar_image(tmp_path / "b.dcm", a_chest(), number=2, attributes=second),
    ]
    assert loaded(*files)[0].array.shape == (2, 60, 48)


@pytest.mark.parametrize(
    ("orientation", "mirrored"),
    [
        (["L", "F"], False),
        (["R", "F"], True),
        (["RA", "H"], True),
        (["A", "F"], False),
        (["P", "R"], False),
        ("", False),
    ],
)
def test_a_header_says_whether_an_image_is_mirrored(tmp_path: Path, orientation: Any, *, mirrored: bool) -> None:
    """Rows of what people look at run to the patient's left; of a lateral view or a mammogram they run elsewhere."""
    file = write_planar_image(tmp_path / "a.dcm", a_chest(), attributes={"PatientOrientation": orientation})
    assert loaded(file)[0].mirrored is mirrored
    as_usual = write_planar_image(tmp_path / "b.dcm", a_chest(), number=2)
    assert loaded(as_usual, file)[0].mirrored is mirrored


def test_of_a_clip_the_frames_that_a_card_asks_for_are_read(tmp_path: Path) -> None:
    """By their functional groups; a clip without them is read whole, and one without such a frame is refused."""
    clip = np.stack([a_chest() + place for place in range(3)])
    described = write_planar_image(
        tmp_path / "a.dcm", clip, kind="XA", attributes={"PerFrameFunctionalGroupsSequence": groups_at(1, 2, 2)}
    )
    rule = TagRule.model_validate({"tag": "TemporalPositionIndex", "equals": "2"})
    series = load_series([described], max_voxels=ROOM, images=rule)
    assert isinstance(series.source, Image)
    np.testing.assert_array_equal(series.source.array, clip[1:])
    assert series.frame_numbers == (2, 3)
    plain = write_planar_image(tmp_path / "b.dcm", clip, kind="XA", number=2)
    assert load_series([plain], max_voxels=ROOM, images=rule).frame_numbers == (1, 2, 3)
    never = TagRule.model_validate({"tag": "TemporalPositionIndex", "equals": "3"})
    with pytest.raises(SeriesRefused, match=r"no images: a[.]dcm has no frame with TemporalPositionIndex one of 3"):
        load_series([described], max_voxels=ROOM, images=never)
