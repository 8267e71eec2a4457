"""Two studies are of one patient only where id, issuer, birth date, sex and name agree."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from worker.errors import PatientSecretUnusable
from worker.jobs.patient_key import patient_key
from worker.patient_secret import load_secret

SECRET = b"k" * 32


def person(**changes: str) -> Dataset:
    """Return the patient's attributes."""
    values = {
        "PatientID": "4711",
        "IssuerOfPatientID": "HOSPITAL",
        "PatientBirthDate": "19510304",
        "PatientSex": "F",
        "PatientName": "Müller^Anna^^Dr.",
    }
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in (values | changes).items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    "changes",
    [
        {"PatientName": "MÜLLER^ANNA^^DR."},
        {"PatientName": "Mu\u0308ller^Anna^^Dr.^"},
        {"PatientName": "Müller ^ Anna^^Dr.=="},
        {"PatientID": " 4711 "},
    ],
)
def test_writing_does_not_count(changes: dict[str, str]) -> None:
    """Case, Unicode form, padding and trailing delimiters of a name are the same patient."""
    assert patient_key(SECRET, person()) == patient_key(SECRET, person(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"PatientID": "4712"},
        {"IssuerOfPatientID": ""},
        {"IssuerOfPatientID": "OTHER"},
        {"PatientBirthDate": "19510305"},
        {"PatientSex": "M"},
        {"PatientName": "Müller^Anne^^Dr."},
        {"PatientName": "Müller^Anna"},
    ],
)
def test_every_value_counts(changes: dict[str, str]) -> None:
    """A difference in any of them is another key, and so is another secret."""
    assert patient_key(SECRET, person()) != patient_key(SECRET, person(**changes))
    assert patient_key(SECRET, person()) != patient_key(b"o" * 32, person())


@pytest.mark.parametrize("empty", ["PatientID", "PatientBirthDate", "PatientName"])
def test_without_id_name_or_birth_date_nobody_is_known(empty: str) -> None:
    """Such a study has no key."""
    assert patient_key(SECRET, person(**{empty: ""})) is None


def test_contradictions() -> None:
    """One id with another person, or with and without an issuer, is a contradiction; another issuer's id is not."""
    one, other = patient_key(SECRET, person()), patient_key(SECRET, person(PatientBirthDate="19510305"))
    unnamed, elsewhere = (
        patient_key(SECRET, person(IssuerOfPatientID=issuer, PatientSex="M")) for issuer in ("", "ELSEWHERE")
    )
    assert one is not None
    assert other is not None
    assert unnamed is not None
    assert elsewhere is not None
    assert one.contradicts(other)
    assert one.contradicts(unnamed)
    assert not one.contradicts(elsewhere)
    assert not one.contradicts(one)


def test_a_universal_issuer_counts() -> None:
    """The issuer's universal id (PS3.3 10.14) is part of who it is."""
    qualifier = Dataset()
    qualifier.UniversalEntityID = "2.25.1"
    qualifier.UniversalEntityIDType = "ISO"
    named = person()
    named.IssuerOfPatientIDQualifiersSequence = [qualifier]
    assert patient_key(SECRET, named) != patient_key(SECRET, person())


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    """Readable by its owner only; whoever comes first, all have the same, and nothing else is left behind."""
    file = tmp_path / "patient-secret"
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: load_secret(file), range(32)))
    assert secrets == {load_secret(file)}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "ab" * 8])
def test_a_secret_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    """The file is named, and never replaced."""
    file = tmp_path / "patient-secret"
    file.write_text(content)
    with pytest.raises(PatientSecretUnusable, match="patient-secret"):
        load_secret(file)
    assert file.read_text() == content


def test_a_secret_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Also where the directory is missing."""
    with pytest.raises(PatientSecretUnusable, match="missing/patient-secret"):
        load_secret(tmp_path / "missing" / "patient-secret")
