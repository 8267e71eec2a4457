"""Which services beside storage a caller gets, and who serves them: the one table."""

from collections.abc import Mapping

from dicom_node.announcement_service import AnnouncementService
from dicom_node.clock import MONOTONIC
from dicom_node.command_set import N_ACTION_RQ, N_CREATE_RQ, N_SET_RQ
from dicom_node.commitment_service import CommitmentDesk, CommitmentService
from dicom_node.contexts import INSTANCE_AVAILABILITY, PERFORMED_PROCEDURE_STEP, STORAGE_COMMITMENT
from dicom_node.peer_settings import PeerSettings
from dicom_node.services import Operation, Services
from dicom_node.spool import Spool
from dicom_node.store_scp import Reception


def offered(peer: PeerSettings | None, *, commitment: bool = True) -> frozenset[str]:
    """Return the SOP classes beside storage and verification whose contexts are accepted.

    Announcements close a study earlier at most, so every peer that has an entry may make them, and nobody else. Storage
    commitment is for those whose entry says so, where the node has somebody who reports (`commitment`).
    """
    if peer is None:
        return frozenset()
    announcements = frozenset((PERFORMED_PROCEDURE_STEP, INSTANCE_AVAILABILITY))
    return announcements | ({STORAGE_COMMITMENT} if peer.storage_commitment and commitment else set())


def services_of(
    contexts: Mapping[int, tuple[str, str]],
    *,
    spool: Spool,
    reception: Reception,
    commitments: CommitmentDesk | None,
    peer: str,
    calling_ae_title: str,
    association: str,
    answer_within_s: float,
) -> Services:
    """Return the services of an association with these accepted contexts (abstract and transfer syntax by id)."""
    announcements = AnnouncementService(spool=spool, listed=reception.listed)
    operations: dict[tuple[int, str], Operation] = {
        (N_CREATE_RQ, PERFORMED_PROCEDURE_STEP): announcements.step_created,
        (N_SET_RQ, PERFORMED_PROCEDURE_STEP): announcements.step_set,
        (N_CREATE_RQ, INSTANCE_AVAILABILITY): announcements.availability_created,
    }
    if commitments is None:
        return Services(operations, contexts, calling_ae_title=calling_ae_title)
    committing = CommitmentService(
        spool=spool,
        desk=commitments,
        peer=peer,
        association=association,
        answer_within_s=answer_within_s,
        clock=MONOTONIC,
    )
    operations[N_ACTION_RQ, STORAGE_COMMITMENT] = committing.asked
    return Services(operations, contexts, committing, calling_ae_title=calling_ae_title)
