"""Who may talk to us."""

import pytest

from dicom_node.association import Caller, Rejection, judge
from dicom_node.settings import NodeSettings


def _judge(
    settings: NodeSettings, *, calling: str = "CT1", called: str = "WETREAD", address: str = "127.0.0.1", n: int = 0
) -> Rejection | None:
    caller = Caller(calling_ae_title=calling, called_ae_title=called, address=address)
    return judge(caller, settings, open_associations=n)


def test_loopback_is_admitted_by_default() -> None:
    """With the default settings any AE title on this machine may call us by our name, over IPv4 and IPv6."""
    for address in ("127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"):
        assert _judge(NodeSettings(), address=address) is None


@pytest.mark.parametrize("address", ["192.0.2.7", "::ffff:192.0.2.7", "fe80::1%eth0"])
def test_other_hosts_are_rejected_by_default(address: str) -> None:
    """Nobody from another machine is admitted unless the settings name its network."""
    assert _judge(NodeSettings(), address=address) is Rejection.HOST_NOT_ALLOWED


def test_named_networks_are_admitted() -> None:
    """A network in the settings admits its hosts and no others."""
    settings = NodeSettings(peer_hosts=("192.0.2.0/24",))
    assert _judge(settings, address="192.0.2.7") is None
    assert _judge(settings, address="192.0.3.7") is Rejection.HOST_NOT_ALLOWED


def test_wrong_called_ae_title() -> None:
    """A caller that calls another AE title gets the standard's reason 7."""
    assert _judge(NodeSettings(), called="OTHER").value == (1, 1, 7)


def test_calling_ae_title_must_be_listed() -> None:
    """Where the settings list AE titles, others get the standard's reason 3."""
    settings = NodeSettings(calling_ae_titles=("PACS",))
    assert _judge(settings, calling="PACS") is None
    assert _judge(settings, calling="CT1").value == (1, 1, 3)


def test_too_many_associations_are_rejected_for_the_moment() -> None:
    """The association over the limit is rejected as transient, local limit exceeded."""
    settings = NodeSettings(max_associations=2)
    assert _judge(settings, n=1) is None
    assert _judge(settings, n=2).value == (2, 3, 2)
