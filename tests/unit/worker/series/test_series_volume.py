"""Files to volumes on small series that wetread writes itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian

from models.volume import Volume
from worker.errors import SeriesRefused, SeriesUnreadable
from worker.instances.series_repairs import UNSCALED
from worker.series.series_volume import load_series
from worker.testing import head_phantom, write_mr_series

ROOM = 10**8


def test_values_and_order_survive_any_file_order(tmp_path: Path) -> None:
    """Slice k of the volume is the image at the k-th position, whatever the files are called and come as."""
    values = head_phantom(6, 8, 7)
    files = write_mr_series(tmp_path, slices=6, rows=8, columns=7, oblique=True, array=values)
    files = files[3:] + files[:3]
    series = load_series(files, max_voxels=ROOM)
    assert isinstance(series.source, Volume)
    np.testing.assert_array_equal(series.source.array, values)
    for k, dataset in enumerate(series.datasets):
        np.testing.assert_allclose(
            (series.source.affine @ [k, 0, 0, 1])[:3], [float(v) for v in dataset.ImagePositionPatient], atol=1e-3
        )


def test_rescale_is_applied(tmp_path: Path) -> None:
    """Values are what the scanner measured, not what it stored."""
    files = write_mr_series(tmp_path, attributes={"RescaleSlope": 2, "RescaleIntercept": -100})
    plain = load_series(write_mr_series(tmp_path / "plain"), max_voxels=ROOM).source
    rescaled = load_series(files, max_voxels=ROOM).source
    assert isinstance(plain, Volume)
    assert isinstance(rescaled, Volume)
    np.testing.assert_array_equal(rescaled.array, plain.array.astype(np.float32) * 2 - 100)


@pytest.mark.parametrize(
    ("scale", "told"),
    [
        ({}, True),
        ({"RescaleSlope": "", "RealWorldValueMappingSequence": []}, True),
        ({"RescaleSlope": 1, "RescaleIntercept": -1024}, False),
        ({"RescaleIntercept": 0}, False),
    ],
)
def test_a_ct_without_a_scale_is_read_as_stored_and_told(tmp_path: Path, scale: dict[str, Any], *, told: bool) -> None:
    """Others' converters leave it out and mean Hounsfield units; a reader must know that nothing says so."""
    attributes = {"SOPClassUID": pydicom.uid.CTImageStorage, "Modality": "CT"} | scale
    series = load_series(write_mr_series(tmp_path, slices=3, attributes=attributes), max_voxels=ROOM)
    assert (UNSCALED in series.repairs) is told


def test_an_mr_needs_no_scale(tmp_path: Path) -> None:
    """Its values have no unit."""
    assert load_series(write_mr_series(tmp_path, slices=3), max_voxels=ROOM).repairs == ()


@pytest.mark.parametrize(("slope", "intercept"), [("0", "-100"), ("0.0", "0"), ("inf", "0"), ("1", "nan")])
def test_a_scale_that_means_nothing_is_refused(tmp_path: Path, slope: str, intercept: str) -> None:
    """Rescale Slope 0 is 1 to some readers, and one value everywhere to others: nothing is guessed."""
    files = write_mr_series(tmp_path, attributes={"RescaleSlope": 1, "RescaleIntercept": 0})
    damaged = pydicom.dcmread(files[5])
    with pydicom.config.disable_value_validation():
        damaged.RescaleSlope, damaged.RescaleIntercept = slope, intercept
        damaged.save_as(files[5])
    with pytest.raises(SeriesRefused, match="no scale: "):
        load_series(files, max_voxels=ROOM)


@pytest.mark.parametrize("intercept", ["0", "-1024"])
def test_values_in_the_other_order_of_bytes_are_the_same(tmp_path: Path, intercept: str) -> None:
    """Explicit VR Big Endian is taken like every other; a network gets values in this machine's order."""
    files = write_mr_series(tmp_path, slices=3)
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.RescaleSlope, dataset.RescaleIntercept = "1", intercept
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.save_as(file)
    wanted = load_series(files, max_voxels=ROOM).source.array
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=False)
    found = load_series(files, max_voxels=ROOM).source.array
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype.isnative


def test_an_empty_scale_is_none(tmp_path: Path) -> None:
    """Rescale Slope and Intercept without a value are as if they were not there."""
    plain = load_series(write_mr_series(tmp_path / "plain"), max_voxels=ROOM).source
    files = write_mr_series(tmp_path / "empty", attributes={"RescaleSlope": "", "RescaleIntercept": ""})
    read = load_series(files, max_voxels=ROOM).source
    assert isinstance(read, Volume)
    assert isinstance(plain, Volume)
    np.testing.assert_array_equal(read.array, plain.array)


