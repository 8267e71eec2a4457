"""The other side, as client: what delivery needs of an archive, and the archive over DIMSE."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pydicom.dataset import Dataset

from dicom_node.archives import query
from dicom_node.archives.found import FoundSeries, FoundStudy
from dicom_node.archives.identity import StudyIdentity
from dicom_node.archives.query import Limits
from dicom_node.archives.requestor import Requestor
from dicom_node.archives.sender import StoreOutcome, store_files
from dicom_node.contexts import VERIFICATION
from dicom_node.datasets.part10 import read_meta
from dicom_node.errors import ArchiveUnreachable, QueryFailed
from dicom_node.settings import Peer

_SUCCESS = 0x0000


class Outlet(Protocol):
    """Where results go, whatever the protocol. Every method raises ArchiveUnreachable or AssociationRejected."""

    def probe(self) -> None:
        """Prove with little effort that it answers, whatever it answers."""

    def find_study(self, study_uid: str) -> StudyIdentity | None:
        """Return who the archive says that this study belongs to, or None if it does not hold the study.

        Raises QueryFailed too.
        """

    def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        """Send files as they are; return an outcome for each that was answered for, in order.

        Shorter than `files` if the association ended early. Raises NotDicom too, before anything is sent.
        """


class Deleting(Outlet, Protocol):
    """An outlet that can take objects back."""

    def delete(self, study_uid: str, series_uid: str, sop_instance_uid: str) -> None:
        """Delete an instance; one that is not there is deleted. Raises ArchiveError where that is not allowed."""


class ArchiveClient(Outlet, Protocol):
    """An archive that can be searched too."""

    def echo(self) -> None:
        """Prove that the archive answers."""

    def find_studies(self, patient_id: str) -> list[FoundStudy]:
        """Return the studies under exactly this patient id, whoever is meant by it. Raises QueryFailed too."""

    def find_series(self, study_uid: str, modality: str) -> list[FoundSeries]:
        """Return the series of this modality in a study. Raises QueryFailed too."""

    def count_series(self, study_uid: str) -> dict[str, int | None]:
        """Return how many instances it has of each series of a study; None where it does not say it.

        Raises QueryFailed too.
        """

    def get_series(self, study_uid: str, series_uid: str, sop_classes: Sequence[str]) -> list[bytes]:
        """Return the first instances of these classes in a series as DICOM files.

        Raises QueryFailed too, where it has no such series or answers nothing.
        """


class DicomArchive:
    """An archive over DIMSE; a new association for each call."""

    def __init__(
        self,
        peer: Peer,
        calling_ae_title: str,
        *,
        connect_timeout_s: float = 10.0,
        acse_timeout_s: float = 30.0,
        dimse_timeout_s: float = 60.0,
        limits: Limits | None = None,
    ) -> None:
        """Take whom to call, and as whom.

        `limits` hold for what is asked and got; left out, whose a study is may take as long as `dimse_timeout_s`.
        """
        self._limits = limits or Limits()
        # Results wait for whose a study is, however slowly the archive says it; what is searched only adds to them.
        self._patience = limits or Limits(seconds=dimse_timeout_s)
        self._requestor = Requestor(
            peer=peer,
            calling_ae_title=calling_ae_title,
            connect_timeout_s=connect_timeout_s,
            acse_timeout_s=acse_timeout_s,
            dimse_timeout_s=dimse_timeout_s,
        )

    def echo(self) -> None:
        """C-ECHO (PS3.4 A). Raises ArchiveUnreachable, AssociationRejected."""
        status = Dataset()
        with self._requestor.associate([(VERIFICATION, None)]) as association:
            if association.is_established:
                status = association.send_c_echo()
        if status.get("Status") != _SUCCESS:
            raise ArchiveUnreachable(f"{self._requestor}: no success on C-ECHO; is it a DICOM archive?")

    def probe(self) -> None:
        """Open an association: whoever does that is there, whether it knows C-ECHO or not.

        Raises ArchiveUnreachable, AssociationRejected.
        """
        with self._requestor.associate([(VERIFICATION, None)]) as association:
            if association.is_established:
                association.send_c_echo()

    def find_study(self, study_uid: str) -> StudyIdentity | None:
        """C-FIND, Study Root, level STUDY (PS3.4 C.6.2.1).

        Raises ArchiveUnreachable, AssociationRejected, QueryFailed.
        """
        wanted = Dataset()
        wanted.QueryRetrieveLevel = "STUDY"
        wanted.StudyInstanceUID = study_uid
        for keyword in StudyIdentity.keywords():
            setattr(wanted, keyword, "")
        answers = query.answers_to(
            self._requestor,
            wanted,
            self._patience,
            not_offered="no Study Root C-FIND there; enable it, or switch the check off",
        )
        # An archive that ignores the key answers with all its studies.
        found = dict.fromkeys(
            StudyIdentity.of(answer) for answer in answers if str(answer.get("StudyInstanceUID", "")) == study_uid
        )
        if len(found) > 1:
            raise QueryFailed(f"{self._requestor}: has study {study_uid} under {len(found)} identities; mend it there")
        return next(iter(found), None)

    def find_studies(self, patient_id: str) -> list[FoundStudy]:
        """C-FIND, level STUDY, by patient id. Raises ArchiveUnreachable, AssociationRejected, QueryFailed."""
        return query.find_studies(self._requestor, patient_id, self._limits)

    def find_series(self, study_uid: str, modality: str) -> list[FoundSeries]:
        """C-FIND, level SERIES. Raises ArchiveUnreachable, AssociationRejected, QueryFailed."""
        return query.find_series(self._requestor, study_uid, modality, self._limits)

    def count_series(self, study_uid: str) -> dict[str, int | None]:
        """C-FIND, level SERIES, for counts. Raises ArchiveUnreachable, AssociationRejected, QueryFailed."""
        return query.count_series(self._requestor, study_uid, self._limits)

    def get_series(self, study_uid: str, series_uid: str, sop_classes: Sequence[str]) -> list[bytes]:
        """C-GET, level SERIES. Raises ArchiveUnreachable, AssociationRejected, QueryFailed."""
        return query.get_series(self._requestor, study_uid, series_uid, sop_classes, self._limits)

    def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        """C-STORE over one association, each file's bytes as they are.

        Raises ArchiveUnreachable, AssociationRejected, NotDicom.
        """
        return [outcome for _, outcome in store_files(self._requestor, [read_meta(file) for file in files])]
