"""Whose study it is."""

from dataclasses import replace

from dicom_node.archives.identity import StudyIdentity
from tests.unit.dicom_node.instances import dataset

_IDENTITY = StudyIdentity(
    patient_id="canary-id",
    issuer_of_patient_id="canary-issuer",
    patient_name="Canary^Bird^^",
    patient_birth_date="19700101",
    accession_number="canary-accession",
)


def test_padding_is_no_difference() -> None:
    """Padding, trailing ^ and = and Unicode's two ways to write a letter are no difference."""
    assert _IDENTITY.differs_from(replace(_IDENTITY, patient_name="Canary ^Bird==", patient_id="canary-id ")) == ()
    one, two = replace(_IDENTITY, patient_name="M\u00fcller"), replace(_IDENTITY, patient_name="Mu\u0308ller")
    assert one.differs_from(two) == ()


def test_each_change_is_named() -> None:
    """Every attribute that changed is named by its keyword, and its values are not."""
    other = StudyIdentity(
        patient_id="x", issuer_of_patient_id="x", patient_name="x", patient_birth_date="20000101", accession_number="x"
    )
    assert _IDENTITY.differs_from(other) == StudyIdentity.keywords()


def test_optional_keys_count_only_where_both_have_them() -> None:
    """An archive without support for issuer or birth date is no difference; one without the patient id is."""
    assert _IDENTITY.differs_from(replace(_IDENTITY, issuer_of_patient_id="", patient_birth_date="")) == ()
    assert _IDENTITY.differs_from(replace(_IDENTITY, patient_id="")) == ("PatientID",)


def test_repr_shows_no_value() -> None:
    """The record can be logged by mistake without showing the patient."""
    assert repr(_IDENTITY) == f"StudyIdentity({', '.join(StudyIdentity.keywords())})"
    assert "anary" not in f"{_IDENTITY!r} {_IDENTITY!s}"


def test_read_from_a_dataset() -> None:
    """An identity is read from a dataset; what is absent is empty."""
    identity = StudyIdentity.of(dataset(AccessionNumber=None))
    assert (identity.patient_name, identity.patient_id, identity.accession_number) == ("Canary^Bird", "canary", "")


def test_characters_that_an_archive_cannot_express_are_seen() -> None:
    """As Orthanc answers in Latin 1; another name, and one that only looks shorter, are no such thing."""
    name = replace(_IDENTITY, patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう")
    assert replace(name, patient_name="Yamada^Tarou=^=^").lacks_characters_of(name)
    for other in ("Yamada^Jiro=^=^", "Yamada^Tarou=山田^次郎=^", "Yamada", name.patient_name):
        assert not replace(name, patient_name=other).lacks_characters_of(name)
    assert not replace(_IDENTITY, patient_name="Canary^Bir").lacks_characters_of(_IDENTITY)