def test_the_digest_is_of_what_was_read(tmp_path: Path) -> None:
    """The same files give the same digest in any order, and one changed byte another one."""
    files = write_mr_series(tmp_path)
    before = load_series(files, max_voxels=ROOM).inputs_digest
    assert load_series(files[::-1], max_voxels=ROOM).inputs_digest == before
    data = bytearray(files[3].read_bytes())
    data[-1] ^= 1
    files[3].write_bytes(data)
    assert load_series(files, max_voxels=ROOM).inputs_digest != before


def test_a_size_beyond_the_limit_is_refused_before_decoding(tmp_path: Path) -> None:
    """What a header announces is believed only so far: a bomb is not unpacked."""
    files = write_mr_series(tmp_path)
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.Rows = dataset.Columns = 65000
        dataset.save_as(file)
    with pytest.raises(SeriesRefused, match="too large"):
        load_series(files, max_voxels=ROOM)


def test_copies_whose_values_differ_are_refused(tmp_path: Path) -> None:
    """The same stored pixels under another slope are other values; other pixels that mean the same are a copy."""
    files = write_mr_series(tmp_path)
    copy = pydicom.dcmread(files[2])
    copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = f"{copy.SOPInstanceUID}.9"
    copy.RescaleSlope, copy.RescaleIntercept = 2, 0
    file = tmp_path / "copy.dcm"
    copy.save_as(file)
    with pytest.raises(SeriesRefused, match="duplicate slices"):
        load_series([*files, file], max_voxels=ROOM)
    even = copy.pixel_array // 2 * 2
    copy.PixelData = (even // 2).tobytes()
    copy.save_as(file)
    other = pydicom.dcmread(files[2])
    other.PixelData = even.tobytes()
    other.save_as(files[2])
    assert load_series([*files, file], max_voxels=ROOM).repairs


def test_copies_are_left_out_and_said(tmp_path: Path) -> None:
    """An image that came twice under two UIDs is read once, and the results say so."""
    files = write_mr_series(tmp_path)
    dataset = pydicom.dcmread(files[2])
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.save_as(tmp_path / "copy.dcm")
    series = load_series([*files, tmp_path / "copy.dcm"], max_voxels=ROOM)
    assert len(series.datasets) == len(files)
    assert series.repairs == ("1 duplicate slices with equal pixels were left out.",)


def test_two_images_at_one_position_are_refused(tmp_path: Path) -> None:
    """Which of two different images is right is not for us to guess."""
    files = write_mr_series(tmp_path)
    dataset = pydicom.dcmread(files[2])
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(tmp_path / "other.dcm")
    with pytest.raises(SeriesRefused, match="duplicate slices"):
        load_series([*files, tmp_path / "other.dcm"], max_voxels=ROOM)


@pytest.mark.parametrize(
    ("attributes", "without", "name"),
    [
        ({}, ("ImagePositionPatient",), "no geometry"),
        ({}, ("PixelSpacing",), "no geometry"),
        ({"SamplesPerPixel": 3}, (), "colour"),
        ({}, ("Rows",), "no images"),
    ],
)
def test_what_says_too_little_is_refused_by_name(
    tmp_path: Path, attributes: dict[str, int], without: tuple[str, ...], name: str
) -> None:
    """A volume is never guessed."""
    with pytest.raises(SeriesRefused, match=name):
        load_series(write_mr_series(tmp_path, attributes=attributes, without=without), max_voxels=ROOM)


@pytest.mark.parametrize(
    ("keyword", "value", "name"),
    [
        ("StudyInstanceUID", "1.2.3", "two studies"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2", "two kinds of object"),
        ("FrameOfReferenceUID", "1.2.3", "two frames of reference"),
        ("SeriesInstanceUID", "1.2.3", "two series"),
        ("SamplesPerPixel", 3, "colour images"),
        ("NumberOfFrames", 2, "multi-frame without functional groups"),
        ("ModalityLUTSequence", [pydicom.Dataset()], "lookup table"),
    ],
)
def test_one_file_that_is_unlike_the_others_is_refused(tmp_path: Path, keyword: str, value: object, name: str) -> None:
    """What must be the same in a whole series is looked at in every file, not only in the first."""
    files = write_mr_series(tmp_path, slices=3)
    dataset = pydicom.dcmread(files[2])
    setattr(dataset, keyword, value)
    dataset.save_as(files[2])
    with pytest.raises(SeriesRefused, match=f"^{name}"):
        load_series(files, max_voxels=ROOM)


def test_a_mosaic_is_refused(tmp_path: Path) -> None:
    """The tiles of Siemens' functional and diffusion images are slices of one place each, and no one large slice."""
    files = write_mr_series(tmp_path, slices=2, attributes={"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]})
    for several in (files, files[:1]):
        with pytest.raises(SeriesRefused, match=r"^mosaic: "):
            load_series(several, max_voxels=ROOM)


def test_images_without_pixels_are_told_as_such(tmp_path: Path) -> None:
    """Headers alone, as some archives send of what they no longer have, are no images that cannot be decoded."""
    files = write_mr_series(tmp_path, slices=3)
    dataset = pydicom.dcmread(files[1])
    del dataset.PixelData
    dataset.save_as(files[1])
    with pytest.raises(SeriesRefused, match=r"^no images: .* no Pixel Data"):
        load_series(files, max_voxels=ROOM)


def test_two_acquisitions_in_one_series_are_refused(tmp_path: Path) -> None:
    """Two echoes of one place are two volumes; the refusal says what tells them apart."""
    first = write_mr_series(tmp_path / "a", slices=3, attributes={"EchoTime": "10"})
    second = write_mr_series(tmp_path / "b", slices=3, attributes={"EchoTime": "90"})
    with pytest.raises(SeriesRefused, match=r"several acquisitions: .*EchoTime"):
        load_series([*first, *second], max_voxels=ROOM)


@pytest.mark.parametrize(("keyword", "one", "other"), [("EchoTime", "20", "80"), ("DiffusionBValue", 0.0, 1000.0)])
@pytest.mark.parametrize("every", [1, 2])
def test_parts_of_two_acquisitions_are_no_volume(
    tmp_path: Path, keyword: str, one: object, other: object, every: int
) -> None:
    """Where each has the slices that the other lacks, in turn or half and half, nothing but their headers tells."""
    files = write_mr_series(tmp_path, slices=6)
    for number, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        setattr(dataset, keyword, one if (number % 2 if every == 1 else number < 3) else other)
        dataset.save_as(file)
    with pytest.raises(SeriesRefused, match=f"^several acquisitions: .*{keyword}"):
        load_series(files, max_voxels=ROOM)


def test_one_acquisition_may_be_interleaved_and_round_its_figures(tmp_path: Path) -> None:
    """Slices have a number of acquisition and a time of their own, and echo times differ in their last digits."""
    files = write_mr_series(tmp_path, slices=6)
    for number, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        dataset.EchoTime = "2.98" if number % 2 else "2.9800"
        dataset.EchoTime = "2.99" if number == 5 else dataset.EchoTime
        dataset.AcquisitionNumber, dataset.TriggerTime = number % 2, number * 10
        dataset.save_as(file)
    assert load_series(files, max_voxels=ROOM).source.array.shape[0] == 6


def test_indices_into_a_palette_are_no_grey_values(tmp_path: Path) -> None:
    """One sample a pixel, and yet colour: as in maps of perfusion."""
    files = write_mr_series(tmp_path, slices=3)
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.PhotometricInterpretation = "PALETTE COLOR"
        dataset.save_as(file)
    with pytest.raises(SeriesRefused, match=r"^colour images: "):
        load_series(files, max_voxels=ROOM)


def test_values_in_the_upper_bits_are_refused(tmp_path: Path) -> None:
    """As old devices wrote them; the lower bits alone would be noise."""
    files = write_mr_series(tmp_path, slices=3)
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.PixelData = (dataset.pixel_array << 4).tobytes()
        dataset.BitsStored, dataset.HighBit = 12, 15
        dataset.save_as(file)
    with pytest.raises(SeriesRefused, match=r"^odd bits: "):
        load_series(files, max_voxels=ROOM)


def test_no_patient_data_in_a_refusal(tmp_path: Path) -> None:
    """Two patients in one series are refused without naming either."""
    files = write_mr_series(tmp_path)
    dataset = pydicom.dcmread(files[0])
    dataset.PatientID = "CANARY-77"
    dataset.save_as(files[0])
    with pytest.raises(SeriesRefused, match="two patient ids") as refusal:
        load_series(files, max_voxels=ROOM)
    assert "CANARY" not in str(refusal.value)


def test_truncated_and_foreign_files_are_named(tmp_path: Path) -> None:
    """A file that cannot be parsed or decoded is an error that names the file."""
    files = write_mr_series(tmp_path)
    whole = files[4].read_bytes()
    files[4].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SeriesUnreadable, match=r"0004\.dcm"):
        load_series(files, max_voxels=ROOM)
    files[4].write_bytes(b"not DICOM")
    with pytest.raises(SeriesUnreadable, match=r"0004\.dcm"):
        load_series(files, max_voxels=ROOM)
