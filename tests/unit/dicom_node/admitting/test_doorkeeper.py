"""Who is in is counted by who came and who left."""

import pytest
import structlog.testing

from dicom_node.admitting.association import Admission, Caller, Rejection
from dicom_node.admitting.doorkeeper import Doorkeeper
from dicom_node.settings import NodeSettings

PEERS = [{"ae_title": "CT1", "hosts": ["127.0.0.1"], "max_associations": 1}]


def caller(ae_title: str = "MR1", address: str = "127.0.0.1") -> Caller:
    """Somebody who calls us by our name."""
    return Caller(calling_ae_title=ae_title, called_ae_title="WETREAD", address=address)


@pytest.mark.parametrize(
    ("more", "warned"),
    [({}, True), ({"host": "localhost"}, True), ({"host": "0.0.0.0"}, False), ({"peers": []}, False)],  # noqa: S104
)
def test_a_node_that_its_peers_cannot_reach_says_so(more: dict[str, object], warned: bool) -> None:  # noqa: FBT001
    """At every start; on this machine alone nobody need be listed."""
    doorkeeper = Doorkeeper(NodeSettings.model_validate({"peers": PEERS} | more))
    with structlog.testing.capture_logs() as told:
        doorkeeper.start()
    doorkeeper.stop()
    assert ["of this machine alone" in line["event"] for line in told] == [True] * warned


def test_a_place_is_free_again_when_its_association_is_over() -> None:
    """Leaving twice, or without having come, frees no other's place."""
    doorkeeper = Doorkeeper(NodeSettings(max_associations=1))
    assert doorkeeper.admit(caller(), "first") == Admission()
    doorkeeper.leave("nobody")
    assert doorkeeper.admit(caller(), "second") is Rejection.LOCAL_LIMIT_EXCEEDED
    doorkeeper.leave("first")
    doorkeeper.leave("first")
    assert doorkeeper.admit(caller(), "third") == Admission()
    assert doorkeeper.admit(caller(), "fourth") is Rejection.LOCAL_LIMIT_EXCEEDED


def test_a_peer_has_its_own_limit() -> None:
    """Its second association is one too many, another caller's is not."""
    doorkeeper = Doorkeeper(NodeSettings.model_validate({"peers": PEERS}))
    assert doorkeeper.admit(caller("CT1"), "first") == Admission(peer="CT1")
    assert doorkeeper.admit(caller("CT1"), "second") is Rejection.PEER_LIMIT_EXCEEDED
    assert doorkeeper.admit(caller("MR1"), "third") == Admission()


def test_echoes_take_nobodys_place() -> None:
    """A stranger that may only ask C-ECHO is counted apart."""
    doorkeeper = Doorkeeper(NodeSettings(max_associations=1, open_echo=True))
    assert doorkeeper.admit(caller("XX", "192.0.2.7"), "echo") == Admission(echo_only=True)
    assert doorkeeper.admit(caller(), "first") == Admission()
