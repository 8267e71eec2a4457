"""What selection sees of a study: the headers of its series, summed up. No patient data is kept, only age and sex.

Runs in the node's first process: headers only, plain numbers, no arrays.
"""

import itertools
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydicom.multival import MultiValue

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.errors import NodeError
from dicom_node.study import AssembledStudy
from worker.instances.bounded_inflating import read_header
from worker.selecting.image_versions import Versions, newest_versions

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
_Place = tuple[tuple[float, ...], tuple[float, ...]]
_AGE_UNITS = {"D": 1 / _DAYS_A_YEAR, "W": 7 / _DAYS_A_YEAR, "M": 1 / 12, "Y": 1.0}


class SeriesSummary(BaseModel):
    """A series as selection sees it.

    Attributes:
        series_instance_uid: (0020,000E).
        files: Relative to the spool; of an image that came several times the newest one.
        sop_classes: Every SOP Class UID among its instances.
        modality: (0008,0060); empty where absent or mixed.
        images: Frames over all instances.
        image_types: Every value of Image Type (0008,0008) among its instances.
        body_part_examined: (0018,0015).
        series_description: (0008,103E); never logged.
        slice_spacing_mm: Largest distance between neighbouring positions; None where positions do not tell.
        coverage_mm: From the first position to the last; None where positions do not tell.
        orientation: axial, coronal or sagittal by the nearest axis of the patient; empty where positions do not tell.
        tag_values: What cards' free rules ask for, by keyword; never logged and not in the ledger.
        disputed: Of `files` the images that came again with other pixels, or something else that a read depends on.
        zeroed: As in `worker.selecting.image_versions.Versions`.
        own: Whether wetread made it.
        unreadable: Names of files that cannot be parsed.
    """

    model_config = ConfigDict(frozen=True)

    series_instance_uid: str
    files: tuple[str, ...]
    sop_classes: tuple[str, ...] = ()
    modality: str = ""
    images: int = 0
    image_types: tuple[str, ...] = ()
    body_part_examined: str = ""
    series_description: str = ""
    slice_spacing_mm: float | None = None
    coverage_mm: float | None = None
    orientation: str = ""
    tag_values: dict[str, tuple[str, ...]] = {}
    disputed: tuple[str, ...] = ()
    zeroed: bool = False
    own: bool = False
    unreadable: tuple[str, ...] = ()

    def for_ledger(self) -> dict[str, Any]:
        """Return what the ledger keeps: no free text, since people write names into descriptions."""
        left_out = {"files", "disputed", "series_description", "series_instance_uid", "tag_values"}
        return self.model_dump(mode="json", exclude=left_out) | {"contradictory": bool(self.disputed)}


