"""Segmentations of images without a place in space, and the gate that they pass."""

from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from models.findings import Reading
from models.volume import Image
from tests.readings import LABELS, a_card, a_reading, case_of
from worker.case.case import Case
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.objects.object_encoding import ResultObject, encoded
from worker.planar_testing import a_chest, write_planar_image
from worker.results import build
from worker.series.series_volume import load_series


def a_case(folder: Path, kind: str, reading_of: Callable[..., Reading] = a_reading, **attributes: object) -> Case:
    """Return the case of a known reading on two views of a chest, or on a clip of three frames."""
    if kind == "US multi-frame":
        clip = np.random.default_rng(1).integers(0, 255, (3, 40, 32)).astype(np.uint8)
        files = [write_planar_image(folder / "a.dcm", clip, kind=kind, attributes=attributes)]
    else:
        files = [
            write_planar_image(folder / f"{n}.dcm", a_chest(), kind=kind, number=n, attributes=attributes)
            for n in (1, 2)
        ]
    series = load_series(files, max_voxels=10**7)
    return case_of(series, reading_of(series), a_card())


def seg_of(case: Case) -> tuple[hd.seg.Segmentation, list[ResultObject]]:
    """Return the SEG as it is read back, and all objects."""
    objects = list(build(case, ("SEG", "LABELMAP", "TEXT-SR")))
    (data,) = [made.data for made in objects if made.kind == "SEG"]
    return hd.seg.segread(DicomBytesIO(data)), objects


@pytest.mark.parametrize("kind", ["CR", "DX", "MG", "US multi-frame"])
@pytest.mark.parametrize("attributes", [{}, {"FrameOfReferenceUID": "1.2.3"}], ids=["nowhere", "frame of reference"])
def test_each_frame_refers_to_its_image_and_to_no_place(tmp_path: Path, kind: str, attributes: dict[str, str]) -> None:
    """The pixels are the reading's, found by the image or frame that they were drawn on; the gate is content.

    A Frame of Reference without positions, which some X-rays have, says nothing of where a pixel lies.
    """
    case = a_case(tmp_path, kind, **attributes)
    seg, objects = seg_of(case)
    output_gate.check(objects, case)
    assert not any(keyword in seg for keyword in ("FrameOfReferenceUID", "PositionReferenceIndicator"))
    uids = [str(dataset.SOPInstanceUID) for dataset in case.series.datasets]
    options = {"combine_segments": True, "assert_missing_frames_are_empty": True}
    if case.series.frame_numbers:
        found = seg.get_pixels_by_source_frame(uids[0], list(case.series.frame_numbers), **options)
    else:
        found = seg.get_pixels_by_source_instance(uids, **options)
    labels = case.reading.labels
    assert labels is not None
    np.testing.assert_array_equal(found == 1, labels == LABELS[0].number)
    np.testing.assert_array_equal(found == 2, labels == LABELS[1].number)
    referenced = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert [str(item.ReferencedSOPInstanceUID) for item in referenced] == uids
    assert {str(item.ReferencedSOPClassUID) for item in referenced} == {str(case.head.SOPClassUID)}


@pytest.mark.parametrize(
    ("second", "told"), [(["L", "F"], ["L", "F"]), (["P", "F"], None), (None, None)], ids=["same", "other", "none"]
)
def test_an_orientation_is_that_of_all_images(tmp_path: Path, second: list[str] | None, told: list[str] | None) -> None:
    """A segmentation says it once for all of its frames: where its images differ it says nothing."""
    files = [
        write_planar_image(tmp_path / f"{n}.dcm", a_chest(), number=n, attributes={"PatientOrientation": stated})
        for n, stated in ((1, ["L", "F"]), (2, second))
    ]
    series = load_series(files, max_voxels=10**7)
    case = case_of(series, a_reading(series), a_card())
    objects = list(build(case, ("SEG", "LABELMAP", "TEXT-SR")))
    output_gate.check(objects, case)
    for made in (dcmread(DicomBytesIO(each.data)) for each in objects[:2]):
        assert (list(made.PatientOrientation) if made.PatientOrientation else None) == told


def test_the_same_reading_gives_the_same_bytes(tmp_path: Path) -> None:
    """No UID and no time is new."""
    case = a_case(tmp_path, "DX")
    assert [made.data for made in seg_of(case)[1]] == [made.data for made in seg_of(case)[1]]


def test_no_patient_goes_through_the_stand_ins(tmp_path: Path) -> None:
    """Whose images they are comes from the identity alone, and is all there."""
    seg, _ = seg_of(a_case(tmp_path, "DX"))
    assert (str(seg.PatientName), seg.PatientID, seg.Modality) == ("Test^Chest", "TEST-2", "SEG")


def _placed(seg: Dataset) -> None:
    seg.FrameOfReferenceUID = "1.2.3"


def _of_another_image(seg: Dataset) -> None:
    seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[
        0
    ].ReferencedSOPInstanceUID = "1.2.3"


def _of_another_frame(seg: Dataset) -> None:
    seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = 9


def _of_another_size(seg: Dataset) -> None:
    seg.Rows, seg.Columns = seg.Columns, seg.Rows


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_placed, "where in the patient"),
        (_of_another_image, "not derived from an image"),
        (_of_another_frame, "not derived from an image"),
        (_of_another_size, "rows or columns"),
    ],
)
def test_the_gate_refuses(tmp_path: Path, spoil: Callable[[Dataset], None], told: str) -> None:
    """A place that nobody knows, and pixels that are not those of an image that was read."""
    case = a_case(tmp_path, "US multi-frame")
    _, objects = seg_of(case)
    seg = dcmread(DicomBytesIO(objects[0].data))
    spoil(seg)
    with pytest.raises(OutputRefused, match=f"planar geometry: .*{told}"):
        output_gate.check([encoded(seg, "SEG"), *objects[1:]], case)


def test_the_source_has_a_spacing(tmp_path: Path) -> None:
    """What is measured on the source is measured on the segmentation: it lies pixel on pixel."""
    case = a_case(tmp_path, "DX")
    assert isinstance(case.series.source, Image)
    assert case.series.source.spacing_mm == (0.2, 0.25)
