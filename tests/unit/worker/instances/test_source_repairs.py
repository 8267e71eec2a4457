"""What results say of patient and study is the source's, character for character."""

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from worker.errors import SourceRefused
from worker.instances.identity_rules import RULES
from worker.instances.source_repairs import frame_of_reference_of, identity_of
from worker.testing import write_mr_series


def head(folder: Path, **options: object) -> Dataset:
    """Write a series of one slice and return its dataset as it was read back."""
    (file,) = write_mr_series(folder, slices=1, **options)  # type: ignore[arg-type]
    return dcmread(file)


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 192", "Müller^Jörg"),
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Чехов^Антон"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("", "Plain^Name"),
    ],
)
def test_names_survive_every_character_set(tmp_path: Path, character_set: str, name: str) -> None:
    """A name is the same characters after it was decoded, and is encoded anew in UTF-8."""
    identity = identity_of(head(tmp_path, patient_name=name, character_set=character_set))
    assert str(identity.attributes.PatientName) == name
    assert identity.attributes.SpecificCharacterSet == "ISO_IR 192"
    assert identity.repairs == ()


def test_characters_that_were_never_declared_are_refused(tmp_path: Path) -> None:
    """Without a character set, a name outside ASCII could only be guessed."""
    dataset = head(tmp_path)
    dataset.PatientName = "Müller"
    del dataset.SpecificCharacterSet
    with pytest.raises(SourceRefused, match=r"Specific Character Set \(0008,0005\)") as refused:
        identity_of(dataset)
    assert "Müller" not in str(refused.value)


TYPE_2 = ("PatientBirthDate", "PatientSex", "StudyID", "StudyTime", "AccessionNumber", "ReferringPhysicianName")


@pytest.mark.parametrize("keyword", TYPE_2)
def test_missing_type_2_is_sent_empty_and_told(tmp_path: Path, keyword: str) -> None:
    """A missing Type 2 attribute is there and empty, and the repair names it."""
    identity = identity_of(head(tmp_path, without=(keyword,)))
    assert str(identity.attributes[keyword].value or "") == ""
    assert len(identity.repairs) == 1
    assert "was missing" in identity.repairs[0]


@pytest.mark.parametrize(
    ("keyword", "value", "sent"),
    [
        ("PatientSex", "U", ""),
        ("PatientBirthDate", "1970", ""),
        ("StudyTime", "25", ""),
        ("PatientAge", "0Y", None),
        ("TimezoneOffsetFromUTC", "CET", None),
    ],
)
def test_invalid_values_are_not_passed_on(tmp_path: Path, keyword: str, value: str, sent: str | None) -> None:
    """A value that would make the result invalid is emptied, or left out where it may be; no sentence repeats it."""
    dataset = head(tmp_path)
    dataset.add_new(keyword, "LO", value)  # the VR that lets any value through
    identity = identity_of(dataset)
    got = identity.attributes.get(keyword)
    assert (None if got is None else str(got)) == sent
    assert len(identity.repairs) == 1
    assert value not in identity.repairs[0].split("(")[0]


def test_a_series_without_a_study_or_a_frame_of_reference_is_refused_by_name(tmp_path: Path) -> None:
    """Neither can be invented: the refusal names the attribute."""
    with pytest.raises(SourceRefused, match=r"Study Instance UID \(0020,000D\)"):
        identity_of(head(tmp_path / "1", without=("StudyInstanceUID",)))
    with pytest.raises(SourceRefused, match=r"Frame of Reference UID \(0020,0052\)"):
        frame_of_reference_of(head(tmp_path / "2", without=("FrameOfReferenceUID",)))


def test_sentences_fit_a_line() -> None:
    """Every repair that the text SR tells fits a line of a viewer that does not wrap."""
    told = [rule.told(keyword) for rule in RULES for keyword in rule.keywords if rule.outcome != "refused"]
    assert [sentence for sentence in told if len(sentence) > 90] == []


def test_sequences_are_copied_in_the_new_character_set(tmp_path: Path) -> None:
    """An issuer or another id inside a sequence keeps its characters and loses private elements."""
    other = Dataset()
    other.PatientID = "B-2"
    other.TypeOfPatientID = "TEXT"
    other.add_new(0x00091010, "LO", "private")
    dataset = head(tmp_path)
    dataset.OtherPatientIDsSequence = [other]
    (copied,) = identity_of(dataset).attributes.OtherPatientIDsSequence
    assert [element.keyword for element in copied] == ["PatientID", "TypeOfPatientID"]
