"""How deep a single slice is: as its Slice Thickness says."""

from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from models.volume import Volume
from tests.readings import load
from worker.testing import write_mr_series


def depth_mm(folder: Path) -> float:
    """Return how deep a voxel of the series of this folder is."""
    source = load(folder).source
    assert isinstance(source, Volume)
    return source.spacing_mm[0]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"SliceThickness": "5", "SpacingBetweenSlices": "10"}, 5.0),
        ({"SliceThickness": "5", "SpacingBetweenSlices": None}, 5.0),
        ({"SliceThickness": None, "SpacingBetweenSlices": "10"}, 10.0),
        ({"SliceThickness": "0", "SpacingBetweenSlices": "10"}, 10.0),
        ({"SliceThickness": "1e29", "SpacingBetweenSlices": "10"}, 10.0),
    ],
)
def test_one_slice_is_as_deep_as_it_is_thick(attributes: dict[str, Any], expected: float, tmp_path: Path) -> None:
    """To the next slice it may be twice as far, and there is none; only where nothing else is said that is taken."""
    write_mr_series(tmp_path, slices=1, attributes=attributes)
    assert depth_mm(tmp_path) == pytest.approx(expected)


def test_one_frame_is_as_deep_as_its_groups_say(tmp_path: Path) -> None:
    """A multi-frame image says it in its Pixel Measures."""
    (file,) = write_mr_series(tmp_path, slices=1)
    dataset = pydicom.dcmread(file)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedMRImageStorage
    dataset.NumberOfFrames = 1
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness, measures.SpacingBetweenSlices = dataset.PixelSpacing, "5", "10"
    position, orientation, group = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = dataset.ImagePositionPatient
    orientation.ImageOrientationPatient = dataset.ImageOrientationPatient
    group.PlanePositionSequence, group.PlaneOrientationSequence = [position], [orientation]
    dataset.PerFrameFunctionalGroupsSequence = [group]
    shared = Dataset()
    shared.PixelMeasuresSequence = [measures]
    dataset.SharedFunctionalGroupsSequence = [shared]
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "SliceThickness",
        "SpacingBetweenSlices",
    ):
        delattr(dataset, keyword)
    dataset.save_as(file)
    assert depth_mm(tmp_path) == pytest.approx(5.0)


def test_of_several_slices_the_distance_counts(tmp_path: Path) -> None:
    """Positions say it, whatever stands in the header."""
    write_mr_series(tmp_path, slices=3, attributes={"SliceThickness": "5", "SpacingBetweenSlices": "10"})
    assert depth_mm(tmp_path) == pytest.approx(3.0)
