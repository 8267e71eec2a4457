"""Certificates for tests, made by Debian's openssl when they are needed: a CA, what it issues, and what is wrong."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_EXTENSIONS = """
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path

    @property
    def sha256(self) -> str:
        """The certificate's fingerprint, as openssl shows it."""
        told = _openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256")
        return told.strip().partition("=")[2]


class Authority:
    """A CA in a folder of its own."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        """Make its key and its certificate."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._serial = 0
        self._own = self._self_signed("ca", name)

    @property
    def file(self) -> Path:
        """Its certificate: whom it makes trusted."""
        return self._own.certificate

    def issue(
        self, name: str, *, days: int = 365, names: str = "DNS:localhost, IP:127.0.0.1", rsa: bool = False
    ) -> Pair:
        """Issue a certificate; one of `days` below zero has expired."""
        self._serial += 1
        stem = self._folder / f"{self._serial}-{name}"
        pair = Pair(certificate=stem.with_suffix(".pem"), key=stem.with_suffix(".key"))
        request, extensions, index = stem.with_suffix(".csr"), stem.with_suffix(".cnf"), stem.with_suffix(".index")
        extensions.write_text(
            f"[issuer]\ndatabase = {index}\nnew_certs_dir = {self._folder}\nrand_serial = yes\npolicy = any\n"
            "unique_subject = no\n[any]\ncommonName = supplied\n" + _EXTENSIONS.format(names=f"{names}, DNS:{name}")
        )
        index.touch()
        _openssl("req", *(_NEW_RSA if rsa else _NEW_KEY), "-keyout", pair.key, "-subj", f"/CN={name}", "-out", request)
        # `openssl ca` and not `x509 -req`: it takes dates, and openssl 3.0's x509 no end in the past.
        start, end = ("20200101000000Z", "20210101000000Z") if days < 0 else (None, None)
        dates = ("-days", days) if start is None else ("-startdate", start, "-enddate", end)
        _openssl(
            "ca", "-batch", "-notext", "-config", extensions, "-name", "issuer", "-extensions", "leaf", "-md", "sha256",
            "-cert", self._own.certificate, "-keyfile", self._own.key, "-in", request, "-out", pair.certificate, *dates,
        )  # fmt: skip
        return pair

    def revocation_list(self, *revoked: Pair, days: int = 30) -> Path:
        """Write a revocation list with these certificates; one of `days` below zero has expired."""
        self._serial += 1
        stem = self._folder / f"{self._serial}-crl"
        config, index, file = stem.with_suffix(".cnf"), stem.with_suffix(".index"), stem.with_suffix(".pem")
        config.write_text(
            f"[issuer]\ndatabase = {index}\nunique_subject = no\ncrl_extensions = list\n"
            "[list]\nauthorityKeyIdentifier = keyid\n"
        )
        index.touch()
        issuer = ("-config", config, "-name", "issuer", "-md", "sha256", "-cert", self._own.certificate, "-keyfile")
        for pair in revoked:
            _openssl("ca", *issuer, self._own.key, "-revoke", pair.certificate)
        dates = ("-crldays", days)
        if days < 0:
            dates = ("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20210101000000Z")  # type: ignore[assignment]
        _openssl("ca", *issuer, self._own.key, "-gencrl", "-out", file, *dates)
        return file

    def lock(self, key: Path, locked: Path, *, password: str) -> None:
        """Write a key with a password."""
        _openssl("pkey", "-in", key, "-aes256", "-passout", f"pass:{password}", "-out", locked)

    def _self_signed(self, stem: str, name: str) -> Pair:
        pair = Pair(certificate=self._folder / f"{stem}.pem", key=self._folder / f"{stem}.key")
        config = self._folder / f"{stem}.cnf"
        config.write_text("[req]\ndistinguished_name = dn\n[dn]\n" + _EXTENSIONS.format(names="DNS:ca"))
        _openssl(
            "req", "-x509", *_NEW_KEY, "-config", config, "-extensions", "ca", "-keyout", pair.key,
            "-subj", f"/CN={name}", "-days", 3650, "-out", pair.certificate,
        )  # fmt: skip
        return pair


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_NEW_RSA = ("-newkey", "rsa:2048", "-nodes")


def _openssl(*arguments: object) -> str:
    program = shutil.which("openssl")
    assert program is not None, "openssl is not installed: apt-get install openssl"
    run = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout
