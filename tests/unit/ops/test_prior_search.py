"""What the settings come to where earlier reads are searched for."""

import stat
from pathlib import Path
from typing import Any

import pytest

from dicom_node.archives.archive import DicomArchive
from ops.assembly_line import open_ledger
from ops.prior_search import priors_of
from ops.settings import Settings
from worker.priors.priors import Priors

PACS = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}


def made(tmp_path: Path, **settings: Any) -> Priors | None:
    """Build it from settings."""
    read = Settings.model_validate({"data": tmp_path / "data"} | settings)
    ledger = open_ledger(read)
    try:
        return priors_of(read, ledger)
    finally:
        ledger.close()


def test_by_default_the_ledger_is_asked_and_no_archive(tmp_path: Path) -> None:
    """A secret is made in the data directory, readable by its owner only."""
    priors = made(tmp_path, destinations=[PACS])
    assert priors is not None
    assert priors.archives == {}
    file = tmp_path / "data" / "patient-secret"
    assert bytes.fromhex(file.read_text()) == priors.secret
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_archive_is_asked_that_allows_it(tmp_path: Path) -> None:
    """Each destination says so by itself."""
    priors = made(tmp_path, destinations=[PACS | {"prior": True}, PACS | {"name": "other"}])
    assert priors is not None
    assert list(priors.archives) == ["pacs"]
    assert isinstance(priors.archives["pacs"], DicomArchive)


def test_switched_off_no_secret_is_made(tmp_path: Path) -> None:
    """Nothing is kept of patients then."""
    assert made(tmp_path, report={"prior": False}) is None
    assert not (tmp_path / "data" / "patient-secret").exists()


def test_machines_share_a_secret_by_a_setting(tmp_path: Path) -> None:
    """The same file, the same digests."""
    file = tmp_path / "shared"
    file.write_text("ab" * 32)
    priors = made(tmp_path, ledger={"patient_secret": str(file)})
    assert priors is not None
    assert priors.secret == b"\xab" * 32


def test_without_a_secret_reading_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is compared, and the log says why."""
    file = tmp_path / "shared"
    file.write_text("too short")
    assert made(tmp_path, ledger={"patient_secret": str(file)}) is None
    assert "nothing is compared with earlier reads" in capsys.readouterr().out
