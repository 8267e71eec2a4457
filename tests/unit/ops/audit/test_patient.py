"""Whose study it is, read from files as they come."""

from pathlib import Path

import pytest

from dicom_node.archives.identity import StudyIdentity
from ops.audit.patient import patient_of
from tests.unit.dicom_node.instances import dataset, write_file


def test_the_patient_is_read_in_its_character_set(tmp_path: Path) -> None:
    """As every reader of DICOM would."""
    content = dataset(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jürgen", PatientID="7")
    content.AccessionNumber = "A1"
    found = patient_of(write_file(tmp_path / "a.dcm", content))
    assert (found.patient_name, found.patient_id, found.accession_number) == ("Müller^Jürgen", "7", "A1")


def test_a_file_that_cannot_be_read_costs_the_patient_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is warned of by its name, without a value."""
    file = write_file(tmp_path / "a.dcm", dataset(PatientName="Canary^Bird"))
    file.write_bytes(file.read_bytes()[:60])
    assert patient_of(file) == StudyIdentity()
    assert patient_of(tmp_path / "missing.dcm") == StudyIdentity()
    assert "Canary" not in capsys.readouterr().out
