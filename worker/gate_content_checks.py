"""What SEG and SR must say: of the images that were read, on their grid, the same of each other, plausible numbers."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from worker.gate_bundle import Bundle, FrameKey, children, content_items, name_of
from worker.segmentation import segment_numbers

_TRACKING_IDENTIFIER = ("112039", "DCM")
_TRACKING_UID = ("112040", "DCM")
_MEASUREMENT_GROUP = ("125007", "DCM")
_REFERENCED_SEGMENT = ("121191", "DCM")
_VOLUME = ("118565006", "SCT")
_ML = {"ml": 1.0, "mL": 1.0, "mm3": 1e-3}
_COORDINATES = ("SCOORD", "SCOORD3D")
_FLAGS = {"CompletionFlag": "COMPLETE", "PreliminaryFlag": "PRELIMINARY", "VerificationFlag": "UNVERIFIED"}
_SAME_MM = 1e-3
_SAME_COSINE = 1e-4
#: What a DS of 16 characters keeps of a number.
_SAME_NUMBER = 1e-6


def flags(bundle: Bundle) -> Iterator[str]:
    """Reports are complete, preliminary and unverified (PS3.3 C.17.2)."""
    for report in bundle.reports:
        wrong = [keyword for keyword, value in _FLAGS.items() if report.get(keyword) != value]
        if wrong or "VerifyingObserverSequence" in report:
            yield f"wrong {', '.join(wrong) or 'VerifyingObserverSequence'}"


def evidence(bundle: Bundle) -> Iterator[str]:
    """The evidence of a report is what was read and the segmentation it speaks of; nothing else is referred to."""
    made = {
        (str(seg.StudyInstanceUID), str(seg.SeriesInstanceUID), str(seg.SOPInstanceUID)): str(seg.SOPClassUID)
        for seg in bundle.segmentations
    }
    for report in bundle.reports:
        listed = dict(_listed(report.get("CurrentRequestedProcedureEvidenceSequence", ())))
        read = {key: uid for key, uid in listed.items() if key not in made}
        if any(bundle.sources.instances.get(key) != uid for key, uid in read.items()):
            yield "lists an instance that was not read"
        if not read or (bundle.sources.exact and len(read) < len(bundle.sources.instances)):
            yield "does not list every instance that was read"
        known = {uid for _, _, uid in listed}
        if any(str(reference.ReferencedSOPInstanceUID) not in known for reference in _references(report)):
            yield "refers to an instance that is not in the evidence"
        if any(made.get(key, uid) != uid for key, uid in listed.items()):
            yield "names another SOP class than the segmentation has"


def _listed(studies: Iterable[Dataset]) -> Iterator[tuple[tuple[str, str, str], str]]:
    for study in studies:
        for series in study.ReferencedSeriesSequence:
            for item in series.ReferencedSOPSequence:
                key = (str(study.StudyInstanceUID), str(series.SeriesInstanceUID), str(item.ReferencedSOPInstanceUID))
                yield key, str(item.ReferencedSOPClassUID)


def _references(report: Dataset) -> Iterator[Dataset]:
    for item in content_items(report):
        yield from item.get("ReferencedSOPSequence", ())


def geometry(bundle: Bundle) -> Iterator[str]:
    """A segmentation lies on its source: grid, frame of reference, and every frame on the frame it was made from."""
    for seg in bundle.segmentations:
        if str(seg.get("FrameOfReferenceUID", "")) != bundle.sources.frame_of_reference_uid:
            yield "another frame of reference"
        shared = seg.SharedFunctionalGroupsSequence[0]
        orientation = [float(value) for value in shared.PlaneOrientationSequence[0].ImageOrientationPatient]
        spacing = [float(value) for value in shared.PixelMeasuresSequence[0].PixelSpacing]
        wrong = set()
        for frame in seg.PerFrameFunctionalGroupsSequence:
            key = source_frame(frame)
            plane = bundle.sources.planes.get(key) if key else None
            if plane is None:
                wrong.add("a frame is not derived from an image that was read")
                continue
            position = [float(value) for value in frame.PlanePositionSequence[0].ImagePositionPatient]
            if not np.allclose(position, plane.position_mm, rtol=0, atol=_SAME_MM):
                wrong.add("a frame lies elsewhere than its source")
            if not np.allclose(orientation, plane.orientation, rtol=0, atol=_SAME_COSINE):
                wrong.add("another orientation")
            if not np.allclose(spacing, plane.spacing_mm, rtol=1e-4, atol=0):
                wrong.add("another pixel spacing")
            if (int(seg.Rows), int(seg.Columns)) != plane.size:
                wrong.add("another number of rows or columns")
        yield from sorted(wrong)


def source_frame(frame: Dataset) -> FrameKey | None:
    """Return the source frame from which a frame of a segmentation was derived, None where that is not one."""
    images = [
        image
        for derivation in frame.get("DerivationImageSequence", ())
        for image in derivation.get("SourceImageSequence", ())
    ]
    if len(images) != 1:
        return None
    return str(images[0].ReferencedSOPInstanceUID), int(images[0].get("ReferencedFrameNumber") or 0)


def segments(bundle: Bundle) -> Iterator[str]:
    """No segmentation is empty, no segment is, and the voxels are those of the reading."""
    for seg in bundle.segmentations:
        described = [int(item.SegmentNumber) for item in seg.get("SegmentSequence", ())]
        if described != list(range(1, len(described) + 1)) or not described:
            yield "segments are not numbered from 1 without a gap"
        counted = dict.fromkeys(described, 0)
        differing = 0
        for number, key, pixels in _frames(seg):
            counted[number] = counted.get(number, 0) + int(pixels.sum())
            if bundle.reading is not None and bundle.reading.labels is not None and key in bundle.sources.slice_of:
                labels = {place: label for label, place in segment_numbers(bundle.reading).items()}
                expected = bundle.reading.labels[bundle.sources.slice_of[key]] == labels.get(number, -1)
                differing += int((expected != pixels).sum())
        if set(counted) != set(described):
            yield "a frame belongs to a segment that is not described"
        if not all(counted.values()):
            yield "a segment is empty"
        if differing:
            yield f"{differing} voxels differ from the reading"
        if bundle.reading is not None:
            expected_voxels = [structure.voxels for structure in bundle.reading.structures]
            if [counted.get(number) for number in described] != expected_voxels:
                yield "a segment has another number of voxels than the reading"


def _frames(seg: Dataset) -> Iterator[tuple[int, FrameKey, NDArray[np.bool_]]]:
    """Yield segment number, source frame and pixels of each frame; bits are packed across frames (PS3.5 8.1.1)."""
    packed = np.frombuffer(seg.PixelData, np.uint8)
    size = int(seg.Rows) * int(seg.Columns)
    shared = seg.SharedFunctionalGroupsSequence[0]
    for index, frame in enumerate(seg.PerFrameFunctionalGroupsSequence):
        first = index * size
        bits = np.unpackbits(packed[first // 8 : (first + size + 7) // 8], bitorder="little")
        pixels = bits[first % 8 : first % 8 + size].reshape(int(seg.Rows), int(seg.Columns)).astype(bool)
        identification = frame.get("SegmentIdentificationSequence") or shared.SegmentIdentificationSequence
        yield int(identification[0].ReferencedSegmentNumber), source_frame(frame) or ("", 0), pixels


def tracking(bundle: Bundle) -> Iterator[str]:
    """Every group has a tracking identifier and UID, the same as the segment that it refers to."""
    tracked = {
        (str(seg.SOPInstanceUID), int(item.SegmentNumber)): (str(item.get("TrackingID")), str(item.get("TrackingUID")))
        for seg in bundle.segmentations
        for item in seg.get("SegmentSequence", ())
    }
    referred = set()
    for group in _groups(bundle):
        identifiers, uids = children(group, *_TRACKING_IDENTIFIER), children(group, *_TRACKING_UID)
        if len(identifiers) != 1 or len(uids) != 1:
            yield "a group without a tracking identifier and a tracking UID"
            continue
        for item in children(group, *_REFERENCED_SEGMENT):
            reference = item.ReferencedSOPSequence[0]
            key = (str(reference.ReferencedSOPInstanceUID), int(reference.get("ReferencedSegmentNumber") or 0))
            referred.add(key)
            if key not in tracked:
                yield "a group refers to a segment that does not exist"
            elif tracked[key] != (str(identifiers[0].TextValue), str(uids[0].UID)):
                yield "a group and its segment are tracked differently"
    if set(tracked) - referred:
        yield "a segment has no group in the report"


def kinds_of_group(bundle: Bundle) -> Iterator[str]:
    """No report mixes groups with coordinates and groups without: OHIF shows nothing of such a one."""
    for report in bundle.reports:
        drawn = {
            any(item.ValueType in _COORDINATES for item in content_items(group))
            for group in content_items(report)
            if name_of(group) == _MEASUREMENT_GROUP
        }
        if len(drawn) > 1:
            yield "groups with and without coordinates in one report"


def numbers(bundle: Bundle) -> Iterator[str]:
    """Every number is finite; a structure's volume is plausible for the card and the one of the reading."""
    for report in bundle.reports:
        for item in content_items(report):
            if item.get("ValueType") == "NUM" and not math.isfinite(_number(item)):
                yield "a number is not finite"
    volumes = {
        str(children(group, *_TRACKING_IDENTIFIER)[0].TextValue): list(_volumes_ml(group))
        for group in _tracked_groups(bundle)
    }
    for label in bundle.card.labels if bundle.card else ():
        if any(volume not in label.plausible_volume_ml for volume in volumes.get(label.name, ())):
            yield f"the volume of {label.name} is not plausible"
    for structure in bundle.reading.structures if bundle.reading else ():
        told = [m.value for m in structure.measurements]
        group = next((g for g in _tracked_groups(bundle) if _tracks(g, structure.label.name)), Dataset())
        sent = [_number(item) for item in group.get("ContentSequence", ()) if item.ValueType == "NUM"]
        if len(sent) != len(told) or not np.allclose(sent, told, rtol=_SAME_NUMBER, atol=0):
            yield f"the numbers of {structure.label.name} differ from the reading"


def _groups(bundle: Bundle) -> Iterator[Dataset]:
    for report in bundle.reports:
        yield from (item for item in content_items(report) if name_of(item) == _MEASUREMENT_GROUP)


def _tracked_groups(bundle: Bundle) -> list[Dataset]:
    return [group for group in _groups(bundle) if children(group, *_TRACKING_IDENTIFIER)]


def _tracks(group: Dataset, name: str) -> bool:
    return str(children(group, *_TRACKING_IDENTIFIER)[0].TextValue) == name


def _number(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)


def _volumes_ml(group: Dataset) -> Iterator[float]:
    for item in children(group, *_VOLUME):
        unit = str(item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue)
        if unit in _ML:
            yield _number(item) * _ML[unit]
