"""What a report must be: unverified, of what was read, with groups of one kind whose references and regions resolve."""

from collections.abc import Iterable, Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from worker.gate.bundle import Bundle, FrameKey, children, content_items, name_of
from worker.objects.labelmap import LABEL_MAP_STORAGE

_TRACKING_IDENTIFIER = ("112039", "DCM")
_TRACKING_UID = ("112040", "DCM")
_REFERENCED_SEGMENT = ("121191", "DCM")
_SOURCE_SERIES = ("121232", "DCM")
_IMAGE_REGION = ("111030", "DCM")
_SOURCE_IMAGE = ("121112", "DCM")
#: How many segments and regions a group of each template refers to (PS3.16).
_REFERENCES = {"1410": (0, 1), "1411": (1, 0), "1501": (0, 0)}
_COORDINATES = ("SCOORD", "SCOORD3D")
_SEGMENTATIONS = (SegmentationStorage, LABEL_MAP_STORAGE)
_FLAGS = {"CompletionFlag": "COMPLETE", "PreliminaryFlag": "PRELIMINARY", "VerificationFlag": "UNVERIFIED"}
#: Points of the smallest region: a triangle and its first point again.
_FEWEST_POINTS = 4


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
        read = {
            key: uid
            for key, uid in listed.items()
            if key not in made and not (bundle.partial and uid in _SEGMENTATIONS)
        }
        if any(bundle.sources.instances.get(key) != uid for key, uid in read.items()):
            yield "lists an instance that was not read"
        if not read or (bundle.sources.exact and len(read) < len(bundle.sources.instances)):
            yield "does not list every instance that was read"
        if any(made.get(key, uid) != uid for key, uid in listed.items()):
            yield "names another SOP class than the segmentation has"
        series = {series_uid for _, series_uid, _ in read}
        if any(str(item.UID) not in series for item in items if name_of(item) == _SOURCE_SERIES):
            yield "names a series as a segment's source that was not read"


def references(bundle: Bundle) -> Iterator[str]:
    """Whatever a report refers to is in its evidence (PS3.3 C.17.2.3)."""
    for report, items in zip(bundle.reports, bundle.items, strict=True):
        known = {
            uid
            for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
            for (_, _, uid), _ in _listed(report.get(keyword, ()))
        }
        if any(str(reference.ReferencedSOPInstanceUID) not in known for reference in _references(items)):
            yield "refers to an instance that is not in the evidence"


def answered_images(bundle: Bundle) -> Iterator[str]:
    """No answer names as its source an image, or a frame, that no network was asked about."""
    unread = frozenset(bundle.reading.unread) if bundle.reading else frozenset()
    there_are = sum(frames for *_, frames in bundle.sources.sizes.values())
    if not unread and len(bundle.sources.slice_of) in (0, there_are):
        return
    for group in (group for groups in bundle.groups for group in groups):
        named = [key for item in children(group, *_SOURCE_IMAGE) for key in _keys(item.ReferencedSOPSequence[0])]
        # Of an image of several frames, all are meant where none is named: then it has no place in the order.
        if any(bundle.sources.slice_of.get(key) in (None, *unread) for key in named):
            yield "an answer names an image that was not read"


def _keys(reference: Dataset) -> Iterator[FrameKey]:
    numbers = reference.get("ReferencedFrameNumber") or 0
    for number in [numbers] if isinstance(numbers, int) else numbers:
        yield str(reference.ReferencedSOPInstanceUID), int(number)


def _listed(studies: Iterable[Dataset]) -> Iterator[tuple[tuple[str, str, str], str]]:
    for study in studies:
        for series in study.ReferencedSeriesSequence:
            for item in series.ReferencedSOPSequence:
                key = (str(study.StudyInstanceUID), str(series.SeriesInstanceUID), str(item.ReferencedSOPInstanceUID))
                yield key, str(item.ReferencedSOPClassUID)


def _references(items: Iterable[Dataset]) -> Iterator[Dataset]:
    for item in items:
        yield from item.get("ReferencedSOPSequence", ())


