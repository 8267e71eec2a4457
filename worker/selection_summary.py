"""What selection sees of a study: the headers of its series, summed up. No patient data is kept, only age and sex.

Runs in the receiving process: headers only, plain numbers, no arrays.
"""

import itertools
import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicom_node.study import AssembledSeries, AssembledStudy

#: What pydicom raises over bytes that are not what they claim to be.
_PARSE_ERRORS = (InvalidDicomError, EOFError, KeyError, ValueError, TypeError, AttributeError, RecursionError, OSError)

_IMAGE = (
    "SOPClassUID",
    "Modality",
    "NumberOfFrames",
    "Rows",
    "Columns",
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
_AGE_UNITS = {"D": 1 / _DAYS_A_YEAR, "W": 7 / _DAYS_A_YEAR, "M": 1 / 12, "Y": 1.0}


class SeriesSummary(BaseModel):
    """A series as selection sees it.

    Attributes:
        series_instance_uid: (0020,000E).
        files: Relative to the spool.
        sop_classes: Every SOP Class UID among its instances.
        modality: (0008,0060); empty where absent or mixed.
        images: Frames over all instances.
        image_types: Every value of Image Type (0008,0008) among its instances.
        body_part_examined: (0018,0015).
        series_description: (0008,103E); never logged.
        slice_spacing_mm: Largest distance between neighbouring positions; None where positions do not tell.
        coverage_mm: From the first position to the last; None where positions do not tell.
        variants: Whether an instance came twice with different bytes.
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
    variants: bool = False
    own: bool = False
    unreadable: tuple[str, ...] = ()

    def for_ledger(self) -> dict[str, Any]:
        """Return what the ledger keeps: no free text, since people write names into descriptions."""
        return self.model_dump(mode="json", exclude={"files", "series_description", "series_instance_uid"})


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


def summarise(spool: Path, study: AssembledStudy) -> StudySummary:
    """Read the headers of a study; a file that cannot be parsed is named in its series."""
    patient_ids: set[str] = set()
    first: Any = None
    summaries = []
    for series in sorted(study.series, key=lambda item: item.series_instance_uid):
        headers, unreadable = _headers(spool, series)
        patient_ids |= {str(header.get("PatientID") or "") for header in headers}
        first = first if first is not None else next(iter(headers), None)
        summaries.append(_summary(series, headers, unreadable))
    return StudySummary(
        study_instance_uid=study.study_instance_uid,
        series=tuple(summaries),
        patient_ids=len(patient_ids),
        age_years=_age_years(first) if first is not None else None,
        sex=_sex(first) if first is not None else "",
    )


def _headers(spool: Path, series: AssembledSeries) -> tuple[list[Any], tuple[str, ...]]:
    headers, unreadable = [], []
    for file in series.files:
        try:
            tags = [*_IMAGE, *_PATIENT, *_FRAMES]
            header = dcmread(spool / file, stop_before_pixels=True, specific_tags=tags)
            for keyword in tags:
                header.get(keyword)  # parsed here, so that what cannot be parsed shows here
            headers.append(header)
        except _PARSE_ERRORS:
            unreadable.append(Path(file).name)
    return headers, tuple(unreadable)


def _summary(series: AssembledSeries, headers: Sequence[Any], unreadable: tuple[str, ...]) -> SeriesSummary:
    modalities = {str(header.get("Modality") or "") for header in headers}
    spacing_mm, coverage_mm = _extent_mm([position for header in headers for position in _positions(header)])
    text: Any = next(iter(headers), {})
    return SeriesSummary(
        series_instance_uid=series.series_instance_uid,
        files=series.files,
        sop_classes=tuple(sorted({str(header.get("SOPClassUID") or "") for header in headers})),
        modality=modalities.pop() if len(modalities) == 1 else "",
        images=sum(int(header.get("NumberOfFrames") or 1) for header in headers),
        image_types=tuple(sorted({str(value) for header in headers for value in _values(header.get("ImageType"))})),
        body_part_examined=str(text.get("BodyPartExamined") or ""),
        series_description=str(text.get("SeriesDescription") or ""),
        slice_spacing_mm=spacing_mm,
        coverage_mm=coverage_mm,
        variants=any("~" in file for file in series.files),
        own=any(
            str(header.get("Manufacturer")) == "wetread" and "ContributingEquipmentSequence" in header
            for header in headers
        ),
        unreadable=unreadable,
    )


def _positions(header: Any) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
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


def _place(position: Any, orientation: Any) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    where, directions = position.get("ImagePositionPatient"), orientation.get("ImageOrientationPatient")
    if not where or not directions or len(where) != 3 or len(directions) != 6:  # noqa: PLR2004  # PS3.3 C.7.6.2.1.1
        return []
    return [(tuple(map(float, where)), tuple(map(float, directions)))]


def _extent_mm(places: Sequence[tuple[tuple[float, ...], tuple[float, ...]]]) -> tuple[float | None, float | None]:
    """Return the largest gap and the whole extent along the first slice's normal."""
    if len(places) < 2:  # noqa: PLR2004  # one position has no extent
        return None, None
    (a, b, c, d, e, f) = places[0][1]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    distances = sorted({round(sum(p * n for p, n in zip(where, normal, strict=True)), 3) for where, _ in places})
    gaps = [after - before for before, after in itertools.pairwise(distances)]
    return (max(gaps), distances[-1] - distances[0]) if gaps else (None, None)


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
    return () if value is None else [value] if isinstance(value, str) else list(value)
