"""Which earlier reports a result was compared with: Pertinent Other Evidence Sequence (PS3.3 C.17.2)."""

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset

from worker.gate_bundle import Bundle, name_of
from worker.prior import InstanceReference

#: Concept name of a text SR's root (TID 2000).
_TEXT_REPORT = ("18748-4", "LN")


def pertinent_evidence(references: Sequence[InstanceReference]) -> list[Dataset]:
    """Return the items of (0040,A385), one a study with its series and their instances, in the order given."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for reference in references:
        item = Dataset()
        item.ReferencedSOPClassUID = reference.sop_class_uid
        item.ReferencedSOPInstanceUID = reference.sop_instance_uid
        studies.setdefault(reference.study_instance_uid, {}).setdefault(reference.series_instance_uid, []).append(item)
    return [_study(study_uid, series) for study_uid, series in studies.items()]


def _study(study_uid: str, series: dict[str, list[Dataset]]) -> Dataset:
    study = Dataset()
    study.ReferencedSeriesSequence = []
    for series_uid, instances in series.items():
        item = Dataset()
        item.ReferencedSOPSequence = instances
        item.SeriesInstanceUID = series_uid
        study.ReferencedSeriesSequence.append(item)
    study.StudyInstanceUID = study_uid
    return study


def comparison(bundle: Bundle) -> Iterator[str]:
    """The gate's check: what is called pertinent are the reports that were compared with, and of another study."""
    current = {study for study, _, _ in bundle.sources.instances}
    compared = set(bundle.prior.references) if bundle.prior else set()
    for report in bundle.reports:
        listed = set(_listed(report))
        if any(reference.study_instance_uid in current for reference in listed):
            yield "compares with a report of the same study"
        if bundle.reading is not None and listed - compared:
            yield "lists a report that it was not compared with"
        if name_of(report) == _TEXT_REPORT and compared - listed:
            yield "does not list every report that it was compared with"


def _listed(report: Dataset) -> Iterator[InstanceReference]:
    for study in report.get("PertinentOtherEvidenceSequence", ()):
        for series in study.ReferencedSeriesSequence:
            for item in series.ReferencedSOPSequence:
                yield InstanceReference(
                    study_instance_uid=str(study.StudyInstanceUID),
                    series_instance_uid=str(series.SeriesInstanceUID),
                    sop_class_uid=str(item.ReferencedSOPClassUID),
                    sop_instance_uid=str(item.ReferencedSOPInstanceUID),
                )
