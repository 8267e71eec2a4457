"""Who may talk to us."""

from typing import Any

import pytest

from dicom_node.admitting.association import (
    MOST_OPEN_ECHOES,
    Admission,
    Admitted,
    Caller,
    Certificate,
    Rejection,
    is_strange,
    judge,
)
from dicom_node.peer_settings import PeerSettings
from dicom_node.settings import NodeSettings
from dicom_node.tls_settings import NodeTlsSettings

CT1 = {"ae_title": "CT1", "hosts": ["192.0.2.7", "198.51.100.0/24", "2001:db8::/32", "ct1.example.org"]}
TLS = NodeTlsSettings(certificate="node.pem", key="node.key", ca="ca.pem")
MINE, OTHER = "ab" * 32, "cd" * 32


def _settings(*peers: dict[str, Any], **settings: Any) -> NodeSettings:
    return NodeSettings(peers=tuple(PeerSettings(**peer) for peer in peers), **settings)


def _judge(
    settings: NodeSettings,
    *,
    calling: str = "CT1",
    called: str = "WETREAD",
    address: str = "127.0.0.1",
    certificate: Certificate | None = None,
    admitted: Admitted | None = None,
) -> Admission | Rejection:
    caller = Caller(calling_ae_title=calling, called_ae_title=called, address=address, certificate=certificate)
    addresses = {"ct1.example.org": frozenset({"203.0.113.9"})}
    return judge(caller, settings, admitted=admitted or Admitted(), addresses=addresses)


def test_this_machine_is_admitted_by_default() -> None:
    """With the default settings any AE title on this machine may call us by our name, over IPv4 and IPv6."""
    for address in ("127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"):
        assert _judge(NodeSettings(), address=address) == Admission()


@pytest.mark.parametrize("address", ["192.0.2.7", "::ffff:192.0.2.7", "fe80::1%eth0", "0.0.0.0", "10.0.0.1"])  # noqa: S104
def test_other_machines_are_rejected_by_default(address: str) -> None:
    """Nobody from another machine is admitted unless the settings list it, with the standard's reason 3."""
    assert _judge(NodeSettings(), address=address) is Rejection.CALLING_AE_TITLE_NOT_RECOGNISED
    assert Rejection.CALLING_AE_TITLE_NOT_RECOGNISED.answer == (1, 1, 3)


@pytest.mark.parametrize(
    ("address", "settings", "strange"),
    [
        ("127.0.0.1", {}, False),
        ("::1", {}, False),
        ("127.0.0.1", {"loopback": False}, True),
        ("192.0.2.7", {}, False),
        ("::ffff:192.0.2.7", {}, False),
        ("198.51.100.200", {}, False),
        ("2001:db8::77", {}, False),
        ("203.0.113.9", {}, False),
        ("203.0.113.10", {}, True),
        ("192.0.2.8", {"open_echo": True}, True),
        ("192.0.2.8", {"promiscuous": True}, False),
        ("somewhere", {}, True),
    ],
)
def test_a_stranger_is_who_could_not_come_in_under_any_title(
    address: str,
    settings: dict[str, Any],
    strange: bool,  # noqa: FBT001
) -> None:
    """By addresses, networks and names of the entries; where anybody may come in nobody is one."""
    found = _settings(CT1, {"ae_title": "CT2", "hosts": ["192.0.2.7"]}, **settings)
    assert is_strange(address, found, {"ct1.example.org": frozenset({"203.0.113.9"})}) is strange


def test_all_of_our_names_are_ours() -> None:
    """The AE titles that stand for a priority are answered like the first one; others are not."""
    settings = NodeSettings(priority_ae_titles={"WETREAD_STAT": "stat"})
    assert _judge(settings, called="WETREAD") == _judge(settings, called="WETREAD_STAT") == Admission()
    assert _judge(settings, called="WETREAD_SLOW") is Rejection.CALLED_AE_TITLE_NOT_RECOGNISED


def test_this_machine_needs_an_entry_where_the_site_says_so() -> None:
    """Behind a proxy everybody comes from this machine: then it can be treated as any other."""
    assert _judge(NodeSettings(loopback=False)) is Rejection.CALLING_AE_TITLE_NOT_RECOGNISED


@pytest.mark.parametrize(
    "address", ["192.0.2.7", "::ffff:192.0.2.7", "198.51.100.200", "2001:db8::5", "203.0.113.9", "::ffff:203.0.113.9"]
)
def test_a_peer_is_admitted_from_its_hosts(address: str) -> None:
    """From an address, a network or a resolved name of its entry, whichever way the system shows the address."""
    assert _judge(_settings(CT1), address=address) == Admission(peer="CT1")


@pytest.mark.parametrize("host", ["::ffff:192.0.2.7", "::FFFF:c000:207", "::ffff:192.0.2.0/120"])
def test_an_ipv4_address_may_be_listed_as_a_log_shows_it(host: str) -> None:
    """Who was turned away from a socket for both families is told of so, and its remedy is to list that."""
    settings = _settings({"ae_title": "CT1", "hosts": [host]})
    for address, there in (
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8::7", False),
    ):
        assert (_judge(settings, address=address) == Admission(peer="CT1")) is there
        assert is_strange(address, settings, {}) is not there


@pytest.mark.parametrize("address", ["192.0.2.8", "127.0.0.1", "2001:db9::5", "203.0.113.10"])
def test_a_listed_ae_title_belongs_to_its_hosts(address: str) -> None:
    """Nobody else calls under it, not even this machine; the standard has no reason of its own for that."""
    assert _judge(_settings(CT1), address=address) is Rejection.HOST_NOT_LISTED
    assert Rejection.HOST_NOT_LISTED.answer == (1, 1, 1)


