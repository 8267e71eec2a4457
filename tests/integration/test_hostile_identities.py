"""Whatever patient and study say of themselves: every result is valid and about the same person, or none is made."""

from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from ops.commands.validators import VALIDATORS, run
from tests.readings import a_nodule_card, an_ecg_card, an_ecg_reading, case_of, detections_reading, load
from worker.case.case import Case
from worker.errors import SourceRefused
from worker.gate import output_gate
from worker.object_kinds import KINDS
from worker.objects.object_encoding import ResultObject
from worker.results import build
from worker.series.series_volume import load_series
from worker.testing import write_mr_series

#: Newer than dicom3tools' tables.
_UNKNOWN_TO_DCIODVFY = ("LABELMAP",)


def item(**attributes: Any) -> Dataset:
    """Return a sequence's item."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def a_case(folder: Path, attributes: list[tuple[str, str, Any]] | None = None, **options: Any) -> Case:
    """Return the case of a known reading on a series whose files say these (keyword, VR, value), however wrong."""
    for file in write_mr_series(folder, slices=8, **options):
        dataset = dcmread(file)
        for keyword, representation, value in attributes or []:
            if keyword in dataset:
                del dataset[keyword]
            dataset.add_new(keyword, representation, value)
        dataset.save_as(file)
    series = load(folder)
    return case_of(series, detections_reading(series), a_nodule_card())


def assert_valid(objects: tuple[ResultObject, ...], case: Case, folder: Path) -> None:
    """Fail where the gate or dciodvfy finds a defect."""
    output_gate.check(objects, case)
    (dciodvfy,) = [each for each in VALIDATORS if each.tool == "dciodvfy"]
    assert dciodvfy.command() is not None, "install dicom3tools"
    for each in objects:
        file = folder / f"{each.kind}.dcm"
        file.write_bytes(each.data)
        if each.kind not in _UNKNOWN_TO_DCIODVFY:
            assert run(dciodvfy, [file], ()).problems == (), each.kind


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),  # PS3.5 H.3
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("GB18030", "Wang^XiaoDong=王^小东"),  # PS3.5 J.3
        ("ISO_IR 144", "Люкceмбypг"),  # noqa: RUF001  # PS3.5 K
        ("ISO_IR 100", "Müller^Jörg"),
        ("", "Test^Head"),
    ],
    ids=["IR 87", "IR 13 and 87", "GB18030", "IR 144", "IR 100", "none"],
)
def test_check_15_names_are_intact_in_every_kind_of_object(
    character_set: str | list[str], name: str, tmp_path: Path
) -> None:
    """The same characters in UTF-8, in all kinds; Japanese, Chinese, Cyrillic, Latin and no character set at all."""
    case = a_case(tmp_path / "source", character_set=character_set, patient_name=name)
    objects = build(case, tuple(KINDS))
    assert_valid(objects, case, tmp_path)
    assert len(objects) > 6
    for each in objects:
        dataset = dcmread(DicomBytesIO(each.data))
        assert (str(dataset.PatientName), dataset.SpecificCharacterSet) == (name, "ISO_IR 192"), each.kind


def test_check_15_an_ecg_too(tmp_path: Path) -> None:
    """The report of a waveform is no exception."""
    dataset = dcmread(str(get_testdata_file("waveform_ecg.dcm")))
    dataset.SpecificCharacterSet = "GB18030"
    dataset.PatientName = "Wang^XiaoDong=王^小东"
    dataset.save_as(tmp_path / "ecg.dcm")
    series = load_series([tmp_path / "ecg.dcm"], max_voxels=1)
    case = case_of(series, an_ecg_reading(), an_ecg_card())
    objects = build(case)
    assert_valid(objects, case, tmp_path)
    for each in objects:
        assert str(dcmread(DicomBytesIO(each.data)).PatientName) == "Wang^XiaoDong=王^小东", each.kind


#: Keyword, a VR that lets the value through, the value, and what is sent instead: None for nothing at all.
_REPAIRED = [
    ("PatientSex", "LO", "U", ""),
    ("PatientSex", "LO", "Female", ""),
    ("PatientBirthDate", "LO", "00000000", ""),
    ("PatientBirthDate", "LO", "19700231", ""),
    ("PatientBirthTime", "LO", "noon", ""),
    ("StudyDate", "LO", "2024.01.02", ""),
    ("StudyTime", "LO", "10:11:12", ""),
    ("StudyID", "LO", "y" * 40, ""),
    ("AccessionNumber", "LO", "x" * 30, ""),
    ("AccessionNumber", "SH", ["A", "B"], ""),
    ("ReferringPhysicianName", "PN", ["A^B", "C^D"], ""),
    ("PatientAge", "LO", "54", None),
    ("PatientWeight", "LO", "heavy", None),
    ("PatientWeight", "DS", "0", None),
    ("PatientSize", "DS", "-1.7", None),
    ("PatientComments", "LT", "a\x00b", None),
    ("StudyDescription", "LO", "z" * 100, None),
    ("EthnicGroup", "LO", "e" * 40, None),
    ("AdmissionID", "LO", "q" * 70, None),
    ("TimezoneOffsetFromUTC", "LO", "+9999", None),
    ("PatientIdentityRemoved", "LO", "MAYBE", None),
    ("PatientIdentityRemoved", "CS", "YES", None),
    ("QualityControlSubject", "LO", "X", None),
    ("ResponsiblePerson", "PN", "A^B", None),
    ("ResponsiblePersonRole", "CS", "FRIEND", None),
    ("OtherPatientIDsSequence", "SQ", [item(PatientID="B")], None),
    ("OtherPatientIDsSequence", "SQ", [item(PatientID="B" * 70, TypeOfPatientID="TEXT")], None),
    ("ProcedureCodeSequence", "SQ", [item(CodeValue="1")], None),
    ("IssuerOfAccessionNumberSequence", "SQ", [item()], None),
]


@pytest.mark.parametrize(
    ("keyword", "representation", "value", "sent"),
    _REPAIRED,
    ids=[f"{keyword} {str(value)[:12]!r}" for keyword, _, value, _ in _REPAIRED],
)
def test_check_16_what_is_broken_is_repaired_and_told(
    keyword: str, representation: str, value: Any, sent: str | None, tmp_path: Path
) -> None:
    """The attribute is empty or not there, one sentence names it and not its value, and everything is valid."""
    case = a_case(tmp_path / "source", [(keyword, representation, value)])
    objects = build(case, ("SEG", "SR", "TEXT-SR"))
    assert_valid(objects, case, tmp_path)
    for each in objects:
        found = dcmread(DicomBytesIO(each.data)).get(keyword)
        assert (None if found is None else str(found)) == sent if sent is None else str(found or "") == sent, each.kind
    (told,) = case.identity.repairs
    told_value = value if isinstance(value, str) and len(value) > 2 else "no such words"
    assert told_value not in told


def test_check_16_an_animal_has_what_the_standard_wants(tmp_path: Path) -> None:
    """Breed, owner and neutering are sent empty where a species is told and they are not."""
    species = [("PatientSpeciesDescription", "LO", "Canis lupus"), ("BodyPartExamined", "CS", "")]
    case = a_case(tmp_path / "source", species)
    assert len(case.identity.repairs) == 6
    assert_valid(build(case, ("SEG", "SR", "TEXT-SR")), case, tmp_path)


@pytest.mark.parametrize("value", ["head", "SKULL (LATERAL)", "A" * 20])
def test_check_16_a_body_part_that_is_no_code_is_left_out(value: str, tmp_path: Path) -> None:
    """It is copied to the segmentation only where it may stand there."""
    case = a_case(tmp_path / "source", [("BodyPartExamined", "LO", value)])
    objects = build(case, ("SEG", "TEXT-SR"))
    assert_valid(objects, case, tmp_path)
    assert "BodyPartExamined" not in dcmread(DicomBytesIO(objects[0].data))


@pytest.mark.parametrize(
    ("keyword", "representation", "value"),
    [
        ("StudyInstanceUID", "LO", "1.2.03"),
        ("PatientID", "LO", ["A", "B"]),
        ("PatientID", "LO", "x" * 70),
        ("PatientName", "PN", ["CANARY^B", "C^D"]),
        ("PatientName", "PN", "CANARY^B^C^D^E^F"),
        ("PatientName", "PN", "CANARY=b=c=d"),
        ("PatientName", "PN", "CANARY\tB"),
        ("PatientName", "PN", "x" * 200),
        ("FrameOfReferenceUID", "LO", "none"),
        ("FrameOfReferenceUID", "UI", ""),
    ],
)
def test_check_16_whose_results_would_be_unknown_is_refused_by_name(
    keyword: str, representation: str, value: Any, tmp_path: Path
) -> None:
    """Nothing is made; the message names the attribute, never the value."""
    with pytest.raises(SourceRefused, match=r"\([0-9A-F]{4},[0-9A-F]{4}\)") as refused:
        build(a_case(tmp_path / "source", [(keyword, representation, value)]))
    assert "CANARY" not in str(refused.value)
