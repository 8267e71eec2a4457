"""Which certificates are ours, and whether they can be used."""

from pathlib import Path

import pytest

from dicom_node.errors import CertificateUnusable
from ops.certificates import own_certificates, require_usable
from ops.settings import Settings
from tests.certificates import Authority


def test_the_one_for_the_audit_record_repository_is_ours(authority: Authority, tmp_path: Path) -> None:
    """It is watched and loaded like the others, where it is used."""
    pair = authority.issue("node")
    tls = {"ca": authority.file, "certificate": pair.certificate, "key": pair.key}
    audit = {"to": "syslog", "syslog": {"host": "arr.example.org", "tls": tls}}
    settings = Settings.model_validate({"data": tmp_path, "audit": audit})
    assert own_certificates(settings) == {"audit": pair.certificate}
    require_usable(settings)
    broken = {"to": "syslog", "syslog": {"host": "arr.example.org", "tls": {**tls, "ca": tmp_path / "missing.pem"}}}
    with pytest.raises(CertificateUnusable):
        require_usable(Settings.model_validate({"data": tmp_path, "audit": broken}))
    assert own_certificates(Settings.model_validate({"data": tmp_path, "audit": {**audit, "to": "off"}})) == {}


def test_what_notifications_trust_is_loaded_before_the_first_critical_finding(tmp_path: Path) -> None:
    """A path that is mistyped would be noticed by nobody until then."""
    channel = {"name": "desk", "kind": "webhook", "url": "https://a.example/x", "ca_file": tmp_path / "missing.pem"}
    with pytest.raises(CertificateUnusable, match="missing"):
        require_usable(Settings.model_validate({"data": tmp_path, "notifications": [channel]}))
