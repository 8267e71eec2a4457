"""What is copied from a source into every result, and the one table of defects that are repaired or refused on the way.

Whose patient and which study a result belongs to comes from the source character for character; only what would make
the result invalid is touched, and every repair has a sentence that the text SR tells.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pydicom.valuerep import PersonName

from models.sentence import Sentence
from worker.errors import SourceRefused

#: Patient (PS3.3 C.7.1.1), General Study (C.7.2.1), Patient Study (C.7.2.2) and, of SOP Common, the zone of all times.
COPIED = (
    "PatientName", "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "TypeOfPatientID",
    "PatientBirthDate", "PatientBirthTime", "PatientSex", "OtherPatientIDsSequence", "OtherPatientNames",
    "EthnicGroup", "PatientComments", "PatientSpeciesDescription", "PatientSpeciesCodeSequence",
    "PatientBreedDescription", "PatientBreedCodeSequence", "BreedRegistrationSequence", "ResponsiblePerson",
    "ResponsiblePersonRole", "ResponsibleOrganization", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "QualityControlSubject",
    "StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber",
    "IssuerOfAccessionNumberSequence", "StudyDescription", "ProcedureCodeSequence", "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy", "ConsultingPhysicianName",
    "PatientAge", "PatientSize", "PatientWeight", "AdditionalPatientHistory", "AdmissionID", "PatientSexNeutered",
    "MedicalAlerts", "Allergies", "PregnancyStatus", "SmokingStatus", "PatientState",
    "TimezoneOffsetFromUTC",
)  # fmt: skip
_TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber",
)  # fmt: skip
_DATE = re.compile(r"(?:\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))?")
_TIME = re.compile(r"(?:(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?)?")
_AGE = re.compile(r"(?:\d{3}[DWMY])?")
_ZONE = re.compile(r"[+-]\d{4}")
_ASCII = 127
_UNDECODABLE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Identity:
    """What a result says of patient and study.

    Attributes:
        attributes: Ready to be encoded in ISO_IR 192; may hold fewer attributes than the source, never other ones.
        repairs: One sentence each, at most 90 characters, without a patient's data.
    """

    attributes: Dataset
    repairs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A defect of a source.

    Attributes:
        keyword: The attribute.
        broken: Says of its value (None where absent) whether it has the defect.
        sentence: What is told; for a refusal with its remedy.
        outcome: What is done: nothing is sent, the attribute is sent empty, or it is left out.
    """

    keyword: str
    broken: Callable[[Any], bool]
    sentence: str
    outcome: Literal["refused", "empty", "left out"] = "empty"


def _named(keyword: str) -> str:
    tag = tag_for_keyword(keyword) or 0
    return f"{dictionary_description(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _absent(value: Any) -> bool:
    return value is None


