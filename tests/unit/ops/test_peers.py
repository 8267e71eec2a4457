"""Peers as they are typed, and what the settings know."""

import pytest

from ops.commands.cli_pull import _archive
from ops.peers import our_node, parse_peer, peer_named
from ops.settings import Settings, SettingsError


def settings(*names: str, host: str = "127.0.0.1") -> Settings:
    """Return settings with destinations of these names."""
    destinations = [
        {"name": name, "ae_title": name.upper(), "host": f"{name}.example.org", "port": 104} for name in names
    ]
    return Settings.model_validate({"destinations": destinations, "node": {"host": host, "port": 11112}})


def test_an_address_needs_no_settings() -> None:
    """A command for a peer that is typed in full runs where nothing is set."""

    def unread() -> Settings:
        raise AssertionError("the settings were read")

    assert peer_named("PACS@192.0.2.7:104", unread).host == "192.0.2.7"


@pytest.mark.parametrize("typed", ["SIX@[::1]:21812", "SIX@::1:21812"])
def test_an_ipv6_address_is_typed_in_brackets_or_without(typed: str) -> None:
    """The port is what stands behind the last colon."""
    peer = parse_peer(typed)
    assert (peer.ae_title, peer.host, peer.port) == ("SIX", "::1", 21812)


def test_a_name_is_a_destinations() -> None:
    """With AE title, host and port as they are set."""
    peer = peer_named("two", lambda: settings("one", "two"))
    assert (peer.ae_title, peer.host, peer.port) == ("TWO", "two.example.org", 104)


def test_an_unknown_name_is_told_with_those_known() -> None:
    """Or that there is none."""
    with pytest.raises(SettingsError, match="the settings name one, two"):
        peer_named("three", lambda: settings("one", "two"))
    with pytest.raises(SettingsError, match="name no DICOM destination"):
        peer_named("three", settings)


@pytest.mark.parametrize(("host", "reached"), [("0.0.0.0", "127.0.0.1"), ("192.0.2.9", "192.0.2.9")])  # noqa: S104
def test_our_node_is_reached_from_here(host: str, reached: str) -> None:
    """An address that means all of them is none to connect to."""
    assert our_node(settings(host=host)).host == reached


@pytest.mark.parametrize("key", ["node.port", "node.tls.port"])
def test_a_port_that_nobody_knows_is_told(key: str) -> None:
    """A node on any free port cannot be called by who only has the settings."""
    tls = {name: f"{name}.pem" for name in ("certificate", "key", "ca")}
    node = {"port": 0} if key == "node.port" else {"plain": False, "tls": {"port": 0, **tls}}
    with pytest.raises(SettingsError, match=rf"^{key} is 0, .*; choose one, such as WETREAD_NODE__.*PORT=[0-9]+$"):
        our_node(Settings.model_validate({"node": node}))


def test_the_only_destination_is_where_studies_are_pulled_from() -> None:
    """With none or several somebody has to say."""
    assert _archive("", settings("one")).ae_title == "ONE"
    for known in ([], ["one", "two"]):
        with pytest.raises(SettingsError, match="--from"):
            _archive("", settings(*known))
