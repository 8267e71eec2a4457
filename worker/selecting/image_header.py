"""What selection takes from the header of one file, as plain values: a foreign one that is none shows here."""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from worker.instances.bounded_inflating import read_header
from worker.instances.frame_values import Values, text_of, values_by_keyword, values_in, values_of_frames
from worker.selecting.tag_rules import TagRule

_IMAGE = (
    "SOPClassUID",
    "Modality",
    "NumberOfFrames",
    "ImageType",
    "BodyPartExamined",
    "SeriesDescription",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "Manufacturer",
    "ContributingEquipmentSequence",
)
_PATIENT = ("PatientID", "PatientAge", "PatientBirthDate", "PatientSex", "StudyDate")
_FRAMES = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_DAYS_A_YEAR = 365.25
#: (position, orientation) of a frame, as in Image Position and Image Orientation (Patient).
Place = tuple[tuple[float, ...], tuple[float, ...]]
_AGE_UNITS = {"D": 1 / _DAYS_A_YEAR, "W": 7 / _DAYS_A_YEAR, "M": 1 / 12, "Y": 1.0}


@dataclass(frozen=True, kw_only=True)
class FrameHeader:
    """What is taken of one frame; an image without functional groups has one.

    Attributes:
        place: Where it lies; None where that is not said.
        values: Of the attributes that cards ask for.
    """

    place: Place | None
    values: Values


@dataclass(frozen=True, kw_only=True)
class ImageHeader:
    """What is taken from one file.

    Attributes:
        file: Relative to the spool.
        images: How many there are in it: one, or its frames.
    """

    file: str
    sop_class_uid: str
    modality: str
    images: int
    image_types: tuple[str, ...]
    body_part_examined: str
    series_description: str
    frames: tuple[FrameHeader, ...]
    own: bool

    def only(self, rule: TagRule) -> "ImageHeader | None":
        """Return what is left where only the frames are read for each of which a rule holds; None where none is."""
        kept = tuple(frame for frame in self.frames if rule.holds(values_by_keyword([frame.values])))
        if not kept:
            return None
        return self if len(kept) == len(self.frames) else replace(self, frames=kept, images=len(kept))


@dataclass(frozen=True, kw_only=True)
class PatientHeader:
    """What is taken from one file of its patient; nothing of it but age and sex is kept."""

    patient_id: str
    age_years: float | None
    sex: str


def headers_of(spool: Path, file: str, asked: Collection[str]) -> tuple[ImageHeader, PatientHeader]:
    """Read one file. Raises NodeError and whatever pydicom raises."""
    found = read_header(spool / file, [*_IMAGE, *_PATIENT, *_FRAMES, *asked])
    image = ImageHeader(
        file=file,
        sop_class_uid=str(found.get("SOPClassUID") or ""),
        modality=text_of(found.get("Modality")),
        images=int(found.get("NumberOfFrames") or 1),
        image_types=tuple(map(text_of, values_in(found.get("ImageType")))),
        body_part_examined=text_of(found.get("BodyPartExamined")),
        series_description=text_of(found.get("SeriesDescription")),
        frames=tuple(
            FrameHeader(place=place, values=values)
            for place, values in zip(_places(found), values_of_frames(found, asked), strict=True)
        ),
        own=str(found.get("Manufacturer")) == "wetread" and "ContributingEquipmentSequence" in found,
    )
    return image, PatientHeader(
        patient_id=str(found.get("PatientID") or ""), age_years=_age_years(found), sex=_sex(found)
    )


def _places(header: Any) -> list[Place | None]:
    """Return where each frame lies."""
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        return [_place(header, header)]
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    places = []
    for frame in frames:
        position = (frame.get("PlanePositionSequence") or [None])[0]
        orientation = frame.get("PlaneOrientationSequence") or (
            shared.get("PlaneOrientationSequence") if shared else None
        )
        places.append(_place(position, orientation[0]) if position is not None and orientation else None)
    return places


def _place(position: Any, orientation: Any) -> Place | None:
    where, directions = position.get("ImagePositionPatient"), orientation.get("ImageOrientationPatient")
    if not where or not directions or len(where) != 3 or len(directions) != 6:  # noqa: PLR2004  # PS3.3 C.7.6.2.1.1
        return None
    place = tuple(map(float, where)), tuple(map(float, directions))
    if not all(math.isfinite(value) for part in place for value in part):
        raise ValueError("a position or direction that is not finite")
    return place


def _age_years(header: Any) -> float | None:
    stated = re.fullmatch(r"(\d{1,3})([DWMY])", str(header.get("PatientAge") or "").strip())
    if stated is not None:
        return round(int(stated[1]) * _AGE_UNITS[stated[2]], 2)
    born, studied = _date(header.get("PatientBirthDate")), _date(header.get("StudyDate"))
    if born is None or studied is None or studied < born:
        return None
    return round((studied - born).days / _DAYS_A_YEAR, 2)


def _date(value: Any) -> date | None:
    text = str(value or "").strip()
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007  # DICOM dates have no zone
    except ValueError:
        return None


def _sex(header: Any) -> str:
    value = str(header.get("PatientSex") or "").strip().upper()
    return value if value in ("M", "F", "O") else ""
