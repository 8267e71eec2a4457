"""How large a pixel is, where there is no place in space."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from worker.series.planar_spacing import is_at_detector, pixel_aspect, spacing_mm


def header(**attributes: Any) -> Dataset:
    """Return a dataset with these attributes."""
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def region(delta_x: float, delta_y: float, *, unit: int = 3, form: int = 1) -> Dataset:
    """Return an ultrasound region whose deltas are in cm."""
    return header(
        RegionSpatialFormat=form,
        PhysicalUnitsXDirection=unit,
        PhysicalUnitsYDirection=unit,
        PhysicalDeltaX=delta_x,
        PhysicalDeltaY=delta_y,
    )


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, None),
        ({"PixelSpacing": [0.2, 0.3]}, (0.2, 0.3)),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.25, 0.25]}, (0.2, 0.2)),
        ({"ImagerPixelSpacing": [0.2, 0.3]}, (0.2, 0.3)),
        ({"ImagerPixelSpacing": [0.2, 0.3], "EstimatedRadiographicMagnificationFactor": 2}, (0.1, 0.15)),
        (
            {
                "PixelSpacing": [0.2, 0.2],
                "ImagerPixelSpacing": [0.2, 0.2],
                "EstimatedRadiographicMagnificationFactor": 2,
            },
            (0.1, 0.1),
        ),
        ({"ImagerPixelSpacing": [0.2, 0.3], "EstimatedRadiographicMagnificationFactor": -1}, None),
        ({"PixelSpacing": [0.0, 0.0]}, None),
        ({"PixelSpacing": [0.0, 0.0], "ImagerPixelSpacing": [0.1, 0.1]}, (0.1, 0.1)),
    ],
)
def test_what_the_header_says(attributes: dict[str, Any], expected: tuple[float, float] | None) -> None:
    """A calibrated spacing counts; the detector's is brought to the patient where a magnification is told."""
    found = spacing_mm(header(**attributes))
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ([region(0.03, 0.04)], (0.4, 0.3)),
        ([region(0.03, -0.04), region(0.03, 0.04)], (0.4, 0.3)),
        ([region(0.03, 0.04), region(0.05, 0.04)], None),
        ([region(0.03, 0.04), region(0.01, 2.0, unit=4, form=3)], (0.4, 0.3)),
        ([region(0.01, 2.0, unit=4, form=3)], None),
        ([region(0.0, 0.0)], None),
        ([], None),
    ],
)
def test_ultrasound_regions(regions: list[Dataset], expected: tuple[float, float] | None) -> None:
    """Regions of tissue say how large a pixel is where they agree; those of a spectrum or a trace say nothing of it."""
    found = spacing_mm(header(SequenceOfUltrasoundRegions=regions))
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"ImagerPixelSpacing": [0.2, 0.2]}, True),
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.2]}, True),
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.15, 0.15]}, False),
        ({"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": 1.2}, False),
        ({"PixelSpacing": [0.2, 0.2]}, False),
        ({}, False),
    ],
)
def test_sizes_at_the_detector_are_known(attributes: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """Without a factor nobody can tell how much smaller they are in the body."""
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    assert is_at_detector(dataset) is expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, 1.0),
        ({"PixelSpacing": [0.3, 0.2], "PixelAspectRatio": [1, 1]}, 1.5),
        ({"PixelAspectRatio": [4, 3]}, 4 / 3),
        ({"PixelAspectRatio": [0, 0]}, 1.0),
        ({"ImagerPixelSpacing": [0.2, 0.1], "EstimatedRadiographicMagnificationFactor": -1}, 2.0),
        ({"SequenceOfUltrasoundRegions": [region(0.05, 0.1)]}, 2.0),
    ],
)
def test_how_high_a_pixel_is(attributes: dict[str, Any], expected: float) -> None:
    """In its widths: by its spacing, else by what the header says of its aspect alone."""
    assert pixel_aspect(header(**attributes)) == pytest.approx(expected)