def tracking(bundle: Bundle) -> Iterator[str]:
    """Every group has a tracking identifier and UID; one thing has the same two in SEG and in both reports."""
    tracked = {
        (str(seg.SOPInstanceUID), int(item.SegmentNumber)): (str(item.get("TrackingID")), str(item.get("TrackingUID")))
        for seg in bundle.segmentations
        for item in seg.get("SegmentSequence", ())
    }
    made = {str(seg.SOPInstanceUID) for seg in bundle.segmentations}
    pairs, referred = set(tracked.values()), set()
    for group in (group for groups in bundle.groups for group in groups):
        identifiers, uids = children(group, *_TRACKING_IDENTIFIER), children(group, *_TRACKING_UID)
        if len(identifiers) != 1 or len(uids) != 1:
            yield "a group without a tracking identifier and a tracking UID"
            continue
        pair = (str(identifiers[0].TextValue), str(uids[0].UID))
        pairs.add(pair)
        for item in children(group, *_REFERENCED_SEGMENT):
            reference = item.ReferencedSOPSequence[0]
            key = (str(reference.ReferencedSOPInstanceUID), int(reference.get("ReferencedSegmentNumber") or 0))
            referred.add(key)
            if key not in tracked and bundle.partial and key[0] not in made:
                continue
            if key not in tracked:
                yield "a group refers to a segment that does not exist"
            elif tracked[key] != pair:
                yield "a group and its segment are tracked differently"
    if len({name for name, _ in pairs}) < len(pairs) or len({uid for _, uid in pairs}) < len(pairs):
        yield "one thing is tracked under two names or UIDs, or two things under one"
    # A report of regions alone refers to no segment.
    if set(tracked) - referred and any(not is_drawn(group) for groups in bundle.groups for group in groups):
        yield "a segment has no group in the report"


def is_drawn(group: Dataset) -> bool:
    """Say whether a group has coordinates."""
    return any(item.ValueType in _COORDINATES for item in content_items(group))


def kinds_of_group(bundle: Bundle) -> Iterator[str]:
    """Each group is what its template says; no report has some with coordinates and some without (OHIF shows none)."""
    for groups in bundle.groups:
        for group in groups:
            has = (len(children(group, *_REFERENCED_SEGMENT)), len(children(group, *_IMAGE_REGION)))
            if has != _REFERENCES.get(_template_of(group)):
                yield "a group has not the segment or region that its template asks for"
        if len({is_drawn(group) for group in groups}) > 1:
            yield "groups with and without coordinates in one report"


def _template_of(group: Dataset) -> str:
    return next((str(item.TemplateIdentifier) for item in group.get("ContentTemplateSequence", ())), "")


def regions(bundle: Bundle) -> Iterator[str]:
    """A region is a closed line inside the image that it refers to, on a frame that this image has (PS3.3 C.18.6)."""
    for item in (item for items in bundle.items for item in items if item.ValueType in _COORDINATES):
        if item.ValueType != "SCOORD" or item.GraphicType != "POLYLINE":
            yield f"a region is a {item.ValueType} {item.GraphicType}, which not every viewer draws"
            continue
        images = [child for child in item.get("ContentSequence", ()) if child.ValueType == "IMAGE"]
        if len(images) != 1:
            yield "a region refers to no image, or to several"
            continue
        points = np.asarray(item.GraphicData, np.float64).reshape(-1, 2)
        if len(points) < _FEWEST_POINTS or not np.array_equal(points[0], points[-1]):
            yield "a region is not a closed line"
        reference = images[0].ReferencedSOPSequence[0]
        size = bundle.sources.sizes.get(str(reference.ReferencedSOPInstanceUID))
        if size is None:
            yield "a region refers to an image that was not read"
            continue
        rows, columns, frames = size
        if not 0 <= int(reference.get("ReferencedFrameNumber") or 0) <= frames:
            yield "a region refers to a frame that its image does not have"
        if not (np.all(points >= 0) and np.all(points <= (columns, rows))):
            yield "a region lies outside its image"
