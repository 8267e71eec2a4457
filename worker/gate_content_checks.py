"""What SEG and SR must say: of the images that were read, on their grid, the same of each other, plausible numbers."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from models.findings import Reading
from models.manifest import Card, EcgInterpretation
from worker.gate_bundle import Bundle, FrameKey, children, content_items, name_of
from worker.segmentation import segment_numbers

_TRACKING_IDENTIFIER = ("112039", "DCM")
_TRACKING_UID = ("112040", "DCM")
_REFERENCED_SEGMENT = ("121191", "DCM")
_VOLUME = ("118565006", "SCT")
_ML = {"ml": 1.0, "mL": 1.0, "mm3": 1e-3}
_LEAD_GROUP = ("122159", "DCM")
_HEART_RATE = ("8867-4", "LN")
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
    for report, items in zip(bundle.reports, bundle.items, strict=True):
        listed = dict(_listed(report.get("CurrentRequestedProcedureEvidenceSequence", ())))
        read = {key: uid for key, uid in listed.items() if key not in made}
        if any(bundle.sources.instances.get(key) != uid for key, uid in read.items()):
            yield "lists an instance that was not read"
        if not read or (bundle.sources.exact and len(read) < len(bundle.sources.instances)):
            yield "does not list every instance that was read"
        known = {uid for _, _, uid in listed}
        if any(str(reference.ReferencedSOPInstanceUID) not in known for reference in _references(items)):
            yield "refers to an instance that is not in the evidence"
        if any(made.get(key, uid) != uid for key, uid in listed.items()):
            yield "names another SOP class than the segmentation has"


def _listed(studies: Iterable[Dataset]) -> Iterator[tuple[tuple[str, str, str], str]]:
    for study in studies:
        for series in study.ReferencedSeriesSequence:
            for item in series.ReferencedSOPSequence:
                key = (str(study.StudyInstanceUID), str(series.SeriesInstanceUID), str(item.ReferencedSOPInstanceUID))
                yield key, str(item.ReferencedSOPClassUID)


def _references(items: Iterable[Dataset]) -> Iterator[Dataset]:
    for item in items:
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
    for group in (group for groups in bundle.groups for group in groups):
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
    for groups in bundle.groups:
        drawn = {any(item.ValueType in _COORDINATES for item in content_items(group)) for group in groups}
        if len(drawn) > 1:
            yield "groups with and without coordinates in one report"


def numbers(bundle: Bundle) -> Iterator[str]:
    """Every number is finite, plausible for the card, and the one of the reading."""
    for items in bundle.items:
        if not all(math.isfinite(_number(item)) for item in items if item.ValueType == "NUM"):
            yield "a number is not finite"
    if bundle.card:
        yield from _implausible(bundle, bundle.card)
    if bundle.reading:
        yield from _misquoted(bundle, bundle.reading)


def _implausible(bundle: Bundle, card: Card) -> Iterator[str]:
    tracked = _tracked_groups(bundle)
    for label in card.labels:
        volumes = [ml for group in tracked.get(label.name, ()) for ml in _volumes_ml(group)]
        if any(volume not in label.plausible_volume_ml for volume in volumes):
            yield f"the volume of {label.name} is not plausible"
    if isinstance(card.interpretation, EcgInterpretation):
        rates = [_number(item) for items in bundle.items for item in items if _is_rate(item)]
        if any(rate not in card.interpretation.plausible_heart_rate_bpm for rate in rates):
            yield "the heart rate is not plausible"


def _misquoted(bundle: Bundle, reading: Reading) -> Iterator[str]:
    tracked = _tracked_groups(bundle)
    for structure in reading.structures:
        sent = [number for group in tracked.get(structure.label.name, ()) for number in _numbers_in(group)]
        if not _same(sent, [measurement.value for measurement in structure.measurements]):
            yield f"the numbers of {structure.label.name} differ from the reading"
    if reading.labels is None:
        groups = [item for items in bundle.items for item in items if name_of(item) == _LEAD_GROUP]
        sent = [number for group in groups for number in _numbers_in(group)]
        if not _same(sent, [measurement.value for measurement in reading.measurements]):
            yield "the numbers of the recording differ from the reading"


def _same(sent: list[float], read: list[float]) -> bool:
    return len(sent) == len(read) and np.allclose(sent, read, rtol=_SAME_NUMBER, atol=0)


def _tracked_groups(bundle: Bundle) -> dict[str, list[Dataset]]:
    """Return the measurement groups of all reports by tracking identifier."""
    found: dict[str, list[Dataset]] = {}
    for group in (group for groups in bundle.groups for group in groups):
        for item in children(group, *_TRACKING_IDENTIFIER):
            found.setdefault(str(item.TextValue), []).append(group)
    return found


def _numbers_in(group: Dataset) -> list[float]:
    return [_number(item) for item in group.get("ContentSequence", ()) if item.ValueType == "NUM"]


def _is_rate(item: Dataset) -> bool:
    return item.get("ValueType") == "NUM" and name_of(item) == _HEART_RATE


def _number(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)


def _volumes_ml(group: Dataset) -> Iterator[float]:
    for item in children(group, *_VOLUME):
        unit = str(item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue)
        if unit in _ML:
            yield _number(item) * _ML[unit]
