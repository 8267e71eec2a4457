"""Slices whose headers differ in last digits are one stack: objects are made on it, and the gate lets them pass."""

from pathlib import Path

import pydicom
import pytest

from tests.readings import a_card, a_reading, case_of, load
from worker.errors import SeriesRefused
from worker.gate.bundle import parsed
from worker.gate.output_gate import check
from worker.results import build
from worker.testing import write_mr_series

_KINDS = ("SEG", "LABELMAP", "RTSTRUCT", "SR", "TEXT-SR")


def segmented(folder: Path) -> pydicom.Dataset:
    """Make objects of the known reading of a folder, have them checked, and return the SEG."""
    series = load(folder)
    case = case_of(series, a_reading(series), a_card())
    results = build(case, _KINDS)
    check(results, case)
    return parsed(results[0].data)


@pytest.mark.parametrize("place", [0, 5])
@pytest.mark.parametrize("off", [1e-12, 1e-6, 1e-4, 9e-4])
def test_a_cosine_that_differs_in_one_slice_loses_nothing(off: float, place: int, tmp_path: Path) -> None:
    """The segmentation has the first slice's orientation, and the gate takes what the loader takes."""
    files = write_mr_series(tmp_path, oblique=True)
    dataset = pydicom.dcmread(files[place])
    cosines = [float(value) for value in dataset.ImageOrientationPatient]
    cosines[1] += off
    dataset.ImageOrientationPatient = [f"{value:.13f}"[:16] for value in cosines]
    dataset.save_as(files[place])
    shared = segmented(tmp_path).SharedFunctionalGroupsSequence[0]
    first = pydicom.dcmread(files[0]).ImageOrientationPatient
    assert list(shared.PlaneOrientationSequence[0].ImageOrientationPatient) == list(first)


def test_cosines_of_fewer_digits_in_one_slice_lose_nothing(tmp_path: Path) -> None:
    """As an archive writes them that rewrites one image."""
    files = write_mr_series(tmp_path, oblique=True)
    dataset = pydicom.dcmread(files[5])
    dataset.ImageOrientationPatient = [f"{float(value):.6f}" for value in dataset.ImageOrientationPatient]
    dataset.save_as(files[5])
    assert segmented(tmp_path).SegmentSequence


@pytest.mark.parametrize("spacing_mm", [(2.0, 2.0), (1.0, 3.0)])
def test_a_pixel_spacing_that_differs_in_one_slice_loses_nothing(
    spacing_mm: tuple[float, float], tmp_path: Path
) -> None:
    """Likewise; each of both distances is compared with its own."""
    files = write_mr_series(tmp_path, spacing_mm=(3.0, *spacing_mm))
    dataset = pydicom.dcmread(files[0])
    dataset.PixelSpacing = [f"{value * 1.0009:.6f}" for value in spacing_mm]
    dataset.save_as(files[0])
    shared = segmented(tmp_path).SharedFunctionalGroupsSequence[0]
    assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == list(dataset.PixelSpacing)


def test_what_the_loader_takes_does_not_hang_on_which_file_comes_first(tmp_path: Path) -> None:
    """Two slices that differ too much are refused also where a third one lies between them."""
    files = write_mr_series(tmp_path)
    for file, off in ((files[3], 9e-4), (files[4], -9e-4)):
        dataset = pydicom.dcmread(file)
        dataset.ImageOrientationPatient = ["1", f"{off:.6f}", "0", "0", "1", "0"]
        dataset.save_as(file)
    with pytest.raises(SeriesRefused, match="mixed orientation"):
        load(tmp_path)


def test_lengths_below_zero_stay_where_they_are(tmp_path: Path) -> None:
    """NM images are said to lie a negative distance apart where they go down (PS3.3 C.8.4.15); no segmentation may."""
    write_mr_series(tmp_path, spacing_mm=(3, 1, 1), attributes={"SliceThickness": "-5", "SpacingBetweenSlices": "-3"})
    measures = segmented(tmp_path).SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SliceThickness == 3
    assert measures.get("SpacingBetweenSlices", 3) == 3
