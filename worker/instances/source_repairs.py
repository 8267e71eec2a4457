"""What is copied from a source into every result, mended on the way by the table of `identity_rules`.

Whose patient and which study a result belongs to comes from the source character for character; only what would make
the result invalid is touched, and every repair has a sentence that the text SR tells.
"""

import re
from dataclasses import dataclass
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import PersonName

from dicom_node.datasets.character_sets import terms_of, why_not_terms
from dicom_node.datasets.parse_errors import PARSE_ERRORS
from worker.errors import CharactersUnknown, SourceRefused
from worker.instances.identity_rules import COPIED, RULES, named
from worker.instances.value_checks import not_a_uid

__all__ = [
    "COPIED",
    "Identity",
    "body_part_of",
    "frame_of_reference_of",
    "identity_of",
    "lossy_compression_of",
    "patient_orientation_of",
]

_ASCII = 127
#: Stands for a value that cannot be read; no VR allows it.
_UNREADABLE = "\x00"
_UNDECODABLE = "\N{REPLACEMENT CHARACTER}"
_CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")
_LOSSY = tuple(
    Tag(keyword) for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
)
#: PS3.3 C.7.6.1.1.1, of a biped: to the left, to the back, and so on, two or three letters where oblique.
_DIRECTION = re.compile(r"[APRLHF]{1,3}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Identity:
    """What a result says of patient and study.

    Attributes:
        attributes: Ready to be encoded in ISO_IR 192; may hold fewer attributes than the source, never other ones.
        repairs: One sentence each, at most 90 characters, without a patient's data.
    """

    attributes: Dataset
    repairs: tuple[str, ...]


def identity_of(source: Dataset) -> Identity:
    """Return what results of this source say of patient and study.

    Raises SourceRefused, naming the attribute, where patient or study is unknown; CharactersUnknown where a character
    cannot be told.
    """
    taken = Dataset()
    taken.SpecificCharacterSet = "ISO_IR 192"
    for keyword in COPIED:
        if keyword in source:
            try:
                _take(taken, source, keyword)
            except PARSE_ERRORS:
                # pydicom converts a value when it is asked for: one that is none meets the rules as what it is.
                _leave_a_mark(taken, keyword)
    repairs = []
    for rule in RULES:
        for keyword in rule.keywords:
            if not rule.broken(keyword, taken):
                continue
            if rule.outcome == "refused":
                raise SourceRefused(rule.told(keyword))
            repairs.append(rule.told(keyword))
            if keyword in taken:
                del taken[keyword]
            if rule.outcome == "empty":
                setattr(taken, keyword, "" if not keyword.endswith("Sequence") else [])
    _refuse_guessed_characters(source, taken)
    return Identity(attributes=taken, repairs=tuple(repairs))


def frame_of_reference_of(source: Dataset) -> str:
    """Return the Frame of Reference UID (0020,0052) of an image. Raises SourceRefused where there is none."""
    uid = source.get("FrameOfReferenceUID")
    if not_a_uid(uid):
        raise SourceRefused(
            f"{named('FrameOfReferenceUID')} is missing or not a UID, so nobody could tell where a segment lies; "
            "send the original images rather than a derived or de-identified copy without it"
        )
    return str(uid)


def body_part_of(source: Dataset) -> str | None:
    """Return Body Part Examined (0018,0015); None where there is none, or none that a result may say."""
    value = str(source.get("BodyPartExamined") or "")
    return value if _CODE_STRING.fullmatch(value) else None


def patient_orientation_of(source: Dataset) -> list[str] | None:
    """Return Patient Orientation (0020,0020), the row's direction and the column's; None where it says no such."""
    values = [str(value) for value in source.get("PatientOrientation") or ()]
    return values if len(values) == 2 and all(map(_DIRECTION.fullmatch, values)) else None  # noqa: PLR2004


def lossy_compression_of(source: Dataset) -> dict[BaseTag, DataElement]:
    """Return what an image says of lossy compression (PS3.3 C.7.6.1.1.5), without what it leaves blank.

    There it may be blank (Type 3), in what is made of it not.
    """
    stated = [source[tag] for tag in _LOSSY if tag in source]
    return {element.tag: element for element in stated if not _is_blank(element.value)}


def _is_blank(value: Any) -> bool:
    parts = (list(value) or [None]) if isinstance(value, MultiValue) else [value]
    return any(part is None or not str(part).strip() for part in parts)


def _take(taken: Dataset, source: Dataset, keyword: str) -> None:
    element = source[keyword]
    if element.VR == "SQ":
        items = [_plain(item) for item in element.value or ()]
        if items:
            setattr(taken, keyword, items)
    else:
        setattr(taken, keyword, _decoded(element.value, element.VR))


def _leave_a_mark(taken: Dataset, keyword: str) -> None:
    """Put in place of what cannot be read what no rule lets through."""
    if keyword.endswith("Sequence"):
        setattr(taken, keyword, [Dataset()])
    else:
        taken.add_new(keyword, "LO", _UNREADABLE)


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
    terms = terms_of(source.get("SpecificCharacterSet"))
    known = bool(terms) and not why_not_terms(terms)
    if _UNDECODABLE in characters or (not known and any(ord(character) > _ASCII for character in characters)):
        raise CharactersUnknown(
            f"{named('SpecificCharacterSet')} does not cover the characters of patient and study, so a name could "
            "only be guessed; correct the character set at the sender"
        )
