"""Real series that are odd: each is read right, or refused by name, and checked against highdicom's reader."""

from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from models.volume import Volume
from worker.errors import SeriesRefused
from worker.selecting.tag_rules import TagRule
from worker.series.series_volume import load_series

READ = {
    "failing/slicecount/001": (2, 256, 256),
    "ge/anatomical/001": (4, 256, 256),
    "ge/anatomical/001_implicit": (4, 256, 256),
    "generic/anatomical/001": (4, 256, 256),
    "generic/anatomical/001_implicit": (4, 256, 256),
    "generic/anatomical/002_non_isotropic": (4, 28, 64),
    "generic/compressed/001": (4, 256, 256),
    "generic/compressed_j2k/001": (4, 256, 256),
    "generic/compressed_jpeg/001": (4, 256, 256),
    "generic/compressed_jpegls/001": (4, 256, 256),
    "generic/compressed_rle/001": (4, 256, 256),
    "hitachi/anatomical/001": (4, 64, 64),
    "hitachi/anatomical/001_implicit": (4, 64, 64),
    "hyperfine/anatomical/001": (8, 138, 112),
    "philips_enhanced/anatomical/001": (8, 256, 256),
    "philips_enhanced/anatomical/001_implicit": (8, 256, 256),
    "siemens_multiframe/anatomical/001": (8, 256, 256),
}
REFUSED = {
    "failing/gantrytilting/001": "gantry tilt",
    "failing/notavolume/001": "not a volume",
    "failing/sliceincrement/001": "missing slices",
    "failing/sliceincrement/002": "missing slices",
    "failing/sliceorientation/001": "mixed orientation",
    "ge/anatomical/001_single_slice": "not a volume",
    "ge/dti/001": "duplicate slices",
    "ge/dti/001_implicit": "duplicate slices",
    "ge/dti/002": "duplicate slices",
    "ge/fmri/001": "duplicate slices",
    "ge/fmri/001_implicit": "duplicate slices",
    "generic/rgb/001": "colour images",
    "philips_enhanced/dti/001": "several acquisitions",
    "philips_enhanced/dti/001_implicit": "several acquisitions",
    "philips_enhanced/fmri/001": "several acquisitions",
    "philips_enhanced/fmri/001_implicit": "several acquisitions",
}

#: Slices follow along row x column; a column then comes before a row, so the determinant is negative.
_OUR_HANDEDNESS = -1


def files_of(folder: Path) -> list[Path]:
    """Return the DICOM files of a case."""
    return [file for file in sorted(folder.iterdir()) if file.is_file()]