def _not_a(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: value is not None and pattern.fullmatch(str(value).strip()) is None


def _not_a_uid(value: Any) -> bool:
    return not value or not UID(str(value)).is_valid


def _not_a_sex(value: Any) -> bool:
    return value is not None and str(value) not in ("M", "F", "O", "")


#: PS3.5 7.4.3: Type 2 may be empty and must be there; the defined terms of Patient's Sex are those of C.7.1.1.
RULES = (
    Rule(
        keyword="StudyInstanceUID",
        broken=_not_a_uid,
        sentence=f"{_named('StudyInstanceUID')} is missing or not a UID: a result would belong to no study; "
        "correct it at its sender",
        outcome="refused",
    ),
    *(
        Rule(
            keyword=k,
            broken=_absent,
            sentence=Sentence("{attribute} was missing and is sent empty.", attribute=_named(k)),
        )
        for k in _TYPE_2
    ),
    Rule(
        keyword="PatientSex",
        broken=_not_a_sex,
        sentence=Sentence("{attribute} was none of M, F and O and is sent empty.", attribute=_named("PatientSex")),
    ),
    *(
        Rule(
            keyword=k,
            broken=_not_a(_DATE),
            sentence=Sentence("{attribute} was not a date and is sent empty.", attribute=_named(k)),
        )
        for k in ("PatientBirthDate", "StudyDate")
    ),
    *(
        Rule(
            keyword=k,
            broken=_not_a(_TIME),
            sentence=Sentence("{attribute} was not a time and is sent empty.", attribute=_named(k)),
        )
        for k in ("PatientBirthTime", "StudyTime")
    ),
    Rule(
        keyword="PatientAge",
        broken=_not_a(_AGE),
        sentence=Sentence("{attribute} was not an age and is left out.", attribute=_named("PatientAge")),
        outcome="left out",
    ),
    Rule(
        keyword="TimezoneOffsetFromUTC",
        broken=_not_a(_ZONE),
        sentence=Sentence("{attribute} was no offset and is left out.", attribute=_named("TimezoneOffsetFromUTC")),
        outcome="left out",
    ),
)


def identity_of(source: Dataset) -> Identity:
    """Return what results of this source say of patient and study.

    Raises SourceRefused, naming the attribute, where the study is unknown or a character cannot be told.
    """
    taken = Dataset()
    taken.SpecificCharacterSet = "ISO_IR 192"
    for keyword in COPIED:
        if keyword in source:
            _take(taken, source, keyword)
    repairs = []
    for rule in RULES:
        if not rule.broken(taken.get(rule.keyword)):
            continue
        if rule.outcome == "refused":
            raise SourceRefused(rule.sentence)
        repairs.append(rule.sentence)
        if rule.outcome == "left out":
            delattr(taken, rule.keyword)
        else:
            setattr(taken, rule.keyword, "")
    _refuse_guessed_characters(source, taken)
    return Identity(attributes=taken, repairs=tuple(repairs))


def frame_of_reference_of(source: Dataset) -> str:
    """Return the Frame of Reference UID (0020,0052) of an image. Raises SourceRefused where there is none."""
    uid = source.get("FrameOfReferenceUID")
    if _not_a_uid(uid):
        raise SourceRefused(
            f"{_named('FrameOfReferenceUID')} is missing or not a UID, so nobody could tell where a segment lies; "
            "send the original images rather than a derived or de-identified copy without it"
        )
    return str(uid)


def _take(taken: Dataset, source: Dataset, keyword: str) -> None:
    element = source[keyword]
    if element.VR == "SQ":
        items = [_plain(item) for item in element.value or ()]
        if items:
            setattr(taken, keyword, items)
    else:
        setattr(taken, keyword, _decoded(element.value, element.VR))


def _plain(item: Dataset) -> Dataset:
    """Copy an item without private elements, so that all of it is in one character set."""
    copy = Dataset()
    for element in item:
        if element.tag.is_private or element.keyword == "SpecificCharacterSet":
            continue
        if element.VR == "SQ":
            copy.add_new(element.tag, "SQ", [_plain(inner) for inner in element.value or ()])
        else:
            copy.add_new(element.tag, element.VR, _decoded(element.value, element.VR))
    return copy


def _decoded(value: Any, representation: str) -> Any:
    # A PersonName keeps its bytes and the sender's encodings; a fresh one is encoded anew.
    if representation != "PN":
        return value if value is not None or representation == "US" else ""
    if value is None or isinstance(value, str | PersonName):
        return PersonName(str(value or ""))
    return [PersonName(str(name)) for name in value]


def _refuse_guessed_characters(source: Dataset, taken: Dataset) -> None:
    characters = {character for element in taken.iterall() if element.VR != "SQ" for character in str(element.value)}
    declared = source.get("SpecificCharacterSet")
    names = [declared] if isinstance(declared, str) else list(declared or ())
    known = bool(names) and all(name in python_encoding for name in names)
    if _UNDECODABLE in characters or (not known and any(ord(character) > _ASCII for character in characters)):
        raise SourceRefused(
            f"{_named('SpecificCharacterSet')} does not cover the characters of patient and study, so a name could "
            "only be guessed; correct the character set at the sender"
        )
