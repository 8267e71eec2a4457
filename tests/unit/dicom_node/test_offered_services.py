"""Who gets which services beside storage."""

from dicom_node.contexts import (
    INSTANCE_AVAILABILITY,
    PERFORMED_PROCEDURE_STEP,
    SERVICE_TRANSFER_SYNTAXES,
    STORAGE_COMMITMENT,
    VERIFICATION,
    supported,
)
from dicom_node.offered_services import offered
from dicom_node.peer_settings import PeerSettings
from tests.unit.dicom_node.instances import CT

ANNOUNCEMENTS = {PERFORMED_PROCEDURE_STEP, INSTANCE_AVAILABILITY}


def peer(**values: object) -> PeerSettings:
    """Return an entry."""
    return PeerSettings.model_validate({"ae_title": "CT1", "hosts": ["192.0.2.7"], **values})


def test_services_are_for_those_who_are_listed() -> None:
    """Commitment only where the entry says so, and where somebody reports."""
    believing = peer(storage_commitment=True, report_to={"host": "192.0.2.7", "port": 104})
    assert offered(None) == frozenset()
    assert offered(peer()) == ANNOUNCEMENTS
    assert offered(believing) == {*ANNOUNCEMENTS, STORAGE_COMMITMENT}
    assert offered(believing, commitment=False) == ANNOUNCEMENTS


def test_a_service_has_uncompressed_syntaxes_alone() -> None:
    """And is accepted only where it was proposed."""
    contexts = {
        str(context.abstract_syntax): context for context in supported([CT, PERFORMED_PROCEDURE_STEP], ANNOUNCEMENTS)
    }
    assert set(contexts) == {VERIFICATION, CT, PERFORMED_PROCEDURE_STEP}
    assert tuple(map(str, contexts[PERFORMED_PROCEDURE_STEP].transfer_syntax)) == SERVICE_TRANSFER_SYNTAXES
    assert {str(context.abstract_syntax) for context in supported([PERFORMED_PROCEDURE_STEP])} == {VERIFICATION}
