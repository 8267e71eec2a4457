"""What a study in an archive consists of (C-FIND, PS3.4 C.4.1): how many instances, of which SOP classes."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicom_node.archives.query import Limits, answers_to, count_in
from dicom_node.archives.requestor import Requestor
from dicom_node.datasets.origin import is_uid

#: A study may have tens of thousands of images, each a line.
_LIMITS = Limits(seconds=300.0, bytes_all=256 << 20, answers=200_000)


@dataclass(frozen=True, kw_only=True)
class StudyContents:
    """A study as its archive lists it.

    Attributes:
        instances: How many it has; None where the archive does not say.
        sop_classes: Of its instances, what is a UID; empty where the archive does not say.
    """

    instances: int | None
    sop_classes: tuple[str, ...]


def contents_of(requestor: Requestor, study_uid: str) -> StudyContents | None:
    """Return what the archive has of a study; None if it has none.

    Raises ArchiveUnreachable, AssociationRejected, QueryFailed.
    """
    wanted = _query("STUDY", study_uid)
    wanted.NumberOfStudyRelatedInstances = wanted.SOPClassesInStudy = None
    # An archive that ignores the key answers with all its studies.
    found = [
        answer
        for answer in answers_to(requestor, wanted, _LIMITS)
        if str(answer.get("StudyInstanceUID") or "") == study_uid
    ]
    if not found:
        return None
    counts = (count_in(item, "NumberOfStudyRelatedInstances") for item in found)
    instances = next((count for count in counts if count is not None), None)
    classes = tuple(sorted({uid for item in found for uid in _uids(item.get("SOPClassesInStudy")) if is_uid(uid)}))
    if instances is not None and classes:
        return StudyContents(instances=instances, sop_classes=classes)
    # Both are optional there (PS3.4 C.6.2.1.2); the instances themselves are not.
    listed = {
        str(image.get("SOPInstanceUID") or ""): str(image.get("SOPClassUID") or "")
        for series_uid in _series(requestor, study_uid)
        for image in _images(requestor, study_uid, series_uid)
    }
    classes = classes or tuple(sorted({uid for uid in listed.values() if is_uid(uid)}))
    return StudyContents(instances=instances if instances is not None else len(listed), sop_classes=classes)


def instances_of(requestor: Requestor, study_uid: str) -> frozenset[str]:
    """Return the SOP Instance UIDs of what the archive has of a study, as it lists them one by one.

    Raises ArchiveUnreachable, AssociationRejected, QueryFailed.
    """
    return frozenset(
        str(image.get("SOPInstanceUID") or "")
        for series_uid in _series(requestor, study_uid)
        for image in _images(requestor, study_uid, series_uid)
    )


def _series(requestor: Requestor, study_uid: str) -> list[str]:
    wanted = _query("SERIES", study_uid)
    wanted.SeriesInstanceUID = ""
    found = {str(answer.get("SeriesInstanceUID") or "") for answer in _of_study(requestor, wanted, study_uid)}
    return sorted(found - {""})


def _images(requestor: Requestor, study_uid: str, series_uid: str) -> Iterator[Dataset]:
    wanted = _query("IMAGE", study_uid)
    wanted.SeriesInstanceUID = series_uid
    wanted.SOPInstanceUID = wanted.SOPClassUID = ""
    yield from _of_study(requestor, wanted, study_uid)


def _of_study(requestor: Requestor, wanted: Dataset, study_uid: str) -> Iterator[Dataset]:
    """Yield the answers that are of a study: an archive that ignores the key answers with those of all its studies."""
    for answer in answers_to(requestor, wanted, _LIMITS):
        if str(answer.get("StudyInstanceUID") or study_uid) == study_uid:
            yield answer


def _query(level: str, study_uid: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    query.StudyInstanceUID = study_uid
    return query


def _uids(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, MultiValue) else (value,)
    return tuple(str(item) for item in values if item)
