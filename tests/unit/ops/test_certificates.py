"""Which certificates are ours, and whether they can be used."""

from pathlib import Path

import pytest

from dicom_node.errors import CertificateUnusable
from dicom_node.tls.certificate_file import Left
from ops.certificates import Expiry, Kind, Watched, expiries_of, require_usable, troubles_of, watched_files
from ops.settings import Settings
from tests.certificates import Authority


def test_the_one_for_the_audit_record_repository_is_ours(authority: Authority, tmp_path: Path) -> None:
    """It is watched and loaded like the others, where it is used."""
    pair = authority.issue("node")
    tls = {"ca": authority.file, "certificate": pair.certificate, "key": pair.key}
    audit = {"to": "syslog", "syslog": {"host": "arr.example.org", "tls": tls}}
    settings = Settings.model_validate({"data": tmp_path, "audit": audit})
    assert watched_files(settings) == (
        Watched(kind=Kind.CERTIFICATE, use="audit", file=pair.certificate),
        Watched(kind=Kind.CA, use="audit", file=authority.file),
    )
    require_usable(settings)
    broken = {"to": "syslog", "syslog": {"host": "arr.example.org", "tls": {**tls, "ca": tmp_path / "missing.pem"}}}
    with pytest.raises(CertificateUnusable):
        require_usable(Settings.model_validate({"data": tmp_path, "audit": broken}))
    assert watched_files(Settings.model_validate({"data": tmp_path, "audit": {**audit, "to": "off"}})) == ()


def test_what_notifications_trust_is_loaded_before_the_first_critical_finding(tmp_path: Path) -> None:
    """A path that is mistyped would be noticed by nobody until then."""
    channel = {"name": "desk", "kind": "webhook", "url": "https://a.example/x", "ca_file": tmp_path / "missing.pem"}
    with pytest.raises(CertificateUnusable, match="missing"):
        require_usable(Settings.model_validate({"data": tmp_path, "notifications": [channel]}))


def test_the_revocation_list_of_our_callers_is_watched_beside_certificate_and_ca(
    authority: Authority, tmp_path: Path
) -> None:
    """Once it has expired no caller with a certificate comes in: somebody must hear of it before."""
    pair = authority.issue("node", days=20)
    tls = {"certificate": pair.certificate, "key": pair.key, "ca": authority.file, "crl": authority.revocation_list()}
    settings = Settings.model_validate({"data": tmp_path, "node": {"tls": tls}})
    assert [(watched.kind, watched.use) for watched in watched_files(settings)] == [(kind, "node") for kind in Kind]
    expiries = expiries_of(watched_files(settings))()
    assert [round(expiry.left.days) for expiry in expiries if expiry.left is not None] == [20, 3650, 30]
    assert troubles_of(expiries) == ["the certificate of node expires in 20 days"]
    tls["crl"] = authority.revocation_list(days=-1)
    settings = Settings.model_validate({"data": tmp_path, "node": {"tls": tls}})
    assert troubles_of(expiries_of(watched_files(settings))())[1:] == ["the revocation list of node has expired"]


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (Left(days=1.2, soon=False), []),
        (Left(days=1.2, soon=True), ["the revocation list of node expires in 2 days"]),
        (Left(days=0.2, soon=True), ["the revocation list of node expires in 1 day"]),
        (Left(days=-0.2, soon=True), ["the revocation list of node has expired"]),
        (None, ["the revocation list of node cannot be read"]),
    ],
)
def test_what_ends_soon_is_named_by_kind_and_use(left: Left | None, told: list[str]) -> None:
    """In the page's first line and by `wetread config check`."""
    assert troubles_of([Expiry(kind=Kind.REVOCATION_LIST, use="node", left=left)]) == told
