"""Studies fetched from an archive for a node by C-GET, each instance handed on (PS3.4 C.4.3)."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydicom import uid
from pydicom.dataset import Dataset
from pynetdicom import build_role, evt

from dicom_node.archives.requestor import Requestor
from dicom_node.archives.sender import OutcomeKind, outcome_of
from dicom_node.archives.statuses import retrieve_meaning, store_meaning
from dicom_node.contexts import STUDY_ROOT_GET, TRANSFER_SYNTAXES
from dicom_node.datasets.head import read_head
from dicom_node.errors import OUT_OF_RESOURCES, ArchiveUnreachable, HeadUnreadable, NodeError, QueryFailed
from dicom_node.pulling.contents import StudyContents
from dicom_node.pulling.forwarding import Forwarder

_PENDING = (0xFF00, 0xFF01)
_SUCCESS, _IN_PART = 0x0000, 0xB000
#: It is in memory as a whole. No value is longer whose length is said (PS3.5 7.1.1).
_LONGEST_INSTANCE = 1 << 32
_MOST_CONTEXTS = 127  # 128 (PS3.8 9.3.2.2), one of them for C-GET itself

#: What archives hold most comes first: where a study has many SOP classes, each gets only as many as there is room for.
_SYNTAXES = tuple(
    dict.fromkeys(
        (
            *map(str, (uid.ExplicitVRLittleEndian, uid.JPEGLosslessSV1, uid.JPEG2000Lossless, uid.JPEGLSLossless)),
            *map(str, (uid.RLELossless, uid.JPEGBaseline8Bit, uid.JPEG2000, uid.ImplicitVRLittleEndian)),
            *map(str, (uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.HTJ2KLossless, uid.JPEGLossless)),
            *TRANSFER_SYNTAXES,
        )
    )
)
#: Asked for where the archive does not say what a study consists of.
_USUAL_CLASSES = tuple(
    map(
        str,
        (
            *(uid.CTImageStorage, uid.MRImageStorage, uid.ComputedRadiographyImageStorage, uid.EnhancedCTImageStorage),
            *(uid.DigitalXRayImageStorageForPresentation, uid.DigitalMammographyXRayImageStorageForPresentation),
            *(uid.UltrasoundImageStorage, uid.UltrasoundMultiFrameImageStorage, uid.EnhancedMRImageStorage),
            *(uid.XRayAngiographicImageStorage, uid.NuclearMedicineImageStorage, uid.TwelveLeadECGWaveformStorage),
            *(uid.PositronEmissionTomographyImageStorage, uid.SecondaryCaptureImageStorage),
        ),
    )
)


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """What became of one study.

    Attributes:
        instances: That the node has now, as far as the archive or the node said.
        why: Why that is not the whole study; empty where it is.
        remedy: What to do about it.
        claimed: By C-MOVE: instances that the archive says it has sent.
    """

    instances: int
    why: str = ""
    remedy: str = ""
    claimed: int = 0


@dataclass
class _Tally:
    """What is known of sub-operations so far."""

    completed: int = 0
    taken: set[str] = field(default_factory=set)  # by the node, of the study: SOP Instance UIDs
    strange: int = 0  # taken by the node, of other studies
    failed: int = 0
    status: int = _SUCCESS
    refused: Counter[int] = field(default_factory=Counter)  # by the node: status to how often
    trouble: NodeError | OSError | None = None


#: Told of every step: how many instances the node has by now.
Step = Callable[[int], None]


def pull_by_get(archive: Requestor, node: Requestor, study_uid: str, contents: StudyContents, step: Step) -> Pulled:
    """Fetch a study over an association of ours and hand each instance on to the node, whose answer the archive gets.

    Raises ArchiveUnreachable, AssociationRejected, QueryFailed.
    """
    tally = _Tally()
    kinds = kinds_of(contents)
    with Forwarder(node, kinds) as forwarder:

        def hand_on(event: Any) -> int:
            if tally.trouble is not None:
                return OUT_OF_RESOURCES
            request = event.request
            try:
                with request.DataSet.getbuffer() as data:
                    of_study = _is_of(study_uid, data, str(event.context.transfer_syntax))
                    status = forwarder.store(
                        sop_class_uid=str(request.AffectedSOPClassUID),
                        sop_instance_uid=str(request.AffectedSOPInstanceUID),
                        transfer_syntax_uid=str(event.context.transfer_syntax),
                        data=data,
                    )
            except (NodeError, OSError) as error:
                tally.trouble = error
                return OUT_OF_RESOURCES
            _count(tally, status, str(request.AffectedSOPInstanceUID), of_study=of_study)
            step(tally.completed)
            return status

        classes = dict.fromkeys(sop_class for sop_class, _ in kinds)
        with archive.associate(
            [(STUDY_ROOT_GET, None), *kinds],
            roles=[build_role(sop_class, scp_role=True) for sop_class in classes],
            handlers=[(evt.EVT_C_STORE, hand_on)],
            longest_instance=_LONGEST_INSTANCE,
        ) as association:
            require_service(archive, association, STUDY_ROOT_GET, "C-GET", "try `--move`")
            for status in responses(
                archive, association, association.send_c_get(study_query(study_uid), STUDY_ROOT_GET)
            ):
                if tally.trouble is not None:
                    association.abort()
                    raise _translated(tally.trouble)
                tally.status = int(status.Status)
                tally.failed = int(status.get("NumberOfFailedSuboperations") or 0)
    if (syntaxes := forwarder.syntaxes_not_taken).total() * 2 > tally.refused.total():
        return _in_no_syntax_of_the_node(tally.completed, syntaxes)
    return judged(tally.status, tally.completed, tally.failed, contents.instances, tally.refused, strange=tally.strange)


def _in_no_syntax_of_the_node(completed: int, syntaxes: Counter[str]) -> Pulled:
    names = " or ".join(sorted(uid.UID(syntax).name for syntax in syntaxes))
    return Pulled(
        instances=completed,
        why=f"our node refused {syntaxes.total()} instances: it does not take {names} of their SOP class",
        remedy="have the archive send another transfer syntax to our AE title, or pull with `--move`",
    )


def judged(
    status: int, completed: int, failed: int, expected: int | None, refused: Counter[int], *, strange: int = 0
) -> Pulled:
    """Say what the last status and the counts mean.

    Args:
        status: Of the last C-GET or C-MOVE response.
        completed: Instances of the study that the node took, each counted once.
        failed: Sub-operations that failed, as the archive counts them.
        expected: Instances that the archive lists for the study; None where it does not say.
        refused: By the node: statuses to how often.
        strange: Instances of other studies that the node took.
    """
    if refused:
        worst = refused.most_common(1)[0][0]
        meaning = store_meaning(worst)
        why = f"our node refused {refused.total()} instances with status {worst:04X}, {meaning.what}"
        return Pulled(instances=completed, why=why, remedy=meaning.remedy)
    if status not in (_SUCCESS, _IN_PART) or failed:
        meaning = retrieve_meaning(status if status != _SUCCESS else _IN_PART)
        counts = f"; {failed} instances failed" if failed else ""
        why = f"the archive ended with status {status:04X}, {meaning.what}{counts}"
        return Pulled(instances=completed, why=why, remedy=meaning.remedy)
    if strange:
        why = f"the archive sent {strange} instances of other studies, which the node has now, and {completed} of this"
        return Pulled(instances=completed, why=why, remedy="look at what it has under this UID; was it merged there?")
    if expected is not None and completed < expected:
        why = f"the archive lists {expected} instances and sent {completed}"
        return Pulled(instances=completed, why=why, remedy="look at its log for the others, then pull again")
    return Pulled(instances=completed)


def kinds_of(contents: StudyContents) -> list[tuple[str, str]]:
    """Return the (SOP class, transfer syntax) to propose, each a context of its own, so that nothing is re-encoded."""
    classes = (contents.sop_classes or _USUAL_CLASSES)[:_MOST_CONTEXTS]
    each = _MOST_CONTEXTS // len(classes)
    return [(sop_class, syntax) for sop_class in classes for syntax in _SYNTAXES[:each]]


def _is_of(study_uid: str, data: memoryview, transfer_syntax_uid: str) -> bool:
    """Say whether a dataset is of this study; of one that cannot be read the node says what it thinks."""
    try:
        return read_head(data, transfer_syntax_uid).study_instance_uid in (study_uid, None)
    except HeadUnreadable:
        return True


def _count(tally: _Tally, status: int, sop_instance_uid: str, *, of_study: bool) -> None:
    response = Dataset()
    response.Status = status
    if outcome_of("", response).kind is OutcomeKind.REFUSED:
        tally.refused[status] += 1
    elif of_study:
        # The same again brings the study no nearer to its end.
        tally.taken.add(sop_instance_uid)
        tally.completed = len(tally.taken)
    else:
        tally.strange += 1


def study_query(study_uid: str) -> Dataset:
    """Return what a retrieval of a study asks for."""
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = study_uid
    return query


def require_service(archive: Requestor, association: Any, model: str, service: str, instead: str) -> None:
    """Raise QueryFailed where an archive has not accepted a retrieval's model."""
    if not any(context.abstract_syntax == model for context in association.accepted_contexts):
        raise QueryFailed(f"{archive}: no Study Root {service} there for our AE title; enable it, or {instead}")


