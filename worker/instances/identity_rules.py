"""The one table of defects of patient and study attributes, and what is done about each on the way into a result."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydicom.datadict import dictionary_description, dictionary_VM, dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from models.sentence import Sentence
from worker.instances.value_checks import not_a_uid, sound, values_of, well_formed

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
    "TimezoneOffsetFromUTC",
)  # fmt: skip
_TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber",
)  # fmt: skip
#: Without these a result could be filed to somebody else, so they are never guessed and never emptied.
_WHO = ("PatientID", "PatientName")
_ENUMERATED = {"PatientIdentityRemoved": ("YES", "NO"), "QualityControlSubject": ("YES", "NO")}
_SEQUENCES = tuple(keyword for keyword in COPIED if dictionary_VR(keyword) == "SQ")
#: What a sequence's items must hold, one of each group (PS3.3 10.14, 10.15, 8.8, 10.30).
_ITEMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "OtherPatientIDsSequence": (("PatientID",), ("TypeOfPatientID",)),
    "IssuerOfAccessionNumberSequence": (("LocalNamespaceEntityID", "UniversalEntityID"),),
    "BreedRegistrationSequence": (("BreedRegistrationNumber",), ("BreedRegistryCodeSequence",)),
}
_CODE = (("CodeValue", "LongCodeValue", "URNCodeValue"), ("CodeMeaning",))
#: Required of an animal, empty where unknown (PS3.3 C.7.1.1).
_OF_ANIMALS = (
    "PatientBreedDescription", "PatientBreedCodeSequence", "BreedRegistrationSequence", "ResponsiblePerson",
    "ResponsibleOrganization", "PatientSexNeutered",
)  # fmt: skip
_TIME = re.compile(r"(?:(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?)?")
_AGE = re.compile(r"(?:\d{3}[DWMY])?")
#: PS3.3 C.12.1.1.8: from -1200 to +1400.
_ZONE = re.compile(r"[+-]\d{4}")
_ZONES_HOURS = (-12, 14)

Outcome = Literal["refused", "empty", "left out"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A defect of a source.

    Attributes:
        keywords: The attributes that may have it.
        broken: Says of an attribute, by its keyword, and of all that were taken whether it has the defect.
        told: Returns the sentence about one attribute, without its value; for a refusal with its remedy.
        outcome: What is done: nothing is sent, the attribute is sent empty, or it is left out.
    """

    keywords: tuple[str, ...]
    broken: Callable[[str, Dataset], bool]
    told: Callable[[str], str]
    outcome: Outcome = "empty"


def named(keyword: str) -> str:
    """Return an attribute's name and tag, such as "Patient ID (0010,0020)"."""
    tag = tag_for_keyword(keyword) or 0
    return f"{dictionary_description(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _missing(keyword: str, taken: Dataset) -> bool:
    return keyword not in taken


def _invalid(keyword: str, taken: Dataset) -> bool:
    """Say whether a value has more parts than its attribute, or a part is not what its VR allows."""
    if keyword not in taken:
        return False
    values = values_of(taken[keyword].value)
    if len(values) > 1 and dictionary_VM(keyword) == "1":
        return True
    return not all(well_formed(value, dictionary_VR(keyword)) for value in values)


def _incomplete(keyword: str, taken: Dataset) -> bool:
    items = taken.get(keyword) or ()
    wanted = _ITEMS.get(keyword) or (_CODE if keyword.endswith("CodeSequence") else ())
    return any(
        not all(any(item.get(one) for one in group) for group in wanted) or not len(item) or not sound(item)
        for item in items
    )


def _text(keyword: str, taken: Dataset) -> str | None:
    return str(taken.get(keyword)).strip() if taken.get(keyword) is not None else None


def _not_a_sex(keyword: str, taken: Dataset) -> bool:
    return _text(keyword, taken) not in ("M", "F", "O", "", None)


def _not_a_date(keyword: str, taken: Dataset) -> bool:
    text = _text(keyword, taken)
    if not text:
        return False
    try:
        return datetime.strptime(text, "%Y%m%d").strftime("%Y%m%d").zfill(8) != text  # noqa: DTZ007  # no zone
    except ValueError:
        return True


def _not_a(pattern: re.Pattern[str]) -> Callable[[str, Dataset], bool]:
    return lambda keyword, taken: (text := _text(keyword, taken)) is not None and pattern.fullmatch(text) is None


def _not_a_zone(keyword: str, taken: Dataset) -> bool:
    text = _text(keyword, taken)
    if not text:
        return text == ""
    low, high = _ZONES_HOURS
    return _ZONE.fullmatch(text) is None or not low <= int(text[:3]) <= high or int(text[3:]) > 59  # noqa: PLR2004


def _not_above_zero(keyword: str, taken: Dataset) -> bool:
    value = taken.get(keyword)
    return value not in (None, "") and not float(value) > 0


def _not_among(keyword: str, taken: Dataset) -> bool:
    return _text(keyword, taken) not in (*_ENUMERATED[keyword], "", None)


