"""SR-A: each detection is one region on its image, with its numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from models.findings import Detection, Reading
from tests.line_distance import furthest
from tests.readings import NODULE, a_nodule_card, case_of, detections_reading, load
from worker.gate.bundle import MEASUREMENT_GROUP, children, content_items, name_of, parsed
from worker.objects.region_report import graphic_data
from worker.results import build
from worker.series.series_volume import LoadedSeries
from worker.testing import write_mr_series

REGION, FINDING_SITE, TRACKING_UID = ("111030", "DCM"), ("363698007", "SCT"), ("112040", "DCM")


@pytest.fixture
def series(tmp_path: Path) -> LoadedSeries:
    """An oblique series."""
    write_mr_series(tmp_path, oblique=True)
    return load(tmp_path)


def reports_of(series: LoadedSeries, reading: Reading) -> dict[str, Dataset]:
    """Return the objects of a reading by kind, read back from their bytes."""
    return {made.kind: parsed(made.data) for made in build(case_of(series, reading, a_nodule_card()))}


def groups_of(report: Dataset) -> list[Dataset]:
    """Return the measurement groups."""
    return [item for item in content_items(report) if name_of(item) == MEASUREMENT_GROUP]


def a_detection(*outline: tuple[float, float]) -> Detection:
    """Return a detection with this outline."""
    return Detection(number=1, label=NODULE, slice_index=0, outline=outline, measurements=())


def test_an_outline_becomes_column_and_row_half_a_pixel_further() -> None:
    """The centre of the first pixel is (0, 0) in a reading and (0.5, 0.5) in DICOM; the line ends where it began."""
    points = graphic_data(a_detection((0.0, 0.0), (0.0, 3.0), (2.0, 3.0)), rows=10, columns=20)
    assert points.tolist() == [[0.5, 0.5], [3.5, 0.5], [3.5, 2.5], [0.5, 0.5]]


def test_an_outline_ends_at_the_edge_of_the_image() -> None:
    """A box that a detector drew beyond the image is cut at it."""
    points = graphic_data(a_detection((-4.0, -4.0), (-4.0, 30.0), (30.0, 30.0)), rows=10, columns=20)
    assert points.min(axis=0).tolist() == [0.0, 0.0]
    assert points.max(axis=0).tolist() == [20.0, 10.0]


def test_a_line_of_very_many_points_fits_into_its_element(series: LoadedSeries) -> None:
    """A rough line of twenty thousand points is drawn with what an FL in an explicit VR can hold, and lies near it."""
    turn = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    rough = 8 + np.where(np.arange(turn.size) % 2, 0.2, -0.2)
    line = np.stack([14 + rough * np.sin(turn), 14 + rough * np.cos(turn)], axis=1)
    one = a_detection(*map(tuple, line.tolist()))
    reading = replace(detections_reading(series, masks=False), detections=(one,))
    (group,) = groups_of(reports_of(series, reading)["REGION-SR"])
    (region,) = children(group, *REGION)
    assert region["GraphicData"].VR == "FL"
    drawn = np.array(region.GraphicData).reshape(-1, 2)[:, ::-1] - 0.5
    assert np.array_equal(drawn[0], drawn[-1])
    assert 4 <= len(drawn) <= 8191
    assert furthest(line, drawn) <= 0.5 + 1e-4


@pytest.mark.parametrize("masks", [True, False])
def test_each_detection_is_one_region_on_its_slice(series: LoadedSeries, *, masks: bool) -> None:
    """One group and one region a detection, on the image of its slice, around its mask, with all its numbers."""
    reading = detections_reading(series, masks=masks)
    groups = groups_of(reports_of(series, reading)["REGION-SR"])
    assert [group.ContentTemplateSequence[0].TemplateIdentifier for group in groups] == ["1410", "1410"]
    for group, detection in zip(groups, reading.detections, strict=True):
        (region,) = children(group, *REGION)
        (image,) = region.ContentSequence
        uid = series.datasets[detection.slice_index].SOPInstanceUID
        assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == uid
        assert "ReferencedFrameNumber" not in image.ReferencedSOPSequence[0]
        points = np.array(region.GraphicData).reshape(-1, 2)
        assert np.allclose(points[:-1, ::-1] - 0.5, detection.outline)
        numbers = [item for item in group.ContentSequence if item.ValueType == "NUM"]
        assert [item.MeasuredValueSequence[0].FloatingPointValue for item in numbers] == [
            measurement.value for measurement in detection.measurements
        ]


def test_a_detection_is_tracked_alike_in_every_object(series: LoadedSeries) -> None:
    """SEG, SR-B and SR-A give a nodule the same UID; site and side stand in both reports."""
    objects = reports_of(series, detections_reading(series))
    uids = [
        [item.TrackingUID for item in objects["SEG"].SegmentSequence][2:],
        [children(group, *TRACKING_UID)[0].UID for group in groups_of(objects["SR"])][2:],
        [children(group, *TRACKING_UID)[0].UID for group in groups_of(objects["REGION-SR"])],
    ]
    assert uids[0] == uids[1] == uids[2]
    for group in (groups_of(objects["SR"])[2], groups_of(objects["REGION-SR"])[0]):
        (site,) = children(group, *FINDING_SITE)
        assert site.ConceptCodeSequence[0].CodeMeaning == "Upper lobe of lung"
        assert site.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning == "Left"


def test_a_side_without_a_site_is_told_as_well(series: LoadedSeries) -> None:
    """A detection of which only the side is known has it as an evaluation of its own."""
    reading = detections_reading(series)
    sided = replace(reading, detections=(replace(reading.detections[0], site=None), reading.detections[1]))
    group = groups_of(reports_of(series, sided)["REGION-SR"])[0]
    assert not children(group, *FINDING_SITE)
    (side,) = children(group, "272741003", "SCT")
    assert side.ConceptCodeSequence[0].CodeMeaning == "Left"


def test_no_detection_no_region_report(series: LoadedSeries) -> None:
    """Where nothing was found at a place there is no SR-A."""
    reading = replace(detections_reading(series), detections=(), instances=None)
    assert "REGION-SR" not in reports_of(series, reading)


def test_a_region_of_a_multi_frame_image_names_its_frame(shared_data: Path, tmp_path: Path) -> None:
    """On an enhanced MR the region refers to the frame of its slice, by the frame's own number."""
    (file,) = (shared_data / "odd-series/philips_enhanced/anatomical/001").glob("*")
    dataset = dcmread(file)
    dataset.FrameOfReferenceUID = "2.25.1"  # the sample lost its own
    dataset.PerFrameFunctionalGroupsSequence = list(reversed(dataset.PerFrameFunctionalGroupsSequence))
    dataset.save_as(tmp_path / "enhanced.dcm")
    series = load(tmp_path)
    reading = detections_reading(series, masks=False)
    groups = groups_of(reports_of(series, reading)["REGION-SR"])
    for group, detection in zip(groups, reading.detections, strict=True):
        reference = children(group, *REGION)[0].ContentSequence[0].ReferencedSOPSequence[0]
        assert reference.ReferencedFrameNumber == series.frame_numbers[detection.slice_index]