def test_a_peers_host_may_not_call_under_another_title() -> None:
    """AE title and host count together: CT2 is a stranger, also on CT1's machine."""
    assert _judge(_settings(CT1), calling="CT2", address="192.0.2.7") is Rejection.CALLING_AE_TITLE_NOT_RECOGNISED


def test_a_name_that_is_not_resolved_admits_nobody() -> None:
    """An entry by a name that the resolver does not know is an entry without hosts."""
    settings = _settings({"ae_title": "CT1", "hosts": ["elsewhere.example.org"]})
    assert _judge(settings, address="203.0.113.9") is Rejection.HOST_NOT_LISTED


def test_wrong_called_ae_title() -> None:
    """A caller that calls another AE title gets the standard's reason 7, also on a promiscuous node."""
    for settings in (NodeSettings(), NodeSettings(promiscuous=True, open_echo=True)):
        verdict = _judge(settings, called="OTHER")
        assert verdict is Rejection.CALLED_AE_TITLE_NOT_RECOGNISED
        assert verdict.answer == (1, 1, 7)


def test_promiscuous_admits_everybody() -> None:
    """Any AE title from any host, also a listed one from elsewhere, which keeps its entry's limits."""
    settings = _settings(CT1, promiscuous=True)
    assert _judge(settings, calling="ANY", address="192.0.2.99") == Admission()
    assert _judge(settings, address="192.0.2.99") == Admission(peer="CT1")


def test_open_echo_gives_strangers_no_more_than_an_echo() -> None:
    """An AE title that is not listed is admitted for Verification only; a listed one from elsewhere is rejected."""
    settings = _settings(CT1, open_echo=True)
    assert _judge(settings, calling="ANY", address="192.0.2.99") == Admission(echo_only=True)
    assert _judge(settings, address="192.0.2.99") is Rejection.HOST_NOT_LISTED
    assert _judge(settings, address="192.0.2.7") == Admission(peer="CT1")


def test_too_many_associations_are_rejected_for_the_moment() -> None:
    """The association over the limit is rejected as transient, local limit exceeded."""
    settings = NodeSettings(max_associations=2)
    assert _judge(settings, admitted=Admitted(associations=1)) == Admission()
    verdict = _judge(settings, admitted=Admitted(associations=2))
    assert verdict is Rejection.LOCAL_LIMIT_EXCEEDED
    assert verdict.answer == (2, 3, 2)


def test_a_peers_own_limit_leaves_room_for_others() -> None:
    """A peer over its own limit is rejected as transient; another is admitted."""
    settings = _settings({**CT1, "max_associations": 2}, {"ae_title": "CT2", "hosts": ["192.0.2.8"]})
    admitted = Admitted(associations=2, of_peer={"CT1": 2})
    verdict = _judge(settings, address="192.0.2.7", admitted=admitted)
    assert verdict is Rejection.PEER_LIMIT_EXCEEDED
    assert verdict.answer == (2, 3, 2)
    assert _judge(settings, calling="CT2", address="192.0.2.8", admitted=admitted) == Admission(peer="CT2")


def test_strangers_echoes_take_no_place_from_peers() -> None:
    """Echoes of strangers have a limit of their own, and fill no place of those who bring images."""
    settings = _settings(CT1, open_echo=True, max_associations=1)
    admitted = Admitted(echoes=MOST_OPEN_ECHOES)
    assert _judge(settings, calling="ANY", address="192.0.2.99", admitted=admitted) is Rejection.ECHO_LIMIT_EXCEEDED
    assert "max_associations" not in Rejection.ECHO_LIMIT_EXCEEDED.remedy  # it would not help
    assert _judge(settings, address="192.0.2.7", admitted=admitted) == Admission(peer="CT1")
    full = Admitted(associations=1)
    assert _judge(settings, calling="ANY", address="192.0.2.99", admitted=full) == Admission(echo_only=True)


def _certificate(sha256: str = MINE, *names: str) -> Certificate:
    return Certificate(sha256=sha256, names=frozenset(names or ("ct1",)))


@pytest.mark.parametrize(
    ("pin", "certificate", "admitted"),
    [
        ({"certificate_sha256": [OTHER, MINE]}, _certificate(), True),
        ({"certificate_sha256": [":".join(["AB"] * 32)]}, _certificate(), True),
        ({"certificate_sha256": [OTHER]}, _certificate(), False),
        ({"certificate_name": "ct1"}, _certificate(OTHER, "x", "ct1"), True),
        ({"certificate_name": "ct1"}, _certificate(MINE, "ct2"), False),
        ({"certificate_name": "ct1", "certificate_sha256": [MINE]}, _certificate(OTHER, "ct1"), False),
        ({"certificate_name": "ct1", "certificate_sha256": [MINE]}, _certificate(MINE, "ct2"), False),
        ({"certificate_name": "ct1"}, None, False),
        ({}, None, True),
        ({}, _certificate(OTHER, "anybody"), True),
    ],
)
@pytest.mark.parametrize("more", [{}, {"promiscuous": True}, {"open_echo": True}])
def test_a_pinned_certificate_must_be_shown(
    pin: dict[str, Any], certificate: Certificate | None, admitted: object, more: dict[str, Any]
) -> None:
    """The peer's own certificate, by fingerprint and by name as pinned; without one nobody passes as that peer."""
    verdict = _judge(_settings({**CT1, **pin}, tls=TLS, **more), address="192.0.2.7", certificate=certificate)
    assert verdict == (Admission(peer="CT1") if admitted else Rejection.CERTIFICATE_NOT_ITS)