def _without_method(keyword: str, taken: Dataset) -> bool:
    methods = taken.get("DeidentificationMethod") or taken.get("DeidentificationMethodCodeSequence")
    return _text(keyword, taken) == "YES" and not methods


def _without(other: str) -> Callable[[str, Dataset], bool]:
    return lambda keyword, taken: bool(taken.get(keyword)) and not taken.get(other)


def _animal_without(keyword: str, taken: Dataset) -> bool:
    animal = taken.get("PatientSpeciesDescription") or taken.get("PatientSpeciesCodeSequence")
    return bool(animal) and keyword not in taken


def _but(keywords: Iterable[str], *others: Iterable[str]) -> tuple[str, ...]:
    return tuple(keyword for keyword in keywords if all(keyword not in other for other in others))


def _was_missing(keyword: str) -> str:
    return Sentence("{attribute} was missing and is sent empty.", attribute=named(keyword))


def _was_no_sex(keyword: str) -> str:
    return Sentence("{attribute} was none of M, F and O and is sent empty.", attribute=named(keyword))


def _was_no_date(keyword: str) -> str:
    return Sentence("{attribute} was not a date and is sent empty.", attribute=named(keyword))


def _was_no_time(keyword: str) -> str:
    return Sentence("{attribute} was not a time and is sent empty.", attribute=named(keyword))


def _was_no_age(keyword: str) -> str:
    return Sentence("{attribute} was not an age and is left out.", attribute=named(keyword))


def _was_no_offset(keyword: str) -> str:
    return Sentence("{attribute} was no offset and is left out.", attribute=named(keyword))


def _was_invalid(keyword: str) -> str:
    return Sentence("{attribute} was no valid value and is sent empty.", attribute=named(keyword))


def _was_invalid_and_is_left_out(keyword: str) -> str:
    return Sentence("{attribute} was no valid value and is left out.", attribute=named(keyword))


def _was_incomplete(keyword: str) -> str:
    return Sentence("{attribute} was incomplete and is left out.", attribute=named(keyword))


def _belongs_to_no_study(keyword: str) -> str:
    return f"{named(keyword)} is missing or not a UID: a result would belong to no study; correct it at its sender"


def _belongs_to_nobody(keyword: str) -> str:
    return (
        f"{named(keyword)} has several values, is too long or holds what DICOM does not allow there, so a result could "
        "be filed to somebody else; correct it at its sender"
    )


#: In the order in which they are applied. PS3.5 7.4.3: Type 2 may be empty and must be there.
RULES: tuple[Rule, ...] = (
    Rule(
        keywords=("StudyInstanceUID",),
        broken=lambda keyword, taken: not_a_uid(taken.get(keyword)),
        told=_belongs_to_no_study,
        outcome="refused",
    ),
    Rule(
        keywords=_WHO,
        broken=_invalid,
        told=_belongs_to_nobody,
        outcome="refused",
    ),
    Rule(keywords=_TYPE_2, broken=_missing, told=_was_missing),
    Rule(keywords=("PatientSex",), broken=_not_a_sex, told=_was_no_sex),
    Rule(
        keywords=("PatientBirthDate", "StudyDate"),
        broken=_not_a_date,
        told=_was_no_date,
    ),
    Rule(
        keywords=("PatientBirthTime", "StudyTime"),
        broken=_not_a(_TIME),
        told=_was_no_time,
    ),
    Rule(
        keywords=("PatientAge",),
        broken=_not_a(_AGE),
        told=_was_no_age,
        outcome="left out",
    ),
    Rule(
        keywords=("TimezoneOffsetFromUTC",),
        broken=_not_a_zone,
        told=_was_no_offset,
        outcome="left out",
    ),
    Rule(keywords=_but(_TYPE_2, _WHO), broken=_invalid, told=_was_invalid),
    Rule(
        keywords=_but(COPIED, _TYPE_2, _SEQUENCES, ("StudyInstanceUID",)),
        broken=_invalid,
        told=_was_invalid_and_is_left_out,
        outcome="left out",
    ),
    Rule(
        keywords=("PatientSize", "PatientWeight"),
        broken=_not_above_zero,
        told=_was_invalid_and_is_left_out,
        outcome="left out",
    ),
    Rule(
        keywords=tuple(_ENUMERATED),
        broken=_not_among,
        told=_was_invalid_and_is_left_out,
        outcome="left out",
    ),
    Rule(
        keywords=_SEQUENCES,
        broken=_incomplete,
        told=_was_incomplete,
        outcome="left out",
    ),
    Rule(
        keywords=("PatientIdentityRemoved",),
        broken=_without_method,
        told=_was_incomplete,
        outcome="left out",
    ),
    Rule(
        keywords=("ResponsiblePerson",),
        broken=_without("ResponsiblePersonRole"),
        told=_was_incomplete,
        outcome="left out",
    ),
    Rule(
        keywords=("ResponsiblePersonRole",),
        broken=_without("ResponsiblePerson"),
        told=_was_incomplete,
        outcome="left out",
    ),
    Rule(keywords=_OF_ANIMALS, broken=_animal_without, told=_was_missing),
)
