"""What a reading has found as an RT Structure Set (PS3.3 A.19): closed contours in the patient, slice by slice.

highdicom has no writer for it. Contours are not approved, and their names and codes are the segments'.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage
from scipy import ndimage

from models.findings import Detection, Reading
from models.volume import Volume
from worker.case.case import Case
from worker.instances.source_repairs import frame_of_reference_of
from worker.objects.mask_contours import contours
from worker.objects.object_encoding import stamp
from worker.objects.segments import Thing, laterality_of, mask_of, segmented, tracking_name
from worker.objects.sr_document import coded
from worker.series.image_frames import frames_of
from worker.series.slice_geometry import Plane

_log = structlog.get_logger()

#: PS3.3 C.8.8.5.4: the retired class by which a structure set names a study.
_DETACHED_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"
_ANATOMICAL_STRUCTURE = ("91723000", "SCT")
_LONGEST_SH = 16
_LONGEST_LO = 64
_CONTOUR_DATA = 0x3006_0050

#: A closed line on a slice of the volume: ``(points, 2)`` of row and column.
_Line = tuple[int, NDArray[np.float64]]


def build_rt_structure_set(case: Case) -> Dataset | None:
    """Return one ROI for each structure and detection, a contour for each part of it on each slice.

    None where nothing was outlined, and for images without a place in space. Raises SourceRefused when the source lacks
    its Frame of Reference.
    """
    rois = outlined(case.reading)
    if not rois:
        return None
    if not isinstance(case.series.source, Volume):
        _log.info("object left out", kind="RTSTRUCT", reason="the images have no place in space")
        return None
    made = Dataset()
    made.file_meta = FileMetaDataset()
    # A contour may be longer than the 65534 bytes that an explicit VR of DS can hold (PS3.5 7.1.2).
    made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    stamp(made, case, kind="RTSTRUCT", sop_class_uid=RTStructureSetStorage)
    card = case.provenance.card
    made.OperatorsName = None  # Type 2: no person
    made.FrameOfReferenceUID = frame_of_reference_of(case.head)
    made.PositionReferenceIndicator = case.head.get("PositionReferenceIndicator")
    made.StructureSetLabel = f"AI {card.name}"[:_LONGEST_SH]
    made.StructureSetName = made.SeriesDescription
    made.StructureSetDescription = "AI contours, not verified"
    made.StructureSetDate, made.StructureSetTime = made.ContentDate, made.ContentTime
    del made.ContentDate, made.ContentTime
    made.ReferencedFrameOfReferenceSequence = [_referenced_frame_of_reference(case)]
    made.StructureSetROISequence = [_roi(number, thing, case) for number, thing in enumerate(rois, start=1)]
    made.ROIContourSequence = list(_roi_contours(case, rois))
    made.RTROIObservationsSequence = [_observation(number, thing) for number, thing in enumerate(rois, start=1)]
    made.ApprovalStatus = "UNAPPROVED"
    return made


def outlined(reading: Reading) -> tuple[Thing, ...]:
    """Return what becomes an ROI, in the order of ROI numbers: the segments, then detections without a mask."""
    with_voxels = segmented(reading)
    numbers = {thing.number for thing in with_voxels if isinstance(thing, Detection)}
    return (*with_voxels, *(detection for detection in reading.detections if detection.number not in numbers))


def _referenced_frame_of_reference(case: Case) -> Dataset:
    """Name the images that were read, all of them: a slice without a contour has been looked at too."""
    series = Dataset()
    series.SeriesInstanceUID = case.head.SeriesInstanceUID
    series.ContourImageSequence = [_image(case, k) for k in range(_slices(case))]
    study = Dataset()
    study.ReferencedSOPClassUID = _DETACHED_STUDY_MANAGEMENT
    study.ReferencedSOPInstanceUID = case.head.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame_of_reference = Dataset()
    frame_of_reference.FrameOfReferenceUID = frame_of_reference_of(case.head)
    frame_of_reference.RTReferencedStudySequence = [study]
    return frame_of_reference


def _slices(case: Case) -> int:
    return len(case.series.frame_numbers or case.series.datasets)


def _image(case: Case, slice_index: int) -> Dataset:
    frames = case.series.frame_numbers
    source = case.series.datasets[0 if frames else slice_index]
    image = Dataset()
    image.ReferencedSOPClassUID = source.SOPClassUID
    image.ReferencedSOPInstanceUID = source.SOPInstanceUID
    if frames:
        image.ReferencedFrameNumber = frames[slice_index]
    return image


def _roi(number: int, thing: Thing, case: Case) -> Dataset:
    card = case.provenance.card
    roi = Dataset()
    roi.ROINumber = number
    roi.ReferencedFrameOfReferenceUID = frame_of_reference_of(case.head)
    roi.ROIName = tracking_name(thing)
    roi.ROIGenerationAlgorithm = "AUTOMATIC"
    roi.ROIGenerationDescription = f"{card.name} {card.version}"[:_LONGEST_LO]
    if thing.voxels and isinstance(case.series.source, Volume):
        roi.ROIVolume = f"{thing.voxels * case.series.source.voxel_ml:.10g}"
    return roi


def _observation(number: int, thing: Thing) -> Dataset:
    identification = coded(thing.label.concept)
    if (side := laterality_of(thing)) is not None:
        identification.SegmentedPropertyTypeModifierCodeSequence = [side]
    category = thing.label.category
    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.SegmentedPropertyCategoryCodeSequence = [coded(category)]
    observation.RTROIIdentificationCodeSequence = [identification]
    # What is not anatomy gets no type: none of a planner's volumes (PS3.3 C.8.8.8.1) is for a machine to name.
    anatomy = (category.value, category.scheme) == _ANATOMICAL_STRUCTURE
    observation.RTROIInterpretedType = "ORGAN" if anatomy else None
    observation.ROIInterpreter = None  # Type 2: no person
    return observation


def _roi_contours(case: Case, rois: Sequence[Thing]) -> Iterator[Dataset]:
    planes = _planes(case)
    images = [_image(case, k) for k in range(len(planes))]
    for number, (thing, lines) in enumerate(zip(rois, _lines(case.reading, rois), strict=True), start=1):
        contour = Dataset()
        contour.ReferencedROINumber = number
        contour.ROIDisplayColor = list(thing.label.colour_rgb)
        contour.ContourSequence = [
            _contour(place, line, planes[k], images[k]) for place, (k, line) in enumerate(lines, start=1)
        ]
        yield contour


def _planes(case: Case) -> list[Plane]:
    """Return where each slice lies: its own plane, since planners match contours to images by position."""
    found = frames_of(case.series.datasets, numbers=case.series.frame_numbers or None)
    if not case.series.frame_numbers:
        return [frame.plane for frame in found]
    numbered = {frame.number: frame.plane for frame in found}
    return [numbered[number] for number in case.series.frame_numbers]


def _lines(reading: Reading, rois: Sequence[Thing]) -> Iterator[Iterator[_Line]]:
    boxes: dict[str, list[Any]] = {
        kind: ndimage.find_objects(numbers)
        for kind, numbers in (("labels", reading.labels), ("instances", reading.instances))
        if numbers is not None
    }
    for thing in rois:
        if isinstance(thing, Detection) and not thing.voxels:
            yield iter([(thing.slice_index, np.array(thing.outline))])
        else:
            kind, number = (
                ("instances", thing.number) if isinstance(thing, Detection) else ("labels", thing.label.number)
            )
            yield _lines_around(reading, thing, boxes[kind][number - 1])


def _lines_around(reading: Reading, thing: Thing, box: tuple[slice, slice, slice]) -> Iterator[_Line]:
    slices, rows, columns = box
    for k in range(slices.start, slices.stop):
        for line in contours(mask_of(reading, thing, k)[rows, columns]):
            yield k, line + np.array((rows.start, columns.start))


def _contour(place: int, line: NDArray[np.float64], plane: Plane, image: Dataset) -> Dataset:
    position, directions = np.array(plane.position_mm), np.array(plane.orientation).reshape(2, 3)
    row_mm, column_mm = plane.spacing_mm
    points = position + line[:, 1:] * column_mm * directions[0] + line[:, :1] * row_mm * directions[1]
    contour = Dataset()
    contour.ContourNumber = place
    contour.ContourImageSequence = [image]
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    # Written as text at once: a structure set holds millions of numbers, each of which pydicom would check.
    text = "\\".join(map("%.4f".__mod__, points.ravel().tolist()))
    contour.add(DataElement(_CONTOUR_DATA, "DS", text, already_converted=True))
    return contour
