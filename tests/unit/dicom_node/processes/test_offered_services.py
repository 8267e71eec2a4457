"""Who gets which services beside storage."""

import pytest
from pynetdicom.presentation import build_context, negotiate_as_acceptor

from dicom_node.contexts import (
    INSTANCE_AVAILABILITY,
    PERFORMED_PROCEDURE_STEP,
    SERVICE_TRANSFER_SYNTAXES,
    STORAGE_COMMITMENT,
    VERIFICATION,
    supported,
)
from dicom_node.peer_settings import PeerSettings
from dicom_node.processes.offered_services import (
    CommitmentRoles,
    commitment_missed,
    commitment_roles,
    offered,
    taken_roles,
    with_roles,
)
from tests.unit.dicom_node.instances import CT

ANNOUNCEMENTS = {PERFORMED_PROCEDURE_STEP, INSTANCE_AVAILABILITY}


def peer(**values: object) -> PeerSettings:
    """Return an entry."""
    return PeerSettings.model_validate({"ae_title": "CT1", "hosts": ["192.0.2.7"], **values})


def test_services_are_for_those_who_are_listed() -> None:
    """Commitment only where the entry says so, and where somebody reports."""
    believing = peer(storage_commitment=True, report_to={"host": "192.0.2.7", "port": 104})
    none, asks, reports = CommitmentRoles(), CommitmentRoles(asks=True), CommitmentRoles(reports=True)
    assert commitment_roles(None, commitment=True, reporters=frozenset(("", "CT1"))) == none
    assert commitment_roles(peer(), commitment=True, reporters=frozenset(("PACS",))) == none
    assert commitment_roles(believing, commitment=True) == asks
    assert commitment_roles(believing, commitment=False) == none
    assert commitment_roles(peer(), commitment=False, reporters=frozenset(("CT1",))) == reports
    assert offered(None, none) == frozenset()
    assert offered(peer(), none) == ANNOUNCEMENTS
    assert offered(peer(), asks) == offered(peer(), reports) == {*ANNOUNCEMENTS, STORAGE_COMMITMENT}


@pytest.mark.parametrize(
    ("proposed", "listed", "roles", "why"),
    [
        ((CT,), False, CommitmentRoles(), ""),
        ((CT, STORAGE_COMMITMENT), True, CommitmentRoles(asks=True), ""),
        ((STORAGE_COMMITMENT,), True, CommitmentRoles(reports=True), ""),
        ((STORAGE_COMMITMENT,), True, CommitmentRoles(), "its entry has no"),
        ((CT, STORAGE_COMMITMENT), False, CommitmentRoles(), "no entry of"),
    ],
)
def test_who_does_not_get_commitment_is_told_why(
    proposed: tuple[str, ...],
    listed: bool,  # noqa: FBT001  # a table's column
    roles: CommitmentRoles,
    why: str,
) -> None:
    """Of those that propose it; the reason says what the settings lack."""
    found = commitment_missed(proposed, peer() if listed else None, roles)
    assert found.startswith(why)
    assert bool(found) is bool(why)


def test_a_service_has_uncompressed_syntaxes_alone() -> None:
    """And is accepted only where it was proposed."""
    contexts = {
        str(context.abstract_syntax): context for context in supported([CT, PERFORMED_PROCEDURE_STEP], ANNOUNCEMENTS)
    }
    assert set(contexts) == {VERIFICATION, CT, PERFORMED_PROCEDURE_STEP}
    assert tuple(map(str, contexts[PERFORMED_PROCEDURE_STEP].transfer_syntax)) == SERVICE_TRANSFER_SYNTAXES
    assert {str(context.abstract_syntax) for context in supported([PERFORMED_PROCEDURE_STEP])} == {VERIFICATION}


@pytest.mark.parametrize(
    ("allowed", "selected", "taken"),
    [
        # What the requestor proposes to be, as (SCU, SCP); None: it selects no role.
        ((True, False), None, (True, False)),
        ((True, False), (True, False), (True, False)),
        ((True, False), (False, True), None),
        ((False, True), (False, True), (False, True)),
        ((False, True), (True, True), (False, True)),
        ((False, True), (True, False), None),
        ((False, True), None, (False, True)),
        ((True, True), (False, True), (False, True)),
        ((True, True), (True, False), (True, False)),
        ((True, True), (True, True), (True, True)),
        ((True, True), None, (True, True)),
    ],
)
def test_roles_decide_who_asks_and_who_reports(
    allowed: tuple[bool, bool], selected: tuple[bool, bool] | None, taken: tuple[bool, bool] | None
) -> None:
    """As pynetdicom negotiates them; None: the context is rejected."""
    may = CommitmentRoles(asks=allowed[0], reports=allowed[1])
    proposed = build_context(STORAGE_COMMITMENT)
    proposed.context_id = 1
    contexts, roles = negotiate_as_acceptor(
        [proposed],
        with_roles(supported([STORAGE_COMMITMENT], {STORAGE_COMMITMENT}), may),
        None if selected is None else {proposed.abstract_syntax: selected},
    )
    accepted = [context for context in contexts if context.result == 0]
    assert bool(accepted) is (taken is not None)
    assert taken_roles(accepted, may, selected=selected is not None) == (
        CommitmentRoles() if taken is None else CommitmentRoles(asks=taken[0], reports=taken[1])
    )
    if selected is not None and taken is not None:
        assert [(role.scu_role, role.scp_role) for role in roles] == [taken]
