"""Which services beside storage a caller gets, and who serves them: the one table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pynetdicom.presentation import PresentationContext

from dicom_node.announcing.announcement_service import AnnouncementService
from dicom_node.clock import MONOTONIC
from dicom_node.commitments.commitment_service import CommitmentDesk, CommitmentService
from dicom_node.commitments.report_service import ReportDesk, ReportService
from dicom_node.contexts import INSTANCE_AVAILABILITY, PERFORMED_PROCEDURE_STEP, STORAGE_COMMITMENT
from dicom_node.messages.command_set import N_ACTION_RQ, N_CREATE_RQ, N_EVENT_REPORT_RQ, N_SET_RQ
from dicom_node.messages.services import Operation, Services
from dicom_node.peer_settings import PeerSettings
from dicom_node.receiving.store_scp import Reception
from dicom_node.spooling.spool import Spool


@dataclass(frozen=True, kw_only=True)
class CommitmentRoles:
    """What a caller may be, or is, in storage commitment (PS3.4 J.2).

    Attributes:
        asks: The user (SCU): it sends N-ACTION requests, and we are the provider.
        reports: The provider (SCP): it sends N-EVENT-REPORT requests about what we have asked of it.
    """

    asks: bool = False
    reports: bool = False


def commitment_roles(
    peer: PeerSettings | None, *, commitment: bool, reporters: frozenset[str] = frozenset()
) -> CommitmentRoles:
    """Return what a caller may be: only who has an entry may be anything.

    Args:
        peer: Its entry.
        commitment: Whether the node has somebody who answers those who ask, and whose entry says that they may.
        reporters: AE titles of archives that we ask.
    """
    if peer is None:
        return CommitmentRoles()
    return CommitmentRoles(asks=peer.storage_commitment and commitment, reports=peer.ae_title in reporters)


def offered(peer: PeerSettings | None, roles: CommitmentRoles) -> frozenset[str]:
    """Return the SOP classes beside storage and verification whose contexts are accepted.

    Announcements close a study earlier at most, so every peer that has an entry may make them, and nobody else.
    """
    if peer is None:
        return frozenset()
    announcements = frozenset((PERFORMED_PROCEDURE_STEP, INSTANCE_AVAILABILITY))
    return announcements | ({STORAGE_COMMITMENT} if roles.asks or roles.reports else set())


def commitment_missed(proposed: Iterable[str], peer: PeerSettings | None, roles: CommitmentRoles) -> str:
    """Return why a caller that proposes storage commitment does not get it; "" where it does, or proposes none.

    The caller hears no more than that a presentation context is rejected, whichever of the two it wanted.
    """
    if STORAGE_COMMITMENT not in proposed or roles.asks or roles.reports:
        return ""
    if peer is None:
        return "no entry of [[node.peers]] lists this AE title"
    return "its entry has no storage_commitment = true, and no destination of this AE title is asked for commitment"


def with_roles(contexts: Iterable[PresentationContext], roles: CommitmentRoles) -> list[PresentationContext]:
    """Return supported contexts, of storage commitment those roles that the requestor may have (PS3.7 D.3.3.4)."""
    made = list(contexts)
    for context in made:
        if context.abstract_syntax == STORAGE_COMMITMENT:
            context.scu_role, context.scp_role = roles.asks, roles.reports
    return made


def taken_roles(
    accepted: Iterable[PresentationContext], allowed: CommitmentRoles, *, selected: bool
) -> CommitmentRoles:
    """Return what the requestor is on an association.

    Args:
        accepted: Its contexts; as whom we act on them is known.
        allowed: What it may be.
        selected: Whether it has selected roles. Some archives report without; who may do nothing else, or says what
            only a provider says, is believed as far as it is allowed.
    """
    contexts = [context for context in accepted if context.abstract_syntax == STORAGE_COMMITMENT]
    if not selected:
        return allowed if contexts else CommitmentRoles()
    return CommitmentRoles(
        asks=allowed.asks and any(context.as_scp for context in contexts),
        reports=allowed.reports and any(context.as_scu for context in contexts),
    )


def services_of(
    contexts: Mapping[int, tuple[str, str]],
    *,
    spool: Spool,
    reception: Reception,
    commitments: CommitmentDesk | None,
    reports: ReportDesk | None,
    roles: CommitmentRoles,
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
    if roles.reports and reports is not None:
        operations[N_EVENT_REPORT_RQ, STORAGE_COMMITMENT] = ReportService(reports, peer).reported
    if not roles.asks or commitments is None:
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