def responses(archive: Requestor, association: Any, answers: Iterator[tuple[Dataset, Any]]) -> Iterator[Dataset]:
    """Yield the answers to a retrieval up to its last. Raises ArchiveUnreachable."""
    asked = time.monotonic()
    for status, _ in answers:
        if "Status" not in status:
            raise ArchiveUnreachable(_why_silent(archive, time.monotonic() - asked))
        yield status
        if status.Status not in _PENDING:
            return
        if not association.is_established:
            raise ArchiveUnreachable(_why_silent(archive, 0.0))
        asked = time.monotonic()


def _why_silent(archive: Requestor, waited_s: float) -> str:
    if waited_s >= archive.dimse_timeout_s:
        return f"{archive}: said nothing for {waited_s:.0f} s; give it longer with `--timeout`, or pull less at a time"
    # Orthanc, for one, does not answer a request that it does not allow.
    return (
        f"{archive}: ended the association in the middle; may our AE title {archive.calling_ae_title} retrieve there "
        "(Orthanc: list it in DicomModalities)? Else see its log"
    )


def _translated(error: NodeError | OSError) -> NodeError:
    if isinstance(error, NodeError):
        return error
    return ArchiveUnreachable(f"an instance could not be written aside ({error.strerror}); is there room in TMPDIR?")
