"""SR-B: what machines read, a Comprehensive 3D SR by TID 1500.

A TID 1411 group for each segment and a TID 1501 group for each answer about the whole image and each count. A group
with coordinates has no place here: OHIF shows nothing of a report that mixes both.
"""

from collections.abc import Iterable, Iterator, Sequence

from highdicom.sr import (
    QualitativeEvaluation,
    ReferencedSegment,
    SourceImageForMeasurementGroup,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from models.card.card_parts import Concept, Label
from models.findings import Count, Finding, Measurement, Reading
from models.volume import Waveform
from worker.case.case import Case
from worker.case.labels_told import abnormal
from worker.case.other_series_words import what_was_measured
from worker.objects.measurement_groups import Groups, measurement_report
from worker.objects.segments import counting_name, segmented, side_of
from worker.objects.sr_document import coded

_CERTAINTY = Concept(value="111012", scheme="DCM", meaning="Certainty of Finding")
_PERCENT = Concept(value="%", scheme="UCUM", meaning="Percent")
PRESENT = Concept(value="52101004", scheme="SCT", meaning="Present")
ABSENT = Concept(value="2667000", scheme="SCT", meaning="Absent")
#: The Tracking Identifier of numbers about the whole image.
WHOLE_IMAGE = "Whole image"
_PRESENCE = codes.DCM.PresenceOfProperty
#: Where no more images than this were read (an X-ray, a mammogram's views), each answer names them; of a volume the
#: evidence names all.
_FEW_IMAGES = 4


def has_report(case: Case) -> bool:
    """Say whether there is something that SR-B tells; an ECG's numbers stand in a report of their own."""
    if isinstance(case.series.source, Waveform):
        return False
    reading = case.reading
    absent = any(abnormal(label) for label in reading.missing)
    return bool(segmented(reading) or reading.findings or reading.measurements or reading.counts or absent)


def build_report(case: Case, segmentation: Dataset | None) -> Dataset:
    """Return the SR of a reading, of which `has_report` holds; it refers to the segments of this segmentation."""
    groups = Groups.of(case)
    made = list(_answers(case, groups))
    evidence = list(case.series.evidence)
    if segmentation is not None:
        made = [*_segments(case, groups, segmentation), *made]
        evidence.append(segmentation)
    return measurement_report(case, made, evidence, "SR", comments=what_was_measured(case))


def _segments(case: Case, groups: Groups, segmentation: Dataset) -> Iterator[Dataset]:
    # The series instead of each of its images, which the evidence lists: thousands of items else (TID 1411).
    source = SourceSeriesForSegmentation(case.head.SeriesInstanceUID)
    source.ConceptNameCodeSequence[0].CodeMeaning = "Source series for segmentation"  # PS3.16's own spelling
    for number, thing in enumerate(segmented(case.reading), start=1):
        segment = ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=number,
            source_series=source,
        )
        yield groups.of_thing(thing, "1411", segment)


def _answers(case: Case, groups: Groups) -> Iterator[Dataset]:
    reading = case.reading
    for finding in reading.findings:
        certainty = finding.certainty_percent
        numbers = () if certainty is None else (Measurement(name=_CERTAINTY, value=certainty, unit=_PERCENT),)
        tracked = _tracked(case, _answer_name(case, finding), "finding", finding.name.scheme, finding.name.value)
        yield _answer(case, groups, tracked, finding, numbers)
    for label in reading.missing:
        if abnormal(label) and not _answered(label, reading):
            tracked = _tracked(case, label.name, "missing", str(label.number))
            # The concept of a left effusion is that of a right one: only the side says which is absent.
            yield _answer(case, groups, tracked, Finding(name=label.concept, value=ABSENT), (), _side(label))
    for count in reading.counts:
        yield _how_many(case, groups, count)
    if reading.measurements:
        yield _answer(case, groups, _tracked(case, WHOLE_IMAGE, "whole image"), None, reading.measurements)


def _answered(label: Label, reading: Reading) -> bool:
    """Say whether a finding says, with its certainty, what the lack of this label would; no finding has a side."""
    return label.laterality is None and any(_is_same(finding.name, label.concept) for finding in reading.findings)


def _answer_name(case: Case, finding: Finding) -> str:
    """Return the Tracking Identifier of an answer: its meaning, with its code where it would not be the only one."""
    name, taken = finding.name, {WHOLE_IMAGE, *(label.name for label in case.provenance.card.labels)}
    taken |= {other.name.meaning for other in case.reading.findings if not _is_same(other.name, name)}
    return f"{name.meaning} ({name.value}, {name.scheme})" if name.meaning in taken else name.meaning


def _is_same(one: Concept, other: Concept) -> bool:
    return (one.value, one.scheme) == (other.value, other.scheme)


def _tracked(case: Case, name: str, *output: str) -> TrackingIdentifier:
    return TrackingIdentifier(uid=case.provenance.uid("tracking", *output), identifier=name)


def _answer(
    case: Case,
    groups: Groups,
    tracked: TrackingIdentifier,
    finding: Finding | None,
    measurements: Sequence[Measurement],
    side: Iterable[Dataset] = (),
) -> Dataset:
    return groups.of_answer(
        tracked,
        finding=finding.name if finding else None,
        measurements=measurements,
        evaluation=(*(_evaluation(finding) if finding else ()), *side),
        images=_images(case),
    )


def _how_many(case: Case, groups: Groups, count: Count) -> Dataset:
    return groups.of_answer(
        _tracked(case, counting_name(count), "count", str(count.label.number)),
        finding=count.label.concept,
        measurements=(count.measurement,),
        evaluation=_side(count.label),
        images=_images(case),
    )


def _side(label: Label) -> Iterable[Dataset]:
    side = side_of(label.laterality)
    return QualitativeEvaluation(codes.SCT.Laterality, side) if side else ()


def _images(case: Case) -> list[SourceImageForMeasurementGroup]:
    """Return the images that an answer is of: one that was not read is no negative.

    Of one that was read whole no frames are named.
    """
    series, unread = case.series, frozenset(case.reading.unread)
    frames = [number for index, number in enumerate(series.frame_numbers) if index not in unread]
    if len(frames) == int(case.head.get("NumberOfFrames") or 1):
        frames = []
    read = [
        image for index, image in enumerate(series.datasets) if index not in unread or len(series.frame_numbers) > 0
    ]
    if max(len(read), len(frames)) > _FEW_IMAGES:
        return []
    return [SourceImageForMeasurementGroup(one.SOPClassUID, one.SOPInstanceUID, frames or None) for one in read]


def _evaluation(finding: Finding) -> QualitativeEvaluation:
    condition = finding.value.value in (PRESENT.value, ABSENT.value)
    return QualitativeEvaluation(_PRESENCE if condition else coded(finding.name), coded(finding.value))