def read_by_highdicom(files: list[Path]) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Return array and affine as highdicom reads them, its slices in our order."""
    datasets = [pydicom.dcmread(file) for file in files]
    for dataset in datasets:
        dataset.FrameOfReferenceUID = "1.2.3"  # anonymisers removed it, and highdicom wants one
    if "PerFrameFunctionalGroupsSequence" in datasets[0]:
        volume = highdicom.Image.from_dataset(datasets[0]).get_volume(apply_real_world_transform=False)
    else:
        volume = highdicom.get_volume_from_series(datasets, apply_real_world_transform=False)
    array, affine = volume.array, volume.affine.copy()
    if np.linalg.det(affine[:3, :3]) * _OUR_HANDEDNESS < 0:
        affine[:3, 3] += affine[:3, 0] * (len(array) - 1)
        affine[:3, 0] *= -1
        array = array[::-1]
    return array, affine


def require_equal(files: list[Path], shape: tuple[int, ...]) -> None:
    """Fail unless our volume and highdicom's are the same."""
    source = load_series(files, max_voxels=10**8).source
    assert isinstance(source, Volume)
    assert source.array.shape == shape
    array, affine = read_by_highdicom(files)
    np.testing.assert_allclose(source.affine, affine, atol=1e-3)
    np.testing.assert_allclose(source.array, array, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("case", READ)
def test_is_read(shared_data: Path, case: str) -> None:
    """The series is a volume of the stated shape, with the values and the place that another reader finds."""
    require_equal(files_of(shared_data / "odd-series" / case), READ[case])


@pytest.mark.parametrize("series", ["series-2", "series-3"])
def test_a_chest_is_read(shared_data: Path, series: str) -> None:
    """Both kernels of a CT are in Hounsfield units on one grid."""
    require_equal(files_of(shared_data / "chest-ct" / series), (64, 512, 512))


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_by_name(shared_data: Path, case: str) -> None:
    """What is no volume is never read as one."""
    with pytest.raises(SeriesRefused, match=REFUSED[case]):
        load_series(files_of(shared_data / "odd-series" / case), max_voxels=10**8)


@pytest.mark.parametrize(
    ("case", "images", "slices"),
    [
        ("philips_enhanced/dti/001", {"tag": "DiffusionBValue", "equals": "0.0"}, 8),
        ("philips_enhanced/dti/001_implicit", {"tag": "DiffusionBValue", "at_most": 0}, 8),
        ("philips_enhanced/fmri/001", {"tag": "TemporalPositionIndex", "equals": "2"}, 8),
        ("philips_enhanced/fmri/001_implicit", {"not": {"tag": "TemporalPositionIndex", "at_least": 2}}, 8),
    ],
)
def test_of_several_acquisitions_one_is_read(shared_data: Path, case: str, images: dict[str, Any], slices: int) -> None:
    """Frames of one weighting, of one time: where they lie and what they are by pydicom's own reading of them."""
    (file,) = files_of(shared_data / "odd-series" / case)
    rule = TagRule.model_validate(images)
    loaded = load_series([file], max_voxels=10**8, images=rule)
    volume, dataset = loaded.source, pydicom.dcmread(file)
    assert isinstance(volume, Volume)
    assert (len(loaded.frame_numbers), len(volume.array)) == (slices, slices)
    for place, number in enumerate(loaded.frame_numbers):
        groups = dataset.PerFrameFunctionalGroupsSequence[number - 1]
        item = (groups.get("MRDiffusionSequence") or groups.FrameContentSequence)[0]
        assert rule.holds({keyword: (str(item[keyword].value),) for keyword in rule.tags}), number
        where = groups.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose((volume.affine @ [place, 0, 0, 1])[:3], where, atol=1e-2)
        values = groups.PixelValueTransformationSequence[0]
        real = dataset.pixel_array[number - 1] * float(values.RescaleSlope) + float(values.RescaleIntercept)
        np.testing.assert_allclose(volume.array[place], real, rtol=1e-5, atol=1e-3)


def test_every_case_is_stated(shared_data: Path) -> None:
    """No folder of odd series is left out above."""
    root = shared_data / "odd-series"
    found = {str(file.parent.relative_to(root)) for file in root.rglob("*") if file.is_file() and file.parent != root}
    assert found == set(READ) | set(REFUSED)


def test_compressed_series_hold_the_same_pixels(shared_data: Path) -> None:
    """Lossless JPEG, JPEG-LS, JPEG 2000 and RLE decode to what the uncompressed series holds."""
    cases = [case for case in READ if case.startswith("generic/compressed")]
    volumes = [load_series(files_of(shared_data / "odd-series" / case), max_voxels=10**8).source for case in cases]
    for volume in volumes[1:]:
        assert isinstance(volume, Volume)
        assert isinstance(volumes[0], Volume)
        np.testing.assert_array_equal(volume.array, volumes[0].array)


def test_blank_uids_are_refused(shared_data: Path) -> None:
    """A result could not refer to images without UIDs."""
    with pytest.raises(SeriesRefused, match="blank UIDs"):
        load_series(files_of(shared_data / "abdomen-ct" / "example_ct_dicom"), max_voxels=10**8)
