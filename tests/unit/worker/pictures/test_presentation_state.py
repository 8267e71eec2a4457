"""Outlines over the source's own images, shown as these are shown without them."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from models.findings import Reading
from models.volume import Volume
from tests.readings import (
    a_card,
    a_nodule_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    detections_reading,
    load,
    nothing_found,
)
from worker.case.case import Case
from worker.gate.output_gate import check
from worker.objects.object_encoding import encoded
from worker.pictures.presentation_state import build_presentation_state
from worker.planar_testing import a_chest, write_planar_image
from worker.results import build
from worker.testing import write_mr_series

IMAGES = {"kind": "image", "size": [32, 32], "normalisation": "min-max"}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A reading of an oblique, anisotropic series with structures and nodules."""
    write_mr_series(tmp_path, oblique=True, slices=16, rows=48, columns=40, spacing_mm=(2.5, 0.7, 1.3))
    series = load(tmp_path)
    return case_of(series, detections_reading(series), a_nodule_card())


def state_of(case: Case) -> Any:
    """Return the state as its receiver reads it."""
    made = build_presentation_state(case)
    assert made is not None
    return dcmread(BytesIO(encoded(made, "GSPS").data))


def test_lines_enclose_the_voxels_of_their_slice(case: Case) -> None:
    """In pixels from the upper left corner: the mean of what is enclosed is the mean of the mask."""
    state = state_of(case)
    assert case.reading.instances is not None
    places = {str(dataset.SOPInstanceUID): k for k, dataset in enumerate(case.series.datasets)}
    (layer,) = [one.GraphicLayer for one in state.GraphicLayerSequence if one.GraphicLayerDescription == "Nodule"]
    drawn = [one for one in state.GraphicAnnotationSequence if one.GraphicLayer == layer]
    assert drawn
    for annotation in drawn:
        k = places[annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID]
        rows, columns = np.nonzero(case.reading.instances[k])
        for graphic in annotation.GraphicObjectSequence:
            points = np.reshape(graphic.GraphicData, (-1, 2))
            assert len(points) == graphic.NumberOfGraphicPoints
            assert np.array_equal(points[0], points[-1])
            middle = (points.min(axis=0) + points.max(axis=0)) / 2
            assert middle == pytest.approx(
                ((columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2), abs=0.5
            )


def test_each_thing_is_named_once(case: Case) -> None:
    """On the slice where it is largest; a detection with its number and size; and on every image that it is AI."""
    told = [
        text.UnformattedTextValue
        for annotation in state_of(case).GraphicAnnotationSequence
        for text in annotation.get("TextObjectSequence", ())
    ]
    assert len([text for text in told if text.startswith("Nodule 1: ")]) == 1
    assert told.count("Cerebral cortex") == 1
    assert told.count("RESEARCH - AI, not verified - Test nodules 1.2") > 5


def test_only_images_with_lines_are_referred_to(case: Case) -> None:
    """What the state names is what it draws on."""
    state = state_of(case)
    named = [image.ReferencedSOPInstanceUID for image in state.ReferencedSeriesSequence[0].ReferencedImageSequence]
    drawn = {
        annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID for annotation in state.GraphicAnnotationSequence
    }
    assert set(named) == drawn
    assert len(named) < len(case.series.datasets)


def radiographs(folder: Path, *ratios: list[str]) -> Case:
    """Return the reading of radiographs without a spacing, each with this Pixel Aspect Ratio."""
    for number, ratio in enumerate(ratios, start=1):
        write_planar_image(
            folder / f"{number}.dcm",
            a_chest(),
            kind="CR",
            number=number,
            attributes={"PixelAspectRatio": ratio} if ratio else {},
            without=("PixelSpacing", "ImagerPixelSpacing"),
        )
    series = load(folder)
    return case_of(series, a_reading(series), a_card(preparation=IMAGES))


def test_pixels_that_are_no_squares_are_shown_as_they_are(tmp_path: Path) -> None:
    """The displayed area says the source's ratio (PS3.3 C.10.4): without, a viewer would squeeze the image."""
    case = radiographs(tmp_path, ["2", "1"])
    (area,) = state_of(case).DisplayedAreaSelectionSequence
    assert area.PresentationPixelAspectRatio == [2, 1]
    assert "ReferencedImageSequence" not in area
    check(build(case, ("GSPS", "SC", "TEXT-SR")), case)


def test_images_of_different_ratios_have_displayed_areas_of_their_own(tmp_path: Path) -> None:
    """Each area names the images that it is of."""
    case = radiographs(tmp_path, ["5", "4"], [], ["5", "4"])
    state = state_of(case)
    uids = [str(dataset.SOPInstanceUID) for dataset in case.series.datasets]
    told = {
        tuple(area.PresentationPixelAspectRatio): [
            image.ReferencedSOPInstanceUID for image in area.ReferencedImageSequence
        ]
        for area in state.DisplayedAreaSelectionSequence
    }
    assert told == {(5, 4): [uids[0], uids[2]], (1, 1): [uids[1]]}
    check(build(case, ("GSPS", "SC", "TEXT-SR")), case)


def test_images_look_as_without_it(case: Case) -> None:
    """Window and rescale are the source's; a window of one image is that image's alone."""
    for dataset in case.series.datasets:
        dataset.WindowCenter, dataset.WindowWidth = DSfloat(50), DSfloat(100)
        dataset.RescaleSlope, dataset.RescaleIntercept = DSfloat(2), DSfloat(-10)
    state = state_of(case)
    assert [(item.WindowCenter, item.WindowWidth) for item in state.SoftcopyVOILUTSequence] == [(50, 100)]
    assert "ReferencedImageSequence" not in state.SoftcopyVOILUTSequence[0]
    assert (state.RescaleSlope, state.RescaleIntercept, state.RescaleType) == (2, -10, "US")
    middle = case.series.datasets[8]
    middle.WindowCenter = DSfloat(70)
    windows = state_of(case).SoftcopyVOILUTSequence
    (own,) = [item for item in windows if item.WindowCenter == 70]
    assert [image.ReferencedSOPInstanceUID for image in own.ReferencedImageSequence] == [middle.SOPInstanceUID]


def test_an_image_without_a_window_gets_that_of_the_picture(case: Case) -> None:
    """Else a viewer would spread all stored values over its greys."""
    for dataset in case.series.datasets:
        for keyword in ("WindowCenter", "WindowWidth"):
            if keyword in dataset:
                delattr(dataset, keyword)
    (window,) = state_of(case).SoftcopyVOILUTSequence
    assert isinstance(case.series.source, Volume)
    assert 0 < window.WindowWidth <= float(np.ptp(case.series.source.array))


def test_a_narrow_window_is_meant_exactly(case: Case) -> None:
    """Values of a rescaled map lie between 0 and 0.003: with a width of 1 all of them would be grey (C.11.2.1.2.1)."""
    for dataset in case.series.datasets:
        for keyword in ("WindowCenter", "WindowWidth"):
            if keyword in dataset:
                delattr(dataset, keyword)
    source = case.series.source
    assert isinstance(source, Volume)
    small = replace(source, array=np.asarray(source.array, np.float32) * 1e-6)
    (window,) = state_of(replace(case, series=replace(case.series, source=small))).SoftcopyVOILUTSequence
    assert 0 < float(window.WindowWidth) < 0.1
    assert window.VOILUTFunction == "LINEAR_EXACT"


def test_low_values_stay_bright_where_they_were(case: Case) -> None:
    """The state overrides Photometric Interpretation (PS3.3 C.11.6), so MONOCHROME1 becomes INVERSE."""
    assert state_of(case).PresentationLUTShape == "IDENTITY"
    for dataset in case.series.datasets:
        dataset.PhotometricInterpretation = "MONOCHROME1"
    assert state_of(case).PresentationLUTShape == "INVERSE"


def test_lookup_tables_are_copied(case: Case) -> None:
    """A source's tables stand in the state with the representations of their values."""
    table = Dataset()
    table.add_new("LUTDescriptor", "SS", [4, -2, 16])
    table.LUTExplanation = "steep"
    table.add_new("LUTData", "OW", np.arange(4, dtype="<u2").tobytes())
    for dataset in case.series.datasets:
        dataset.VOILUTSequence = [table]
    (item,) = state_of(case).SoftcopyVOILUTSequence
    copied = item.VOILUTSequence[0]
    assert (copied.LUTDescriptor, copied["LUTDescriptor"].VR, copied.LUTExplanation) == ([4, -2, 16], "SS", "steep")
    assert np.array_equal(np.frombuffer(copied.LUTData, "<u2"), [0, 1, 2, 3])


def test_masks_at_the_edge_stay_within_the_image(case: Case) -> None:
    """An outline along the last row ends at the image's border, where coordinates end."""
    labels = case.reading.labels
    assert labels is not None
    labels[8] = case.reading.structures[0].label.number
    _, rows, columns = labels.shape
    points = np.concatenate(
        [
            np.reshape(graphic.GraphicData, (-1, 2))
            for annotation in state_of(case).GraphicAnnotationSequence
            for graphic in annotation.get("GraphicObjectSequence", ())
        ]
    )
    assert points.min() == 0
    assert points.max(axis=0).tolist() == [columns, rows]


def test_there_is_none_where_it_could_not_be_right(case: Case, tmp_path: Path) -> None:
    """Nothing found, an ECG, colour, and images that are rescaled differently, as those of a PET are."""
    assert build_presentation_state(case_of(an_ecg(), an_ecg_reading(), an_ecg_card())) is None
    assert build_presentation_state(replace(case, reading=nothing_found(case.series))) is None
    assert build_presentation_state(replace(case, reading=Reading())) is None
    for number, dataset in enumerate(case.series.datasets):
        dataset.RescaleSlope, dataset.RescaleIntercept = DSfloat(1 + number), DSfloat(0)
    assert build_presentation_state(case) is None
    for dataset in case.series.datasets:
        dataset.RescaleSlope = DSfloat(1)
    assert build_presentation_state(case) is not None
    case.series.datasets[0].PhotometricInterpretation = "RGB"
    assert build_presentation_state(case) is None


def test_the_same_case_gives_the_same_bytes(tmp_path: Path) -> None:
    """No time of now, no random UID."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    first, second = (
        encoded(build_presentation_state(case_of(series, a_reading(series), a_card())) or Dataset(), "GSPS").data
        for _ in range(2)
    )
    assert first == second
