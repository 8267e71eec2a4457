"""What stored values mean where no Rescale Slope says it: one straight line, or the images are refused."""

from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from models.volume import Volume
from tests.readings import load
from worker.errors import SeriesRefused
from worker.instances.series_repairs import UNSCALED
from worker.refusals import REFUSALS
from worker.series.image_frames import frames_of
from worker.series.series_volume import load_series
from worker.testing import write_mr_series

RESCALED = ("RescaleSlope", "RescaleIntercept", "RescaleType")


def a_mapping(slope: float | None = 0.5, intercept: float | None = -3.0, unit: str = "um2/s", **more: Any) -> Dataset:
    """Return an item of Real World Value Mapping Sequence."""
    item = Dataset()
    item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped = 0, 4095
    if slope is not None:
        item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, intercept
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
    item.MeasurementUnitsCodeSequence = [code]
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return item


def test_images_without_a_rescale_slope_are_read_by_their_mapping(tmp_path: Path) -> None:
    """In its unit; a CT that has one is not told as read as stored."""
    stored = np.arange(3 * 8 * 8, dtype=np.uint16).reshape(3, 8, 8)
    attributes = {"RealWorldValueMappingSequence": [a_mapping()], "SOPClassUID": pydicom.uid.CTImageStorage}
    write_mr_series(tmp_path, array=stored, attributes=attributes, without=RESCALED)
    series = load(tmp_path)
    assert isinstance(series.source, Volume)
    np.testing.assert_array_equal(series.source.array, stored * 0.5 - 3)
    assert series.source.unit == "um2/s"
    assert UNSCALED not in series.repairs


def test_a_rescale_slope_counts_before_a_mapping(tmp_path: Path) -> None:
    """The mapping is of the stored values, for who wants another quantity."""
    attributes = {
        "RealWorldValueMappingSequence": [a_mapping(), a_mapping(7.0)],
        "RescaleSlope": "2",
        "RescaleIntercept": "1",
    }
    frames = frames_of([pydicom.dcmread(write_mr_series(tmp_path, slices=1, attributes=attributes)[0])])
    assert [(frame.slope, frame.intercept) for frame in frames] == [(2.0, 1.0)]


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([a_mapping(), a_mapping(unit="mm2/s")], "several real world values: "),
        ([a_mapping(), a_mapping(0.25)], "several real world values: "),
        ([a_mapping(None, RealWorldValueLUTData=[0.0, 1.0])], "lookup table: "),
        ([a_mapping(None)], "no scale: "),
        ([a_mapping(0.0)], "no scale: "),
        ([a_mapping(np.inf)], "no scale: "),
        ([a_mapping(1.0, np.nan)], "no scale: "),
        ([a_mapping(), a_mapping()], ""),
    ],
)
def test_what_is_no_one_straight_line_is_refused(tmp_path: Path, items: list[Dataset], told: str) -> None:
    """Nobody knows which of two a model should read; two that say the same are one."""
    (file,) = write_mr_series(tmp_path, slices=1, attributes={"RealWorldValueMappingSequence": items}, without=RESCALED)
    if not told:
        assert frames_of([pydicom.dcmread(file)])[0].slope == 0.5
        return
    with pytest.raises(SeriesRefused, match=told) as refused:
        frames_of([pydicom.dcmread(file)])
    assert str(refused.value).split(":")[0] in REFUSALS


def test_each_frame_may_have_its_own() -> None:
    """Before that of all frames; a frame with a Rescale Slope is rescaled by that."""
    dataset = pydicom.dcmread(str(get_testdata_file("eCT_Supplemental.dcm")))
    first, second = dataset.PerFrameFunctionalGroupsSequence[:2]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for group in (first, second, shared):
        if "PixelValueTransformationSequence" in group:
            del group.PixelValueTransformationSequence
    shared.RealWorldValueMappingSequence = [a_mapping()]
    second.RealWorldValueMappingSequence = [a_mapping(0.25, 0.0)]
    frames = frames_of([dataset])[:2]
    assert [(frame.slope, frame.intercept, frame.unit) for frame in frames] == [
        (0.5, -3.0, "um2/s"),
        (0.25, 0.0, "um2/s"),
    ]


def test_a_parametric_map_of_whole_numbers_is_read_in_real_ones(tmp_path: Path) -> None:
    """As another library writes it."""
    images = [pydicom.dcmread(file) for file in write_mr_series(tmp_path / "mr", slices=3)]
    stored = np.arange(3 * 32 * 28, dtype=np.uint16).reshape(3, 32, 28)
    mapping = hd.pm.RealWorldValueMapping("ADC", "diffusion", codes.UCUM.Millimeter, (0, 4095), 2.0, 1.0)
    made = hd.pm.ParametricMap(
        images, stored, hd.UID(), 7, hd.UID(), 1, "maker", "model", "1", "1",
        contains_recognizable_visual_features=False, real_world_value_mappings=[mapping],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=100, window_width=200)],
    )  # fmt: skip
    made.save_as(tmp_path / "map.dcm")
    source = load_series([tmp_path / "map.dcm"], max_voxels=10**6).source
    assert isinstance(source, Volume)
    np.testing.assert_array_equal(source.array, stored * 2.0 + 1)
    assert source.unit == codes.UCUM.Millimeter.value
