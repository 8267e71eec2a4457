"""What an archive holds of a patient (C-FIND, PS3.4 C.4.1), and a series of it (C-GET, C.4.3), within a bounded time.

Keys and answers name patients: nothing here logs them, and no error quotes them.
"""

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import build_role, evt

from dicom_node.archives.found import FoundSeries, FoundStudy
from dicom_node.archives.identity import StudyIdentity
from dicom_node.archives.requestor import Requestor
from dicom_node.contexts import MODALITY_WORKLIST_FIND, STUDY_ROOT_FIND, STUDY_ROOT_GET
from dicom_node.datasets.modesty import require_modest
from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.datasets.part10 import encode_meta
from dicom_node.errors import ArchiveUnreachable, HeadUnreadable, QueryFailed

_PENDING = (0xFF00, 0xFF01)
_SUCCESS = 0x0000
_GOT_IN_PART = 0xB000
_OUT_OF_RESOURCES = 0xA700
_CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3
#: A backslash separates values, the others match anything (PS3.4 C.2.2.2): such an id would find other patients.
NOT_IN_A_KEY = "\\*?"
_ASCII = 127
_COUNT = re.compile("[0-9]{1,12}")  # PS3.5 6.2, value representation IS
_NOT_OFFERED = {
    STUDY_ROOT_FIND: "no Study Root C-FIND there; enable it, or set `prior = false` for it and name it in no "
    "`counts_from`",
    MODALITY_WORKLIST_FIND: "no Modality Worklist C-FIND there; enable it, or take [worklist] out of the settings",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an archive may make of us.

    Attributes:
        seconds: For one call.
        instances: Taken of one series.
        bytes_all: Received in one call.
        answers: To one query.
    """

    seconds: float = 10.0
    instances: int = 4
    bytes_all: int = 64 << 20
    answers: int = 500


def find_studies(requestor: Requestor, patient_id: str, limits: Limits) -> list[FoundStudy]:
    """Return the studies that the archive has under exactly this patient id, whoever is meant by it.

    Raises ArchiveUnreachable, AssociationRejected, QueryFailed.
    """
    if not patient_id or any(character in patient_id for character in NOT_IN_A_KEY):
        return []
    query = Dataset()
    if any(ord(character) > _ASCII for character in patient_id):
        query.SpecificCharacterSet = "ISO_IR 192"
    query.QueryRetrieveLevel = "STUDY"
    for keyword in (*StudyIdentity.keywords(), "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime"):
        setattr(query, keyword, "")
    query.PatientID = patient_id
    return [
        FoundStudy(
            study_instance_uid=str(answer.get("StudyInstanceUID") or ""),
            study_date=str(answer.get("StudyDate") or "").strip(),
            study_time=str(answer.get("StudyTime") or "").strip(),
            identity=StudyIdentity.of(answer),
        )
        for answer in answers_to(requestor, query, limits)
        if str(answer.get("PatientID") or "").strip() == patient_id.strip()
    ]


def find_series(requestor: Requestor, study_instance_uid: str, modality: str, limits: Limits) -> list[FoundSeries]:
    """Return the series of this modality in a study. Raises ArchiveUnreachable, AssociationRejected, QueryFailed."""
    query = Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID = study_instance_uid
    query.Modality = modality
    query.SeriesInstanceUID = query.SeriesDescription = ""
    return [
        FoundSeries(
            series_instance_uid=str(answer.get("SeriesInstanceUID") or ""),
            series_description=str(answer.get("SeriesDescription") or "").strip(),
        )
        for answer in answers_to(requestor, query, limits)
        if answer.get("Modality") == modality
    ]


def count_series(requestor: Requestor, study_instance_uid: str, limits: Limits) -> dict[str, int | None]:
    """Return how many instances the archive has of each series of a study; None where it does not say it.

    Number of Series Related Instances (0020,1209) is optional (PS3.4 C.6.1.1.4), and an archive may answer anything.
    Raises ArchiveUnreachable, AssociationRejected, QueryFailed.
    """
    query = Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID = study_instance_uid
    query.SeriesInstanceUID = query.NumberOfSeriesRelatedInstances = ""
    counts: dict[str, int | None] = {}
    for answer in answers_to(requestor, query, limits):
        series = str(answer.get("SeriesInstanceUID") or "")
        # An archive that ignores the key answers with the series of all its studies.
        if str(answer.get("StudyInstanceUID") or study_instance_uid) != study_instance_uid or not series:
            continue
        count = count_in(answer, "NumberOfSeriesRelatedInstances")
        counts[series] = count if counts.get(series, count) == count else None
    return counts


def count_in(answer: Dataset, keyword: str) -> int | None:
    """Return a count of an answer; None where it has none, or what it has is no number."""
    try:
        text = str(answer.get(keyword, "")).strip()
    except PARSE_ERRORS:  # pydicom reads the value here
        return None
    return int(text) if _COUNT.fullmatch(text) else None


def get_series(
    requestor: Requestor,
    study_instance_uid: str,
    series_instance_uid: str,
    sop_classes: Sequence[str],
    limits: Limits,
) -> list[bytes]:
    """Return the instances of these classes in a series as DICOM files in Explicit VR Little Endian.

    Raises ArchiveUnreachable, AssociationRejected, QueryFailed.
    """
    got: list[bytes] = []

    def keep(event: Any) -> int:
        if len(got) >= limits.instances:
            return _OUT_OF_RESOURCES
        data = event.request.DataSet.getvalue()
        try:
            require_modest(data, ExplicitVRLittleEndian)
        except HeadUnreadable:
            return _CANNOT_UNDERSTAND  # whoever reads it would take a hundred times its bytes
        meta = encode_meta(
            sop_class_uid=str(event.request.AffectedSOPClassUID),
            sop_instance_uid=str(event.request.AffectedSOPInstanceUID),
            transfer_syntax_uid=str(ExplicitVRLittleEndian),
            calling_ae_title=requestor.peer.ae_title,
            called_ae_title=requestor.calling_ae_title,
        )
        got.append(meta + data)
        return _SUCCESS

    query = Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID = study_instance_uid
    query.SeriesInstanceUID = series_instance_uid
    kinds = [(STUDY_ROOT_GET, None), *((sop_class, ExplicitVRLittleEndian) for sop_class in sop_classes)]
    roles = [build_role(sop_class, scp_role=True) for sop_class in sop_classes]
    handlers = [(evt.EVT_C_STORE, keep), (evt.EVT_DATA_RECV, _cut_off(limits))]
    with requestor.associate(kinds, roles=roles, handlers=handlers, longest_instance=limits.bytes_all) as association:
        if not any(context.abstract_syntax == STUDY_ROOT_GET for context in association.accepted_contexts):
            raise QueryFailed(f"{requestor}: no Study Root C-GET there; enable it, or set `prior = false` for it")
        answers = association.send_c_get(query, STUDY_ROOT_GET)
        for _ in _within(requestor, association, answers, limits, last=(_SUCCESS, _GOT_IN_PART)):
            pass
    return got


def answers_to(
    requestor: Requestor, query: Dataset, limits: Limits, *, model: str = STUDY_ROOT_FIND, not_offered: str = ""
) -> Iterator[Dataset]:
    """Yield what the archive answers to a C-FIND, by default of the Study Root model.

    `not_offered` is told, with its remedy, where it knows no such query, in place of the usual words.

    Raises ArchiveUnreachable, AssociationRejected, QueryFailed.
    """
    handlers = [(evt.EVT_DATA_RECV, _cut_off(limits))]
    with requestor.associate([(model, None)], handlers=handlers) as association:
        if not association.is_established:
            raise QueryFailed(f"{requestor}: {not_offered or _NOT_OFFERED[model]}")
        answers = association.send_c_find(query, model)
        for number, identifier in enumerate(_within(requestor, association, answers, limits)):
            if number >= limits.answers:
                association.abort()
                raise QueryFailed(f"{requestor}: answered with more than {limits.answers} matches; does it match keys?")
            _require_readable(requestor, query, identifier)
            yield identifier


def _require_readable(requestor: Requestor, query: Dataset, answer: Dataset) -> None:
    """Read what was asked for: pydicom does it when a value is first looked at. Raises QueryFailed.

    Not counts, which an archive need not have: `count_in` does without.
    """
    for key in query:
        try:
            if key.VR != "IS":
                answer.get(key.tag)
        except PARSE_ERRORS as error:
            # Not pydicom's words, which quote the value.
            raise QueryFailed(
                f"{requestor}: answered with a value of {key.tag} that is none ({type(error).__name__}); look at the "
                "study there, and at what is between us"
            ) from error


def _within(
    requestor: Requestor, association: Any, answers: Any, limits: Limits, *, last: Sequence[int] = (_SUCCESS,)
) -> Iterator[Dataset]:
    """Yield the identifiers of pending answers until one with a status that may be the last."""
    for status, identifier in answers:
        code = status.get("Status")
        if code is None:
            raise ArchiveUnreachable(
                f"{requestor}: the association ended in the middle of an answer, or took more than "
                f"{limits.seconds:g} s or {limits.bytes_all >> 20} MiB and was left"
            )
        if code not in (*_PENDING, *last):
            association.abort()
            raise QueryFailed(f"{requestor}: answered with status {code:04X}; see the archive's log")
        if code in _PENDING and identifier is not None:
            yield identifier


def _cut_off(limits: Limits) -> Callable[[Any], None]:
    """Return a handler that ends a connection over which too much comes, or for too long.

    pynetdicom keeps a whole message in memory, and its own timeouts begin anew with each.
    """
    deadline, left = time.monotonic() + limits.seconds, limits.bytes_all

    def count(event: Any) -> None:
        nonlocal left
        left -= len(event.data)
        if left < 0 or time.monotonic() > deadline:
            with contextlib.suppress(OSError):
                event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)

    return count
