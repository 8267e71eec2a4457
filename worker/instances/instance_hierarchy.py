"""Sequences of studies, their series and instances, as documents name others (PS3.3 C.17.2.1): written and read."""

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset

from worker.instances.instance_reference import InstanceReference


def hierarchy_of(references: Sequence[InstanceReference]) -> list[Dataset]:
    """Return the items of such a sequence, one a study with its series and their instances, in the order given."""
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


def listed_references(report: Dataset, keyword: str = "PertinentOtherEvidenceSequence") -> Iterator[InstanceReference]:
    """Yield the instances that a sequence of studies, series and instances names (PS3.3 C.17.2.1)."""
    for study in report.get(keyword, ()):
        for series in study.ReferencedSeriesSequence:
            for item in series.ReferencedSOPSequence:
                yield InstanceReference(
                    study_instance_uid=str(study.StudyInstanceUID),
                    series_instance_uid=str(series.SeriesInstanceUID),
                    sop_class_uid=str(item.ReferencedSOPClassUID),
                    sop_instance_uid=str(item.ReferencedSOPInstanceUID),
                )
