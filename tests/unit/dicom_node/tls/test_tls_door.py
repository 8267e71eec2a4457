"""Certificates that are renewed while the node runs."""

import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
import structlog

from dicom_node.errors import CertificateUnusable
from dicom_node.testing import ManualClock
from dicom_node.tls.tls_door import OwnCertificate
from dicom_node.tls.tls_profile import CIPHER_SUITES, client_context, server_context
from dicom_node.tls_settings import NodeTlsSettings, TlsClientSettings
from tests.certificates import Authority, Pair


def _put(pair: Pair, folder: Path) -> None:
    shutil.copy(pair.certificate, folder / "node.pem")
    shutil.copy(pair.key, folder / "node.key")


def _settings(folder: Path, authority: Authority) -> NodeTlsSettings:
    return NodeTlsSettings(certificate=folder / "node.pem", key=folder / "node.key", ca=authority.file)


def test_the_same_files_are_read_once(authority: Authority, tmp_path: Path) -> None:
    """While nothing changes there is one context."""
    _put(authority.issue("node"), tmp_path)
    own = OwnCertificate(_settings(tmp_path, authority))
    assert own.context() is own.context()


def test_new_files_count_from_the_next_connection_on(authority: Authority, tmp_path: Path) -> None:
    """A certificate that is put in place of the old one is used, and the log says how long it is good."""
    _put(authority.issue("node"), tmp_path)
    own = OwnCertificate(_settings(tmp_path, authority))
    before = own.context()
    _put(authority.issue("node", days=20), tmp_path)
    with structlog.testing.capture_logs() as told:
        assert own.context() is not before
    assert [entry["event"] for entry in told] == [
        "certificate in use",
        "certificate expires soon",
        "CA certificate in use",
    ]


@pytest.mark.parametrize("broken", ["nonsense", "another key", "gone"])
def test_a_broken_new_certificate_keeps_the_old_one(authority: Authority, tmp_path: Path, broken: str) -> None:
    """The error is told once, with cause and remedy, until the files are mended."""
    _put(authority.issue("node"), tmp_path)
    own = OwnCertificate(_settings(tmp_path, authority))
    before = own.context()
    if broken == "nonsense":
        (tmp_path / "node.pem").write_text("nonsense")
    elif broken == "another key":
        shutil.copy(authority.issue("other").key, tmp_path / "node.key")
    else:
        (tmp_path / "node.pem").unlink()
    with structlog.testing.capture_logs() as told:
        assert own.context() is before
        assert own.context() is before
    (entry,) = told
    assert (entry["event"], entry["log_level"]) == ("new certificate not used", "error")
    assert "node.pem" in entry["cause"]
    assert "until then" in entry["remedy"]
    _put(authority.issue("node"), tmp_path)
    assert own.context() is not before


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(authority: Authority, tmp_path: Path) -> None:
    """OpenSSL would wait for somebody to type it."""
    pair = authority.issue("node")
    _put(pair, tmp_path)
    (tmp_path / "node.key").unlink()
    locked = tmp_path / "node.key"
    authority.lock(pair.key, locked, password="secret")  # noqa: S106
    with pytest.raises(CertificateUnusable, match="without a password"):
        server_context(_settings(tmp_path, authority))


def test_a_missing_ca_is_named(authority: Authority, tmp_path: Path) -> None:
    """The message names the file."""
    pair = authority.issue("node")
    with pytest.raises(CertificateUnusable, match=r"none\.pem"):
        server_context(NodeTlsSettings(certificate=pair.certificate, key=pair.key, ca=tmp_path / "none.pem"))


def test_the_profile_is_b_12s(authority: Authority) -> None:
    """Both ends: nothing older than TLS 1.2, of TLS 1.2 the four suites, and certificates are verified."""
    pair = authority.issue("node")
    serving = server_context(NodeTlsSettings(certificate=pair.certificate, key=pair.key, ca=authority.file))
    for context in (serving, client_context(TlsClientSettings(ca=authority.file))):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        of_1_2 = {str(cipher["name"]) for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"}
        assert of_1_2 == set(CIPHER_SUITES)
        assert context.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("content", ["nothing", "a certificate", "gone"])
def test_what_is_no_revocation_list_is_refused(authority: Authority, tmp_path: Path, content: str) -> None:
    """Else nobody would be refused by it; a certificate in it would even be trusted."""
    pair, file = authority.issue("node"), tmp_path / "list.pem"
    if content == "nothing":
        file.write_text("nothing")
    elif content == "a certificate":
        file.write_text(authority.revocation_list().read_text() + authority.issue("other").certificate.read_text())
    with pytest.raises(CertificateUnusable, match=r"list\.pem"):
        server_context(
            NodeTlsSettings(certificate=pair.certificate, key=pair.key, ca=authority.file, crl=tmp_path / "list.pem")
        )
    with pytest.raises(CertificateUnusable, match=r"list\.pem"):
        client_context(TlsClientSettings(ca=authority.file, crl=tmp_path / "list.pem"))


def test_a_new_revocation_list_counts_and_one_that_has_expired_is_told(authority: Authority, tmp_path: Path) -> None:
    """From the next connection on; the log says how long it is good."""
    _put(authority.issue("node"), tmp_path)
    shutil.copy(authority.revocation_list(), tmp_path / "list.pem")
    own = OwnCertificate(_settings(tmp_path, authority).model_copy(update={"crl": tmp_path / "list.pem"}))
    before = own.context()
    assert own.context() is before
    assert before.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
    shutil.copy(authority.revocation_list(days=-1), tmp_path / "list.pem")
    with structlog.testing.capture_logs() as told:
        assert own.context() is not before
    assert [entry["event"] for entry in told][-2:] == ["revocation list in use", "revocation list has expired"]


def test_what_ends_soon_is_told_again_each_day(authority: Authority, tmp_path: Path) -> None:
    """A node runs for longer than a revocation list is good: who put it there must hear of it before it ends."""
    _put(authority.issue("node"), tmp_path)
    with patch("dicom_node.tls.tls_door.datetime", wraps=datetime) as now:
        clock = ManualClock()
        settings = _settings(tmp_path, authority).model_copy(update={"crl": authority.revocation_list(days=8)})
        own = OwnCertificate(settings, clock)
        now.now.return_value = datetime.now(UTC) + timedelta(days=7)
        with structlog.testing.capture_logs() as told:
            clock.advance(80_000)
            own.context()
            assert told == []
            clock.advance(7_000)
            own.context()
            own.context()
    (warning,) = (entry for entry in told if entry["log_level"] == "warning")
    assert (warning["event"], warning["days_left"]) == ("revocation list expires soon", 1.0)
    assert "no caller with a certificate comes in" in warning["remedy"]


def test_a_revocation_list_needs_a_ca() -> None:
    """It lists what that CA has issued."""
    with pytest.raises(ValueError, match="name that too"):
        NodeTlsSettings(certificate=Path("a"), key=Path("b"), crl=Path("c"), client_certificates="none")
