"""What a site may set."""

import pytest
from pydantic import ValidationError

from dicom_node.settings import NodeSettings, Peer


def test_defaults_listen_on_loopback_only() -> None:
    """Without a settings file nothing but this machine can reach or use the node."""
    settings = NodeSettings()
    assert (settings.ae_title, settings.host, settings.port) == ("WETREAD", "127.0.0.1", 11112)
    assert settings.peer_hosts == ("127.0.0.0/8", "::1/128")


@pytest.mark.parametrize(
    "wrong",
    [
        {"portt": 1},
        {"ae_title": "SEVENTEENLETTERSX"},
        {"ae_title": " X"},
        {"peer_hosts": ["192.0.2.7/99"]},
        {"port": 70000},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    """Unknown keys, impossible AE titles, networks and ports are refused when the settings are read."""
    with pytest.raises(ValidationError):
        NodeSettings(**wrong)


def test_peer_needs_a_port() -> None:
    """A peer without a real port is refused."""
    with pytest.raises(ValidationError):
        Peer(ae_title="PACS", host="192.0.2.7", port=0)
