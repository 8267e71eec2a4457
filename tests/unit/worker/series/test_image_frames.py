"""Which frames there are in a series, and what their decoding may say."""

from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from models.volume import Volume
from worker.errors import SeriesRefused, SeriesUnreadable
from worker.gate.bundle import sources_of
from worker.instances.acquired import Acquired
from worker.refusals import REFUSALS
from worker.selecting.tag_rules import TagRule
from worker.series.image_frames import decode, frames_of
from worker.series.series_depicted import acquired
from worker.series.series_volume import load_series
from worker.testing import write_mr_series


def enhanced() -> Dataset:
    """Return a multi-frame image with places."""
    return pydicom.dcmread(str(get_testdata_file("eCT_Supplemental.dcm")))


@pytest.mark.parametrize(
    ("number", "total", "uid", "whole"),
    [
        (1, 1, "1.2", True),
        (None, None, None, True),
        (1, 3, "1.2", False),
        (2, None, "1.2", False),
        (1, None, "1.2", False),
    ],
)
def test_one_part_of_a_concatenation_is_not_read_as_the_whole(
    number: int | None,
    total: int | None,
    uid: str | None,
    whole: bool,  # noqa: FBT001
) -> None:
    """Its slices are as regular as those of a whole scan, and nothing else would tell."""
    dataset = enhanced()
    for keyword, value in (
        ("InConcatenationNumber", number),
        ("InConcatenationTotalNumber", total),
        ("ConcatenationUID", uid),
    ):
        if value is not None:
            setattr(dataset, keyword, value)
    if whole:
        assert len(frames_of([dataset])) == int(dataset.NumberOfFrames)
    else:
        with pytest.raises(SeriesRefused, match="part of a concatenation: ") as refused:
            frames_of([dataset])
        assert str(refused.value).split(":")[0] in REFUSALS


def test_a_frame_whose_scale_means_nothing_is_refused() -> None:
    """Each frame of a multi-frame image may have a Rescale Slope of its own."""
    dataset = enhanced()
    groups = (*dataset.PerFrameFunctionalGroupsSequence, *dataset.SharedFunctionalGroupsSequence)
    items = [
        group.PixelValueTransformationSequence[0] for group in groups if "PixelValueTransformationSequence" in group
    ]
    items[-1].RescaleSlope = 0
    with pytest.raises(SeriesRefused, match="no scale: "):
        frames_of([dataset])


def test_of_a_frame_that_is_not_read_nothing_is_asked(tmp_path: Path) -> None:
    """Neither what its values mean nor where it lies: not by who loads the series, and not by the gate."""
    dataset = enhanced()
    for number, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence, start=1):
        groups.FrameContentSequence[0].TemporalPositionIndex = min(number, 2)
    del dataset.PerFrameFunctionalGroupsSequence[-1].PlanePositionSequence
    dataset.save_as(tmp_path / "a.dcm")
    first = TagRule.model_validate({"tag": "TemporalPositionIndex", "equals": "1"})
    series = load_series([tmp_path / "a.dcm"], max_voxels=10**8, images=first)
    assert series.frame_numbers == (1,)
    assert [number for _, number in sources_of(series.datasets, series.frame_numbers, exact=True).planes] == [1]
    with pytest.raises(SeriesRefused, match="no geometry: "):
        load_series([tmp_path / "a.dcm"], max_voxels=10**8)


def test_how_images_were_taken_is_that_of_the_frames_that_are_read(tmp_path: Path) -> None:
    """A phase before the contrast agent, thicker, in the same image says nothing of the phase behind it."""
    dataset = enhanced()
    for time, (given, thickness_mm) in enumerate((("NO", 5), ("YES", 2)), start=1):
        groups, usage, measures = dataset.PerFrameFunctionalGroupsSequence[time - 1], Dataset(), Dataset()
        groups.FrameContentSequence[0].TemporalPositionIndex = time
        usage.ContrastBolusAgentAdministered = given
        groups.ContrastBolusUsageSequence = [usage]
        measures.PixelSpacing, measures.SliceThickness = [1, 1], thickness_mm
        groups.PixelMeasuresSequence = [measures]
    dataset.save_as(tmp_path / "a.dcm")
    second = TagRule.model_validate({"tag": "TemporalPositionIndex", "equals": "2"})
    series = load_series([tmp_path / "a.dcm"], max_voxels=10**8, images=second)
    assert isinstance(series.source, Volume)
    assert series.source.spacing_mm[0] == 2
    assert acquired(series) == Acquired(contrast=True, thickness_mm=2, reach_mm=2)


def test_a_header_is_never_quoted_by_what_cannot_be_decoded(tmp_path: Path) -> None:
    """Pydicom's words quote values, and somebody may have typed a patient's name anywhere."""
    (file,) = write_mr_series(tmp_path, slices=1)
    dataset = pydicom.dcmread(file)
    dataset.PhotometricInterpretation = "DOE^JOHN"
    with pytest.raises(SeriesUnreadable) as told:
        decode(dataset, 0, "0000.dcm")
    assert "DOE" not in str(told.value)
    assert "0000.dcm" in str(told.value)


def test_a_header_that_says_too_little_of_its_pixels_is_told_what_it_lacks(tmp_path: Path) -> None:
    """The name of an attribute is nobody's."""
    dataset = pydicom.dcmread(write_mr_series(tmp_path, slices=1)[0])
    del dataset.BitsStored
    with pytest.raises(SeriesUnreadable, match=r"slice: .*'Bits Stored'"):
        decode(dataset, 0, "slice")
