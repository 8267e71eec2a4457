"""What a site does not want is in nothing that is made."""

from dataclasses import replace

import numpy as np
import pytest

from models.card.card_parts import Concept
from models.findings import Detection, Finding, HeatMap, Measurement, Reading
from models.interpreting.counting import counts_of
from models.interpreting.instances import CERTAINTY, DIAMETER, MILLIMETRE, PERCENT, VOLUME
from models.volume import Image
from tests.readings import LABELS
from worker.case.site_filter import for_site
from worker.settings import ReportSettings

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
    filtered = for_site(reading, ReportSettings(), None)
    assert (filtered.detections, filtered.findings) == (reading.detections, reading.findings)
    assert filtered.instances is reading.instances


def test_what_is_not_certain_enough_is_gone_with_its_voxels() -> None:
    """Below the threshold there is no detection, no mask and no finding; what stays keeps its number."""
    filtered = for_site(a_reading(), ReportSettings(min_certainty_percent=50), None)
    assert [detection.number for detection in filtered.detections] == [1]
    assert [finding.certainty_percent for finding in filtered.findings] == [90]
    assert filtered.instances is not None
    assert filtered.instances.tolist() == [[[1, 1, 0, 0, 0]]]


def test_a_heat_map_goes_with_its_finding() -> None:
    """Of what is told present, and of a question's answer; one that is of no finding at all stays."""
    density, dense, effusion, other = (
        Concept(value=name, scheme="99TEST", meaning=name) for name in ("density", "dense", "effusion", "other")
    )
    reading = Reading(
        findings=(
            Finding(name=PNEUMONIA, value=PRESENT, certainty_percent=62.0),
            Finding(name=effusion, value=PRESENT, certainty_percent=91.0),
            Finding(name=density, value=dense, certainty_percent=70.0),
        ),
        heat_maps=tuple(
            HeatMap(name=name, array=np.ones((1, 2, 2), np.float32)) for name in (PNEUMONIA, effusion, dense, other)
        ),
    )
    assert for_site(reading, ReportSettings(), None).heat_maps == reading.heat_maps
    for percent, kept in ((65.0, [effusion, dense, other]), (80.0, [effusion, other]), (95.0, [other])):
        heat_maps = for_site(reading, ReportSettings(min_certainty_percent=percent), None).heat_maps
        assert [heat_map.name for heat_map in heat_maps] == kept


def test_what_is_too_small_is_gone_with_its_voxels() -> None:
    """A detection below the least diameter is left out, one just as large stays, and so does what has no diameter."""
    reading = a_reading()
    assert for_site(reading, ReportSettings(min_diameter_mm=10), None).detections == reading.detections
    smaller = for_site(reading, ReportSettings(min_diameter_mm=10.1), None)
    assert smaller.detections == ()
    assert smaller.instances is not None
    assert not smaller.instances.any()
    assert smaller.findings == reading.findings
    unmeasured = replace(reading, detections=(replace(reading.detections[0], measurements=()),))
    assert for_site(unmeasured, ReportSettings(min_diameter_mm=10.1), None).detections == unmeasured.detections


def test_only_wanted_measurements_are_kept() -> None:
    """By meaning or by code value, whatever the case; a thing's size, its first number, always stays."""
    wanted = ReportSettings(measurements=("certainty of finding",))
    kept = for_site(a_reading(), wanted, None).detections[0].measurements
    assert [measurement.name for measurement in kept] == [DIAMETER, CERTAINTY]
    by_code = for_site(a_reading(), ReportSettings(measurements=(VOLUME.value,)), None).detections[0].measurements
    assert [measurement.name for measurement in by_code] == [DIAMETER, VOLUME]


def test_numbers_that_are_all_of_a_read_stay() -> None:
    """Without them the read would say that nothing was found; beside a finding they are left out as any other."""
    numbers = (Measurement(name=VOLUME, value=1, unit=MILLIMETRE), Measurement(name=CERTAINTY, value=2, unit=PERCENT))
    reading, wishes = Reading(measurements=numbers), ReportSettings(measurements=(DIAMETER.value,))
    assert for_site(reading, wishes, None).measurements == numbers
    beside = replace(reading, findings=(Finding(name=PNEUMONIA, value=PRESENT, certainty_percent=62.0),))
    assert for_site(beside, wishes, None).measurements == ()


@pytest.mark.parametrize(("sides", "expected"), [(None, 6), ((), 2), (("left", "left", "right"), 4)])
def test_what_images_show_again_is_counted_once(sides: tuple[str, ...] | None, expected: int) -> None:
    """As the model has counted, also of what the site leaves: the most in one image, of each side; all of a volume."""
    source = None if sides is None else Image(array=np.zeros((3, 4, 4)), spacing_mm=None, sides=sides)
    label = LABELS[0].model_copy(update={"measurements": ("count",), "instances": True})
    shown = [replace(a_detection(number, 90), label=label, slice_index=number // 2) for number in range(6)]
    counts = counts_of(shown, (), source)
    reading = Reading(detections=tuple(shown), counts=counts)
    (count,) = for_site(reading, ReportSettings(), source).counts
    assert count.measurement.value == counts[0].measurement.value == expected