class StudySummary(BaseModel):
    """A study as selection sees it.

    Attributes:
        study_instance_uid: (0020,000D).
        series: In the order of their UIDs.
        patient_ids: How many different Patient IDs there are.
        age_years: At the time of the study; None where neither Patient's Age nor Birth Date tells.
        sex: M, F or O; empty where absent or unknown.
    """

    model_config = ConfigDict(frozen=True)

    study_instance_uid: str
    series: tuple[SeriesSummary, ...]
    patient_ids: int
    age_years: float | None
    sex: str


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What is taken from one file, as plain values: a foreign value that is none shows here and nowhere later."""

    sop_class_uid: str
    modality: str
    images: int
    image_types: tuple[str, ...]
    body_part_examined: str
    series_description: str
    places: tuple[_Place, ...]
    tag_values: tuple[tuple[str, str], ...]
    own: bool
    patient_id: str
    age_years: float | None
    sex: str


def summarise(spool: Path, study: AssembledStudy, tags: Collection[str] = ()) -> StudySummary:
    """Read the headers of a study; a file that cannot be parsed is named in its series.

    Args:
        spool: Its root.
        study: What has arrived.
        tags: Keywords of further attributes that cards ask for.
    """
    series = {one.series_instance_uid: newest_versions(spool, one.files) for one in study.series}
    return summarise_series(spool, study.study_instance_uid, series, tags)


def summarise_series(
    folder: Path, study_instance_uid: str, series: Mapping[str, Versions], tags: Collection[str]
) -> StudySummary:
    """Likewise, of the files below a folder that are of each series, by its UID."""
    patient_ids: set[str] = set()
    first: _Header | None = None
    summaries = []
    for uid, versions in sorted(series.items()):
        headers, unreadable = _headers(folder, versions.files, tags)
        patient_ids |= {header.patient_id for header in headers}
        first = first if first is not None else next(iter(headers), None)
        summaries.append(_summary(uid, versions, headers, unreadable))
    return StudySummary(
        study_instance_uid=study_instance_uid,
        series=tuple(summaries),
        patient_ids=len(patient_ids),
        age_years=first.age_years if first is not None else None,
        sex=first.sex if first is not None else "",
    )


def _headers(spool: Path, files: Sequence[str], tags: Collection[str]) -> tuple[list[_Header], tuple[str, ...]]:
    headers, unreadable = [], []
    for file in files:
        try:
            headers.append(_header(spool / file, tags))
        # One file that nobody can read must not keep its study from being recorded.
        except (*PARSE_ERRORS, NodeError):
            unreadable.append(Path(file).name)
    return headers, tuple(unreadable)


def _header(file: Path, asked: Collection[str]) -> _Header:
    """Read one file. Raises NodeError and whatever pydicom raises."""
    found = read_header(file, [*_IMAGE, *_PATIENT, *_FRAMES, *asked])
    return _Header(
        sop_class_uid=str(found.get("SOPClassUID") or ""),
        modality=_text(found.get("Modality")),
        images=int(found.get("NumberOfFrames") or 1),
        image_types=tuple(map(_text, _values(found.get("ImageType")))),
        body_part_examined=_text(found.get("BodyPartExamined")),
        series_description=_text(found.get("SeriesDescription")),
        places=tuple(_places(found)),
        tag_values=tuple((tag, _text(value)) for tag in asked for value in _values(found.get(tag)) if _text(value)),
        own=str(found.get("Manufacturer")) == "wetread" and "ContributingEquipmentSequence" in found,
        patient_id=str(found.get("PatientID") or ""),
        age_years=_age_years(found),
        sex=_sex(found),
    )


def _summary(
    series_uid: str, versions: Versions, headers: Sequence[_Header], unreadable: tuple[str, ...]
) -> SeriesSummary:
    modalities = {header.modality for header in headers}
    spacing_mm, coverage_mm = _extent_mm([place for header in headers for place in header.places])
    return SeriesSummary(
        series_instance_uid=series_uid,
        files=versions.files,
        sop_classes=tuple(sorted({header.sop_class_uid for header in headers})),
        modality=modalities.pop() if len(modalities) == 1 else "",
        images=sum(header.images for header in headers),
        image_types=tuple(sorted({value for header in headers for value in header.image_types})),
        body_part_examined=headers[0].body_part_examined if headers else "",
        series_description=headers[0].series_description if headers else "",
        slice_spacing_mm=spacing_mm,
        coverage_mm=coverage_mm,
        orientation=_orientation([place for header in headers for place in header.places]),
        tag_values=_tag_values(headers),
        disputed=versions.disputed,
        zeroed=versions.zeroed,
        own=any(header.own for header in headers),
        unreadable=unreadable,
    )


def _places(header: Any) -> list[_Place]:
    """Return (position, orientation) of each frame that has both."""
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        return _place(header, header)
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    places = []
    for frame in frames:
        position = (frame.get("PlanePositionSequence") or [None])[0]
        orientation = frame.get("PlaneOrientationSequence") or (
            shared.get("PlaneOrientationSequence") if shared else None
        )
        if position is not None and orientation:
            places += _place(position, orientation[0])
    return places


def _place(position: Any, orientation: Any) -> list[_Place]:
    where, directions = position.get("ImagePositionPatient"), orientation.get("ImageOrientationPatient")
    if not where or not directions or len(where) != 3 or len(directions) != 6:  # noqa: PLR2004  # PS3.3 C.7.6.2.1.1
        return []
    place = tuple(map(float, where)), tuple(map(float, directions))
    if not all(math.isfinite(value) for part in place for value in part):
        raise ValueError("a position or direction that is not finite")
    return [place]


def _extent_mm(places: Sequence[_Place]) -> tuple[float | None, float | None]:
    """Return the largest gap and the whole extent along the first slice's normal, in hundredths of a millimetre.

    What positions and directions are rounded to, and the computer's own rounding, makes no gap of 3 mm a larger one.
    """
    if len(places) < 2:  # noqa: PLR2004  # one position has no extent
        return None, None
    (a, b, c, d, e, f) = places[0][1]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    distances = sorted({round(sum(p * n for p, n in zip(where, normal, strict=True)), 3) for where, _ in places})
    gaps = [after - before for before, after in itertools.pairwise(distances)]
    return (round(max(gaps), 2), round(distances[-1] - distances[0], 2)) if gaps else (None, None)


def _orientation(places: Sequence[_Place]) -> str:
    if not places:
        return ""
    (a, b, c, d, e, f) = places[0][1]
    normal = [abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d)]
    return ("sagittal", "coronal", "axial")[normal.index(max(normal))]


def _tag_values(headers: Sequence[_Header]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for header in headers:
        for tag, value in header.tag_values:
            found.setdefault(tag, set()).add(value)
    return {tag: tuple(sorted(values)) for tag, values in found.items()}


def _text(value: Any) -> str:
    """Return a value without the spaces around it: they pad codes and short texts, and mean nothing (PS3.5 6.2)."""
    return "" if value is None else str(value).strip()


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


def _values(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return list(value) if isinstance(value, list | tuple | MultiValue) else [value]
