"""The kinds of object that a read may become: one table, in the order in which they are made and sent."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "SEG",
    "LABELMAP",
    "SR",
    "REGION-SR",
    "ECG-SR",
    "TEXT-SR",
    "SC",
    "GSPS",
    "PDF",
    "RTSTRUCT",
    "KO",
    "PMAP",
    "REJECTION",
]

#: PS3.4 B.5: what every storage SOP class begins with.
_STORAGE = "1.2.840.10008.5.1.4.1.1."


@dataclass(frozen=True, kw_only=True)
class ObjectKind:
    """What a kind of object is.

    Attributes:
        sop_class_uid: (0008,0016).
        modality: (0008,0060).
        by_default: Whether a destination gets it that does not say what it wants.
        shows: What a person sees of it, for the docs.
    """

    sop_class_uid: str
    modality: str
    by_default: bool
    shows: str


KINDS: Mapping[Kind, ObjectKind] = {
    "SEG": ObjectKind(
        sop_class_uid=_STORAGE + "66.4",
        modality="SEG",
        by_default=True,
        shows="the outlines, one segment a structure, as voxels",
    ),
    "LABELMAP": ObjectKind(
        sop_class_uid=_STORAGE + "66.7",
        modality="SEG",
        by_default=False,
        shows="the same in one label map, small and fast",
    ),
    "SR": ObjectKind(
        sop_class_uid=_STORAGE + "88.34",
        modality="SR",
        by_default=True,
        shows="numbers of segments and answers about the whole image",
    ),
    "REGION-SR": ObjectKind(
        sop_class_uid=_STORAGE + "88.34",
        modality="SR",
        by_default=True,
        shows="what was found where, drawn on its slice",
    ),
    "ECG-SR": ObjectKind(
        sop_class_uid=_STORAGE + "88.22", modality="SR", by_default=True, shows="rhythm and intervals of an ECG"
    ),
    "TEXT-SR": ObjectKind(
        sop_class_uid=_STORAGE + "88.22", modality="SR", by_default=True, shows="the sentences that a radiologist reads"
    ),
    "SC": ObjectKind(
        sop_class_uid=_STORAGE + "7",
        modality="OT",
        by_default=True,
        shows="a picture: key slices with outlines, or the ECG",
    ),
    "GSPS": ObjectKind(
        sop_class_uid=_STORAGE + "11.1",
        modality="PR",
        by_default=False,
        shows="the outlines, drawn over the source images",
    ),
    "PDF": ObjectKind(
        sop_class_uid=_STORAGE + "104.1",
        modality="DOC",
        by_default=False,
        shows="sentences, numbers and picture as a document",
    ),
    "RTSTRUCT": ObjectKind(
        sop_class_uid=_STORAGE + "481.3",
        modality="RTSTRUCT",
        by_default=False,
        shows="the outlines, for radiotherapy planning",
    ),
    "KO": ObjectKind(
        sop_class_uid=_STORAGE + "88.59", modality="KO", by_default=False, shows="the images to look at first"
    ),
    "PMAP": ObjectKind(
        sop_class_uid=_STORAGE + "30",
        modality="OT",
        by_default=False,
        shows="a heat map of what the model looked at or expects",
    ),
    "REJECTION": ObjectKind(
        sop_class_uid=_STORAGE + "88.59",
        modality="KO",
        by_default=False,
        shows="that an earlier read no longer counts (IHE IOCM)",
    ),
}
#: Sent by a destination's `superseded = "reject"`, and only once the newer read has arrived there.
REJECTION: Kind = "REJECTION"
DEFAULT_KINDS: tuple[Kind, ...] = tuple(kind for kind, about in KINDS.items() if about.by_default)

#: What goes out instead of a kind that a read does not give, or that an archive refuses. Never both: a viewer would lay
#: one over the other.
INSTEAD: Mapping[str, Kind] = {"LABELMAP": "SEG"}


def wants(asked_for: Collection[str], kind: str, made: Collection[str]) -> bool:
    """Say whether a destination gets an object of this kind: it asks for it, or for one that was not made."""
    return kind in asked_for or any(kind == INSTEAD.get(other) for other in asked_for if other not in made)


if get_args(Kind) != tuple(KINDS):
    raise AssertionError("Kind and KINDS differ")
