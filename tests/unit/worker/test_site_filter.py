"""What a site does not want is in nothing that is made."""

from dataclasses import replace

import numpy as np
import pytest

from models.card_parts import Concept
from models.counting import counts_of
from models.findings import Detection, Finding, Measurement, Reading
from models.instances import CERTAINTY, DIAMETER, MILLIMETRE, PERCENT, VOLUME
from tests.readings import LABELS
from worker.settings import ReportSettings
from worker.site_filter import for_site

PNEUMONIA = Concept(value="233604007", scheme="SCT", meaning="Pneumonia")
PRESENT = Concept(value="52101004", scheme="SCT", meaning="Present")


def a_detection(number: int, certainty: float) -> Detection:
    """Return a thing of 10 mm that is so certain."""
    return Detection(
        number=number,
        label=LABELS[0],
        slice_index=0,
        outline=((0, 0), (0, 1), (1, 1)),
        measurements=(
            Measurement(name=DIAMETER, value=10, unit=MILLIMETRE),
            Measurement(name=VOLUME, value=1, unit=MILLIMETRE),
            Measurement(name=CERTAINTY, value=certainty, unit=PERCENT),
        ),
        voxels=2,
    )


def a_reading() -> Reading:
    """Return two detections and two findings, certain and not."""
    return Reading(
        instances=np.array([[[1, 1, 2, 2, 0]]], np.uint16),
        detections=(a_detection(1, 90), a_detection(2, 40)),
        findings=tuple(Finding(name=PNEUMONIA, value=PRESENT, certainty_percent=p) for p in (90, 40)),
    )


def test_a_site_without_wishes_gets_all() -> None:
    """The defaults change nothing."""
    reading = a_reading()
    filtered = for_site(reading, ReportSettings())
    assert (filtered.detections, filtered.findings) == (reading.detections, reading.findings)
    assert filtered.instances is reading.instances


def test_what_is_not_certain_enough_is_gone_with_its_voxels() -> None:
    """Below the threshold there is no detection, no mask and no finding; what stays keeps its number."""
    filtered = for_site(a_reading(), ReportSettings(min_certainty_percent=50))
    assert [detection.number for detection in filtered.detections] == [1]
    assert [finding.certainty_percent for finding in filtered.findings] == [90]
    assert filtered.instances is not None
    assert filtered.instances.tolist() == [[[1, 1, 0, 0, 0]]]


def test_what_is_too_small_is_gone_with_its_voxels() -> None:
    """A detection below the least diameter is left out, one just as large stays, and so does what has no diameter."""
    reading = a_reading()
    assert for_site(reading, ReportSettings(min_diameter_mm=10)).detections == reading.detections
    smaller = for_site(reading, ReportSettings(min_diameter_mm=10.1))
    assert smaller.detections == ()
    assert smaller.instances is not None
    assert not smaller.instances.any()
    assert smaller.findings == reading.findings
    unmeasured = replace(reading, detections=(replace(reading.detections[0], measurements=()),))
    assert for_site(unmeasured, ReportSettings(min_diameter_mm=10.1)).detections == unmeasured.detections


def test_only_wanted_measurements_are_kept() -> None:
    """By meaning or by code value, whatever the case; a thing's size, its first number, always stays."""
    wanted = ReportSettings(measurements=("certainty of finding",))
    kept = for_site(a_reading(), wanted).detections[0].measurements
    assert [measurement.name for measurement in kept] == [DIAMETER, CERTAINTY]
    by_code = for_site(a_reading(), ReportSettings(measurements=(VOLUME.value,))).detections[0].measurements
    assert [measurement.name for measurement in by_code] == [DIAMETER, VOLUME]


@pytest.mark.parametrize("by_frame", [True, False])
def test_what_a_clip_shows_again_is_counted_once(*, by_frame: bool) -> None:
    """Most in one frame count, as the model has counted, also of what the site leaves."""
    label = LABELS[0].model_copy(update={"measurements": ("count",), "instances": True})
    shown = [replace(a_detection(number, 90), label=label, slice_index=number // 2) for number in range(6)]
    counts = counts_of(shown, (), by_frame=by_frame)
    reading = Reading(detections=tuple(shown), counts=counts)
    (count,) = for_site(reading, ReportSettings()).counts
    assert count.measurement.value == counts[0].measurement.value == (2 if by_frame else 6)
