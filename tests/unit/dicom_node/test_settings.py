"""What a site may set."""

import pytest
from pydantic import ValidationError

from dicom_node.settings import NodeSettings, Peer


def test_defaults_listen_on_loopback_only() -> None:
    """Without a settings file nothing but this machine can reach or use the node."""
    settings = NodeSettings()
    assert (settings.ae_title, settings.host, settings.port) == ("WETREAD", "127.0.0.1", 11112)
    assert (settings.loopback, settings.peers, settings.promiscuous, settings.open_echo) == (True, (), False, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"portt": 1},
        {"ae_title": "SEVENTEENLETTERSX"},
        {"ae_title": " X"},
        {"peers": [{"ae_title": "CT1", "hosts": ["192.0.2.7/99"]}]},
        {"peers": [{"ae_title": "CT1", "hosts": ["192.0.2.999"]}]},
        {"peers": [{"ae_title": "CT1", "hosts": ["ct1 "]}]},
        {"peers": [{"ae_title": "CT1", "hosts": []}]},
        {"peers": [{"ae_title": "CT1", "hosts": ["ct1"]}, {"ae_title": "CT1", "hosts": ["ct2"]}]},
        {"peers": [{"ae_title": "CT1", "hosts": ["ct1"], "certificate_sha256": ["12:34"]}]},
        {"peers": [{"ae_title": "CT1", "hosts": ["ct1"], "certificate_name": "ct1"}]},
        {"peers": [{"ae_title": "CT1", "hosts": ["ct1"], "assume_character_set": "latin1"}]},
        {"peers": [{"ae_title": "CT1", "hosts": ["ct1"], "assume_character_set": ["ISO_IR 100", "ISO_IR 144"]}]},
        {"plain": False},
        {"tls": {"certificate": "node.pem", "key": "node.key"}},
        {"port": 70000},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    """Unknown keys, impossible AE titles, networks and ports are refused when the settings are read."""
    with pytest.raises(ValidationError):
        NodeSettings(**wrong)


@pytest.mark.parametrize("written", ["\\ISO 2022 IR 87", ["", "ISO 2022 IR 87"]])
def test_a_character_set_may_be_written_as_in_dicom(written: object) -> None:
    """With a backslash between its values, or as a list."""
    (peer,) = NodeSettings(peers=[{"ae_title": "CT1", "hosts": ["ct1"], "assume_character_set": written}]).peers
    assert peer.assume_character_set == ("", "ISO 2022 IR 87")


def test_settings_travel_as_json() -> None:
    """What one process writes another reads as the same."""
    settings = NodeSettings(
        peers=(
            {
                "ae_title": "CT1",
                "hosts": ["ct1", "192.0.2.0/24"],
                "certificate_sha256": ["AB:" * 31 + "AB"],
                "assume_character_set": "ISO_IR 100",
            },
        ),
        tls={"certificate": "node.pem", "key": "node.key", "ca": "ca.pem"},
    )
    assert NodeSettings.model_validate_json(settings.model_dump_json()) == settings


def test_peer_needs_a_port() -> None:
    """A peer without a real port is refused."""
    with pytest.raises(ValidationError):
        Peer(ae_title="PACS", host="192.0.2.7", port=0)


def test_who_commits_needs_an_address_for_its_reports() -> None:
    """The message names the peer and the table."""
    entry = {"ae_title": "CT1", "hosts": ["192.0.2.7"], "storage_commitment": True}
    with pytest.raises(ValidationError, match=r"CT1 needs \[node.peers.report_to\]"):
        NodeSettings.model_validate({"peers": [entry]})
    to = {"host": "ct1.example.org", "port": 104}
    assert NodeSettings.model_validate({"peers": [{**entry, "report_to": to}]}).peers[0].storage_commitment
    assert not NodeSettings.model_validate({"peers": [{**entry, "storage_commitment": False}]}).peers[0].report_to
    with pytest.raises(ValidationError, match="anybody under the AE title of CT1"):
        NodeSettings.model_validate({"peers": [{**entry, "report_to": to}], "promiscuous": True})
