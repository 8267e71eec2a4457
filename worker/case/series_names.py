"""What a series is called to people: its number and its description, where that names nobody."""

from dataclasses import dataclass
from typing import Any

#: Where these name somebody, free text that does so too is not repeated.
NAMING = ("PatientName", "OtherPatientNames", "PatientID", "PatientBirthDate", "AccessionNumber")
_SHORTEST_NAME = 2


@dataclass(frozen=True, kw_only=True)
class NamedSeries:
    """A series of a study.

    Attributes:
        uid: (0020,000E).
        number: (0020,0011); empty where its header has none.
        description: (0008,103E); empty where its header has none, or one that may name the patient.
    """

    uid: str
    number: str = ""
    description: str = ""


def describable(head: Any) -> str:
    """Return the description of a series by the header of one of its images; empty where it may name the patient."""
    told = str(head.get("SeriesDescription") or "").strip()
    return "" if names_somebody(told, head) else told


def names_somebody(text: str, head: Any) -> bool:
    """Say whether free text holds a part of the patient's name, or a number of theirs: people write them there."""
    if not text:
        return False  # of a volume's hundreds of slices none has a view
    told = text.casefold()
    values = " ".join(str(head.get(keyword) or "") for keyword in NAMING)
    for mark in "^=\\,[]'":
        values = values.replace(mark, " ")
    return any(len(part) >= _SHORTEST_NAME and part.casefold() in told for part in values.split())
