"""An earlier read of ours, looked for in an archive: whatever it answers is checked as if a stranger had written it."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, EnhancedSRStorage

from dicom_node.archives.found import FoundSeries, FoundStudy
from dicom_node.archives.identity import StudyIdentity
from dicom_node.errors import ArchiveUnreachable
from models.card.manifest import Card
from worker.case.prior import EarlierRead
from worker.errors import IdentityUncertain
from worker.jobs.study_moment import is_before
from worker.priors.earlier_report import KINDS, earlier_read

_CLASSES = (str(Comprehensive3DSRStorage), str(EnhancedSRStorage))
#: Earlier studies that are looked into, the latest first, and reports of ours in one.
_MOST_STUDIES = 5
_MOST_REPORTS = 8
#: Each answer has a limit of its own; together they are not waited for longer than this.
_LONGEST_S = 10.0


class EarlierArchive(Protocol):
    """What is asked of an archive; `ArchiveClient` of `dicom_node.archives` is one. Every method raises NodeError."""

    def find_studies(self, patient_id: str) -> list[FoundStudy]:
        """Return the studies under exactly this patient id."""

    def find_series(self, study_uid: str, modality: str) -> list[FoundSeries]:
        """Return the series of this modality in a study."""

    def get_series(self, study_uid: str, series_uid: str, sop_classes: Sequence[str]) -> list[bytes]:
        """Return the first instances of these classes in a series as DICOM files."""


def search(
    archive: EarlierArchive,
    source: Dataset,
    card: Card,
    studied_at: str,
    is_patient: Callable[[Dataset], bool],
    is_like: Callable[[EarlierRead], bool],
) -> EarlierRead | None:
    """Return the latest read of an earlier study of this patient by this model, None where the archive has none.

    Args:
        archive: Where to look.
        source: Patient and study of today's read.
        card: Of the model.
        studied_at: When today's study was made.
        is_patient: Says of a report whether it is of today's patient.
        is_like: Says of a read whether its images show what today's do; one that does not is passed over.

    Raises IdentityUncertain where the archive knows somebody else under this id, NodeError.
    """
    give_up_at = time.monotonic() + _LONGEST_S
    today = StudyIdentity.of(source)
    candidates = []
    for study in archive.find_studies(today.patient_id):
        different = set(study.identity.differs_from(today)) - {"AccessionNumber"}
        if different and "IssuerOfPatientID" not in different:
            raise IdentityUncertain("the archive has studies under this patient id that differ in name or birth date")
        moment = study.study_date + study.study_time
        if not different and is_before(moment, studied_at) and study.study_instance_uid != source.StudyInstanceUID:
            candidates.append((moment, study.study_instance_uid))
    for _, study_uid in sorted(candidates, reverse=True)[:_MOST_STUDIES]:
        reports: list[bytes] = []
        for series in _reports_in(archive, study_uid, card):
            if time.monotonic() > give_up_at:
                raise ArchiveUnreachable(f"searching for an earlier read took longer than {_LONGEST_S:g} s")
            reports += archive.get_series(study_uid, series.series_instance_uid, _CLASSES)
        found = earlier_read(reports, card, is_patient, study_instance_uid=study_uid)
        if found is not None and is_before(found.studied_at, studied_at) and is_like(found):
            return found
    return None


def _reports_in(archive: EarlierArchive, study_uid: str, card: Card) -> list[FoundSeries]:
    found = archive.find_series(study_uid, "SR")
    return [
        series
        for series in found
        if any(series.series_description.endswith(f"AI {card.name} {kind}") for kind in KINDS)
    ][:_MOST_REPORTS]
