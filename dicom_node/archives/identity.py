"""Whose study it is, compared without ever showing the values."""

import unicodedata
from dataclasses import dataclass, fields
from typing import Any

#: In the order of the record's fields.
_KEYWORDS = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "AccessionNumber")
#: Optional keys (PS3.4 C.6.2.1.2): an archive need not support them and then answers nothing, which is no difference.
_OPTIONAL = ("IssuerOfPatientID", "PatientBirthDate")


@dataclass(frozen=True, kw_only=True, repr=False)
class StudyIdentity:
    """The patient and the order that a study belongs to. Its repr shows no value, so that none gets into a log.

    Attributes:
        patient_id: (0010,0020); empty where absent, as everywhere here.
        issuer_of_patient_id: (0010,0021).
        patient_name: (0010,0010), component groups as sent.
        patient_birth_date: (0010,0030), YYYYMMDD.
        accession_number: (0008,0050).
    """

    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    accession_number: str = ""

    @staticmethod
    def keywords() -> tuple[str, ...]:
        """Return the DICOM keywords that make up an identity."""
        return _KEYWORDS

    @classmethod
    def of(cls, dataset: Any) -> "StudyIdentity":
        """Read the identity from a dataset, decoded by its own character set."""
        values = (_text(dataset.get(keyword)) for keyword in _KEYWORDS)
        return cls(**{field.name: value for field, value in zip(fields(cls), values, strict=True)})

    def differs_from(self, other: "StudyIdentity") -> tuple[str, ...]:
        """Return the DICOM keywords of what differs; padding, trailing ^ and = and Unicode forms do not count.

        Birth date and issuer count only where both have one.
        """
        mine, theirs = _normalised(self), _normalised(other)
        return tuple(
            keyword
            for keyword in _KEYWORDS
            if mine[keyword] != theirs[keyword]
            and not (keyword in _OPTIONAL and not (mine[keyword] and theirs[keyword]))
        )

    def lacks_characters_of(self, other: "StudyIdentity") -> bool:
        """Say whether the name is the other's without characters that are not ASCII.

        An archive that answers in a character set of its own leaves out what that cannot express.
        """
        mine, theirs = _normalised(self)["PatientName"], _normalised(other)["PatientName"]
        left_out = {character for character in theirs if not character.isascii()} - set(mine)
        kept = "".join(character for character in theirs if character not in left_out)
        return bool(left_out) and _normalised_name(kept) == mine

    def __repr__(self) -> str:
        """Name the attributes that have a value, not the values."""
        filled = [keyword for keyword, value in _normalised(self).items() if value]
        return f"StudyIdentity({', '.join(filled)})"


def _normalised(identity: StudyIdentity) -> dict[str, str]:
    values = (unicodedata.normalize("NFC", getattr(identity, field.name)).strip(" \0") for field in fields(identity))
    normal = dict(zip(_KEYWORDS, values, strict=True))
    normal["PatientName"] = _normalised_name(normal["PatientName"])
    return normal


def _normalised_name(name: str) -> str:
    return "=".join(_name_group(group) for group in name.split("=")).rstrip("=")


def _name_group(group: str) -> str:
    return "^".join(component.strip() for component in group.split("^")).rstrip("^")


def _text(value: Any) -> str:
    return "" if value is None else str(value)
