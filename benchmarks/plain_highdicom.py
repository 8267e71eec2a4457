"""The peer: highdicom called directly, as its user's guide does, on the same sources and findings."""

import warnings
from collections.abc import Sequence

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from models.findings import Structure
from worker.case.case import Case
from worker.objects.sr_document import coded

_MAKER = {"manufacturer": "benchmark", "manufacturer_model_name": "benchmark", "device_serial_number": "1"}


def segmentation(case: Case, kind: str, transfer_syntax_uid: str) -> hd.seg.Segmentation:
    """Return the label map of a reading as BINARY or LABELMAP; its labels are numbered from 1."""
    algorithm = hd.AlgorithmIdentificationSequence(
        name="benchmark", family=coded(case.provenance.card.family), version="1"
    )
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=structure.label.name,
            segmented_property_category=coded(structure.label.category),
            segmented_property_type=coded(structure.label.concept),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=hd.UID(),
            tracking_id=structure.label.name,
        )
        for number, structure in enumerate(case.reading.structures, start=1)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hd.seg.Segmentation(
            source_images=case.series.datasets,
            pixel_array=case.reading.labels,
            segmentation_type=kind,
            segment_descriptions=descriptions,
            series_instance_uid=hd.UID(),
            series_number=9000,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            software_versions="1",
            transfer_syntax_uid=transfer_syntax_uid,
            **_MAKER,
        )


def report(case: Case, seg: Dataset) -> hd.sr.Comprehensive3DSR:
    """Return a TID 1500 report with a volume for each segment."""
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(uid=hd.UID(), name="benchmark"),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=_groups(case.reading.structures, case, seg),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hd.sr.Comprehensive3DSR(
            evidence=[*case.series.datasets, seg],
            content=content,
            series_number=9000,
            series_instance_uid=hd.UID(),
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="benchmark",
            is_complete=True,
            is_final=False,
        )


def _groups(
    structures: Sequence[Structure], case: Case, seg: Dataset
) -> list[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations]:
    source = hd.sr.SourceSeriesForSegmentation(case.head.SeriesInstanceUID)
    algorithm = hd.sr.AlgorithmIdentification(name="benchmark", version="1")
    return [
        hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier=structure.label.name),
            finding_type=coded(structure.label.concept),
            referenced_segment=hd.sr.ReferencedSegment(
                sop_class_uid=seg.SOPClassUID,
                sop_instance_uid=seg.SOPInstanceUID,
                segment_number=number,
                source_series=source,
            ),
            algorithm_id=algorithm,
            measurements=[
                hd.sr.Measurement(name=coded(told.name), value=told.value, unit=coded(told.unit))
                for told in structure.measurements
            ],
        )
        for number, structure in enumerate(structures, start=1)
    ]
