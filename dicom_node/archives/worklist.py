"""How urgent an order is, by a modality worklist (C-FIND, PS3.4 K): its images do not say it.

Keys and answers name patients: nothing here logs them, and no error quotes them.
"""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicom_node.archives.query import NOT_IN_A_KEY, Limits, answers_to
from dicom_node.archives.requestor import Requestor
from dicom_node.contexts import MODALITY_WORKLIST_FIND
from dicom_node.settings import Peer

_ASCII = 127


class Worklist:
    """A modality worklist; a new association for each question."""

    def __init__(self, peer: Peer, calling_ae_title: str, *, within_s: float) -> None:
        """Take whom to ask, as whom, and how long a question may take."""
        self._limits = Limits(seconds=within_s)
        self._requestor = Requestor(
            peer=peer,
            calling_ae_title=calling_ae_title,
            connect_timeout_s=within_s,
            acse_timeout_s=within_s,
            dimse_timeout_s=within_s,
        )

    def priorities(self, accession_number: str, patient_id: str) -> list[str]:
        """Return the Requested Procedure Priorities (0040,1003) of a patient's order.

        Raises ArchiveUnreachable, AssociationRejected, QueryFailed.

        Args:
            accession_number: (0008,0050) of the study; what could match other orders is not asked for.
            patient_id: (0010,0020); an order of another patient does not count, where the worklist names one.
        """
        if not _is_key(accession_number):
            return []
        answers = answers_to(self._requestor, _query(accession_number), self._limits, model=MODALITY_WORKLIST_FIND)
        return list(_priorities(answers, accession_number, patient_id))


def _is_key(accession_number: str) -> bool:
    return bool(accession_number) and not any(
        letter in NOT_IN_A_KEY or ord(letter) > _ASCII for letter in accession_number
    )


def _query(accession_number: str) -> Dataset:
    step = Dataset()
    # Type 1 for whoever answers (PS3.4 table K.6-1), so it must be asked for; empty matches anything.
    for keyword in (
        "Modality",
        "ScheduledStationAETitle",
        "ScheduledProcedureStepStartDate",
        "ScheduledProcedureStepStartTime",
        "ScheduledPerformingPhysicianName",
    ):
        setattr(step, keyword, "")
    query = Dataset()
    query.AccessionNumber = accession_number
    query.PatientID = query.RequestedProcedureID = query.RequestedProcedurePriority = ""
    query.ScheduledProcedureStepSequence = [step]
    return query


def _priorities(answers: Iterator[Dataset], accession_number: str, patient_id: str) -> Iterator[str]:
    """Yield what answers say that are of this order: Accession Number is a key that a worklist may ignore."""
    for answer in answers:
        patient = str(answer.get("PatientID") or "").strip()
        if str(answer.get("AccessionNumber") or "").strip() != accession_number or patient not in ("", patient_id):
            continue
        said = str(answer.get("RequestedProcedurePriority") or "").strip().upper()
        if said:
            yield said
