"""SR-B: the numbers of a segmentation as a Comprehensive 3D SR by TID 1500, one TID 1411 group a structure.

Every group refers to a segment. One with coordinates has no place here: OHIF shows nothing of a report that mixes both.
"""

import highdicom as hd
from highdicom.sr import (
    FindingSite,
    MeasurementReport,
    ReferencedSegment,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage

from models.findings import Measurement, Structure
from worker.case import Case
from worker.provenance import Provenance
from worker.segmentation import laterality_of, segment_numbers, tracking_uid
from worker.sr_document import algorithm, coded, document, language, observation_context, procedure_reported


def build_report(case: Case, segmentation: Dataset) -> Dataset:
    """Return the SR of a reading's structures; it refers to the segments of this segmentation."""
    reading, provenance = case.reading, case.provenance
    numbers = segment_numbers(reading)
    content = MeasurementReport(
        observation_context=observation_context(provenance),
        procedure_reported=procedure_reported(case),
        imaging_measurements=[
            _group(structure, numbers[structure.label.number], segmentation, provenance)
            for structure in reading.structures
        ],
        language_of_content_item_and_descendants=language(),
    )
    return document(
        content[0],
        [*case.series.datasets, segmentation],
        case,
        kind="SR",
        sop_class_uid=Comprehensive3DSRStorage,
    )


def _group(
    structure: Structure, segment_number: int, segmentation: Dataset, provenance: Provenance
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    label = structure.label
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=tracking_uid(provenance, structure), identifier=label.name),
        referenced_segment=ReferencedSegment.from_segmentation(segmentation, segment_number),
        finding_type=coded(label.concept),
        finding_category=coded(label.category),
        algorithm_id=algorithm(provenance),
        finding_sites=[FindingSite(coded(label.concept), laterality=laterality_of(structure))],
        measurements=[_measurement(measurement) for measurement in structure.measurements],
    )


def _measurement(measurement: Measurement) -> hd.sr.Measurement:
    return hd.sr.Measurement(
        name=coded(measurement.name),
        value=measurement.value,
        unit=coded(measurement.unit),
        method=coded(measurement.method) if measurement.method else None,
    )
