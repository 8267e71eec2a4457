"""What was found as an RT Structure Set."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from models.volume import Image, Volume
from tests.readings import LABELS, NODULE, a_card, a_nodule_card, a_reading, case_of, detections_reading, load
from worker.case.case import Case
from worker.errors import OutputRefused, SourceRefused
from worker.gate import output_gate
from worker.gate.bundle import parsed
from worker.object_kinds import DEFAULT_KINDS
from worker.objects.object_encoding import encoded
from worker.objects.rt_structure_set import build_rt_structure_set
from worker.results import build
from worker.testing import write_mr_series

KINDS = (*DEFAULT_KINDS, "RTSTRUCT")


@pytest.fixture(params=[False, True], ids=["straight", "oblique"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """The known reading of an anisotropic series."""
    write_mr_series(tmp_path, oblique=bool(request.param), spacing_mm=(3.0, 0.7, 1.3))
    series = load(tmp_path)
    return case_of(series, a_reading(series), a_card())


def structure_set(case: Case) -> Dataset:
    """Return the structure set among the results, read back from its bytes."""
    return parsed(next(made.data for made in build(case, KINDS) if made.kind == "RTSTRUCT"))


def within(roi: Dataset, case: Case) -> NDArray[np.bool_]:
    """Return the voxels whose centres lie within the contours of an ROI, by the volume's own affine."""
    volume = case.series.source
    assert isinstance(volume, Volume)
    mask = np.zeros(volume.array.shape, bool)
    centres = np.argwhere(np.ones(mask.shape[1:], bool))
    slices = {str(source.SOPInstanceUID): k for k, source in enumerate(case.series.datasets)}
    for contour in roi.ContourSequence:
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        places = (np.hstack([points, np.ones((len(points), 1))]) @ np.linalg.inv(volume.affine).T)[:, :3]
        k = slices[str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)]
        assert np.abs(places[:, 0] - k).max() < 1e-3
        mask[k] |= Polygon(places[[*range(len(places)), 0], 1:]).contains_points(centres).reshape(mask.shape[1:])
    return mask


def test_every_voxel_lies_within_its_contour(case: Case) -> None:
    """Filled on the source's grid, the contours give the reading's masks to the voxel; each lies on its image."""
    labels = case.reading.labels
    assert labels is not None
    for roi, label in zip(structure_set(case).ROIContourSequence, LABELS[:2], strict=True):
        assert np.array_equal(within(roi, case), labels == label.number)


def test_rois_are_named_coded_coloured_and_not_approved(case: Case) -> None:
    """Name, colour, code, side, type and volume are the structure's; nobody has approved anything."""
    made = structure_set(case)
    assert [item.ROIName for item in made.StructureSetROISequence] == [label.name for label in LABELS[:2]]
    assert [item.ROIDisplayColor for item in made.ROIContourSequence] == [
        list(label.colour_rgb) for label in LABELS[:2]
    ]
    volumes = [float(item.ROIVolume) for item in made.StructureSetROISequence]
    assert volumes == pytest.approx([item.measurements[0].value for item in case.reading.structures])
    observation = made.RTROIObservationsSequence[1]
    (code,) = observation.RTROIIdentificationCodeSequence
    assert (code.CodeValue, observation.RTROIInterpretedType) == (LABELS[1].concept.value, "ORGAN")
    assert code.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert made.ApprovalStatus == "UNAPPROVED"


def test_it_refers_to_every_image_that_was_read(case: Case) -> None:
    """Slices without a contour have been looked at too; nothing else is listed."""
    (frame_of_reference,) = structure_set(case).ReferencedFrameOfReferenceSequence
    (series,) = frame_of_reference.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    listed = [image.ReferencedSOPInstanceUID for image in series.ContourImageSequence]
    assert listed == [source.SOPInstanceUID for source in case.series.datasets]


def test_it_passes_the_gate_and_is_always_the_same(case: Case) -> None:
    """The gate takes it with the other results; twice built, not a bit differs."""
    objects = build(case, KINDS)
    output_gate.check(objects, case)
    assert objects == build(case, KINDS)


@pytest.mark.parametrize("masks", [True, False])
def test_detections_are_outlined_with_and_without_a_mask(tmp_path: Path, *, masks: bool) -> None:
    """A nodule's ROI is its mask's contours, or the one outline that a detector drew; it gets no planner's type."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    case = case_of(series, detections_reading(series, masks=masks), a_nodule_card())
    made = structure_set(case)
    names = [item.ROIName for item in made.StructureSetROISequence]
    assert names[-2:] == [f"{NODULE.name} 1", f"{NODULE.name} 2"]
    assert not made.RTROIObservationsSequence[-1].RTROIInterpretedType
    assert (len(made.ROIContourSequence[-1].ContourSequence) == 1) or masks
    output_gate.check(build(case, KINDS), case)


def test_an_image_without_a_place_in_space_has_none(case: Case) -> None:
    """Contours of a radiograph would lie nowhere, so there are none."""
    planar = Image(array=np.zeros((1, 4, 4)), spacing_mm=None)
    assert build_rt_structure_set(replace(case, series=replace(case.series, source=planar))) is None


def test_a_source_without_a_frame_of_reference_is_refused(tmp_path: Path) -> None:
    """No contour is placed in an unknown space."""
    write_mr_series(tmp_path, without=("FrameOfReferenceUID",))
    series = load(tmp_path)
    with pytest.raises(SourceRefused, match="Frame of Reference UID"):
        build_rt_structure_set(case_of(series, a_reading(series), a_card()))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda made: setattr(made, "ApprovalStatus", "APPROVED"), "claims to be approved"),
        (lambda made: _shift(made, (0, 0, 0.1)), "does not lie on its image"),
        (lambda made: made.ROIContourSequence[0].ContourSequence.pop(), "another area than the reading"),
        (lambda made: made.RTROIObservationsSequence.pop(), "not numbered from 1"),
    ],
)
def test_the_gate_holds_back_what_is_wrong(case: Case, change: object, told: str) -> None:
    """Approval, a contour off its image, a missing contour, a missing observation: none of them leaves."""
    objects = []
    for made in build(case, KINDS):
        if made.kind == "RTSTRUCT":
            dataset = parsed(made.data)
            change(dataset)  # type: ignore[operator]
            objects.append(encoded(dataset, "RTSTRUCT"))
        else:
            objects.append(made)
    with pytest.raises(OutputRefused, match=f"contours: .*{told}"):
        output_gate.check(objects, case)


def _shift(made: Dataset, way: tuple[float, float, float]) -> None:
    contour = made.ROIContourSequence[0].ContourSequence[0]
    points = np.array(contour.ContourData, float).reshape(-1, 3) + way
    contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
