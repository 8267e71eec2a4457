"""Until when a certificate is good, as openssl says it."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_node.errors import CertificateUnusable
from dicom_node.tls.certificate_file import expiry_of, left_of, not_after
from tests.certificates import Authority


def _as_openssl_says(file: Path) -> datetime:
    command = ["openssl", "x509", "-in", str(file), "-noout", "-enddate", "-dateopt", "iso_8601"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return datetime.fromisoformat(told.strip().removeprefix("notAfter="))


@pytest.mark.parametrize("days", [1, 30, -1])
def test_the_end_of_a_revocation_list_is_what_openssl_says(authority: Authority, days: int) -> None:
    """Until then it counts; afterwards every certificate of its CA is refused."""
    file = authority.revocation_list(authority.issue("revoked"), days=days)
    command = ["openssl", "crl", "-in", str(file), "-noout", "-nextupdate", "-dateopt", "iso_8601"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert expiry_of(file) == datetime.fromisoformat(told.strip().removeprefix("nextUpdate="))
    assert (left_of(file, datetime.now(UTC)).days > 0) is (days > 0)


# From 2050 on the time is written with four digits of the year (RFC 5280 4.1.2.5).
@pytest.mark.parametrize("days", [1, 365, 365 * 40, -1])
def test_the_end_is_what_openssl_says(authority: Authority, days: int) -> None:
    """In either way that a certificate writes its times, also when it lies in the past."""
    file = authority.issue("dated", days=days).certificate
    assert expiry_of(file) == _as_openssl_says(file)
    assert (left_of(file, datetime.now(UTC)).days > 0) is (days > 0)


def test_days_are_counted_from_now(authority: Authority) -> None:
    """Fractions of a day count."""
    file = authority.issue("dated", days=10).certificate
    assert left_of(file, expiry_of(file) - timedelta(hours=36)).days == 1.5


@pytest.mark.parametrize(("days", "soon_days"), [(30, 7.5), (8, 2)])
def test_a_revocation_list_ends_soon_when_a_quarter_of_its_time_is_left(
    authority: Authority, days: int, soon_days: float
) -> None:
    """One that is made anew each week is not warned of all the time, and each one is before it locks callers out."""
    file = authority.revocation_list(days=days)
    assert not left_of(file, expiry_of(file) - timedelta(days=soon_days + 0.01)).soon
    assert left_of(file, expiry_of(file) - timedelta(days=soon_days - 0.01)).soon


def test_a_certificate_ends_soon_thirty_days_before(authority: Authority) -> None:
    """There is time to have a new one issued."""
    file = authority.issue("dated").certificate
    assert not left_of(file, expiry_of(file) - timedelta(days=30.01)).soon
    assert left_of(file, expiry_of(file) - timedelta(days=29.99)).soon


def test_a_certificate_with_what_it_is_trusted_for_is_one_too(authority: Authority, tmp_path: Path) -> None:
    """OpenSSL loads it as a CA as well."""
    trusted = tmp_path / "trusted.pem"
    command = ["openssl", "x509", "-in", str(authority.file), "-trustout", "-addtrust", "clientAuth", "-out", trusted]
    subprocess.run(command, check=True)
    assert "TRUSTED CERTIFICATE" in trusted.read_text()
    assert expiry_of(trusted) == expiry_of(authority.file)


def test_of_a_chain_the_first_end_counts(authority: Authority, tmp_path: Path) -> None:
    """A chain is broken when any of its certificates has expired."""
    soon, late = authority.issue("soon", days=5), authority.issue("late", days=50)
    chain = tmp_path / "chain.pem"
    chain.write_text("Kette der Radiologie, für PACS\n" + late.certificate.read_text() + soon.certificate.read_text())
    assert expiry_of(chain) == expiry_of(soon.certificate)


@pytest.mark.parametrize("content", ["", "nothing", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_told(tmp_path: Path, content: str) -> None:
    """The message names the file."""
    file = tmp_path / "node.pem"
    file.write_text(content)
    with pytest.raises(CertificateUnusable, match=r"node\.pem"):
        expiry_of(file)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """The message names the file and the system's words."""
    with pytest.raises(CertificateUnusable, match=os.strerror(2)):
        expiry_of(tmp_path / "node.pem")


def test_any_bytes_end_in_an_error_of_their_own(authority: Authority) -> None:
    """A certificate that breaks off anywhere is none; nothing else is raised, and nothing is read twice."""
    pem = authority.issue("cut").certificate
    whole = subprocess.run(
        ["openssl", "x509", "-in", str(pem), "-outform", "DER"], capture_output=True, check=True
    ).stdout
    assert not_after(whole) == expiry_of(pem)
    for length in range(len(whole)):
        with pytest.raises((ValueError, IndexError)):
            not_after(whole[:length])
