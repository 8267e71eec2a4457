"""Studies that an archive sends to a node by itself (C-MOVE, PS3.4 C.4.2), and whether they have come.

They go past us: what the archive counts is what it says. What the node has is in its spool.
"""

from collections import Counter
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace

from dicom_node.archives.requestor import Requestor
from dicom_node.contexts import STUDY_ROOT_MOVE
from dicom_node.errors import ArchiveUnreachable, NodeError
from dicom_node.pulling.contents import StudyContents, instances_of
from dicom_node.pulling.pulling import Pulled, Step, judged, require_service, responses, study_query
from dicom_node.spooling.spool_layout import SpoolFolders, instance_of, name_of


@dataclass(kw_only=True)
class Claim:
    """What an archive says of its sub-operations, as its last answer has it."""

    status: int = 0
    completed: int = 0
    failed: int = 0


def pull_by_move(
    archive: Requestor, node: Requestor, study_uid: str, contents: StudyContents, step: Step, spool: SpoolFolders | None
) -> Pulled:
    """Have the archive send a study to the node's AE title, and look into its spool; None where that is not here.

    Raises ArchiveUnreachable, AssociationRejected, QueryFailed.
    """
    claim = Claim()
    try:
        _move(archive, node.peer.ae_title, study_uid, claim, step)
    except NodeError:
        if spool is not None:
            step(len(_kept(spool, study_uid)))
        raise
    except KeyboardInterrupt:
        # Whoever ends it is told what the node has, not what the archive claims.
        if spool is not None:
            with suppress(NodeError):
                step(len(_kept(spool, study_uid)))
        raise
    if spool is None:
        told = judged(claim.status, claim.completed, claim.failed, contents.instances, Counter())
        return replace(told, claimed=claim.completed)
    return compared(claim, contents.instances, _listed(archive, study_uid), _kept(spool, study_uid))


def compared(claim: Claim, expected: int | None, listed: AbstractSet[str], kept: AbstractSet[str]) -> Pulled:
    """Say what an archive's claim means beside what the node has.

    Args:
        claim: Of the archive.
        expected: Instances that it counts for the study; None where it does not say.
        listed: SOP Instance UIDs that it lists one by one; empty where it lists none.
        kept: Names in the spool of the study's instances, whoever has sent them.
    """
    if listed and len(listed) >= (expected or 0):
        expected = len(listed)
        there = sum(uid.isascii() and name_of(uid) in kept for uid in listed)
    else:
        expected = claim.completed if expected is None else expected
        there = min(len(kept), expected)
    pulled = judged(claim.status, there, claim.failed, None, Counter())
    if not pulled.why and there < expected:
        why = f"the archive lists {expected} instances and says that it sent {claim.completed}; our node has {there}"
        remedy = "does our AE title lead from there to this node, host and port? Else see both logs; then pull again"
        pulled = replace(pulled, why=why, remedy=remedy)
    return replace(pulled, claimed=claim.completed)


def _move(archive: Requestor, destination: str, study_uid: str, claim: Claim, step: Step) -> None:
    with archive.associate([(STUDY_ROOT_MOVE, None)]) as association:
        require_service(archive, association, STUDY_ROOT_MOVE, "C-MOVE", "pull without `--move`")
        answers = association.send_c_move(study_query(study_uid), destination, STUDY_ROOT_MOVE)
        for status in responses(archive, association, answers):
            claim.status = int(status.Status)
            done = [status.get(f"NumberOf{kind}Suboperations") for kind in ("Completed", "Warning")]
            if any(count is not None for count in done):
                claim.completed = sum(int(count or 0) for count in done)
            claim.failed = int(status.get("NumberOfFailedSuboperations") or 0)
            step(claim.completed)


def _listed(archive: Requestor, study_uid: str) -> frozenset[str]:
    try:
        return instances_of(archive, study_uid) - {""}
    except NodeError:
        return frozenset()  # then its counts must do


def _kept(spool: SpoolFolders, study_uid: str) -> frozenset[str]:
    try:
        return frozenset(map(instance_of, spool.files(name_of(study_uid))))
    except OSError as error:
        raise ArchiveUnreachable(
            f"our node's spool cannot be looked into ({error.strerror}); is its disk there? Run this as the node's user"
        ) from error
