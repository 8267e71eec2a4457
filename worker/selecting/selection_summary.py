"""What selection sees of a study: the headers of its series, summed up. No patient data is kept, only age and sex.

Runs in the node's first process: headers only, plain numbers, no arrays.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.errors import NodeError
from dicom_node.study import AssembledStudy
from worker.instances.frame_values import values_by_keyword
from worker.selecting.image_header import ImageHeader, PatientHeader, Place, headers_of
from worker.selecting.image_versions import Versions, newest_versions
from worker.selecting.tag_rules import TagRule


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
        headers: Of the files that can be; never logged and not in the ledger.
        left_out: Images, or frames, of the series that a card does not read.
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
    headers: tuple[ImageHeader, ...] = ()
    left_out: int = 0

    def only(self, rule: TagRule) -> "SeriesSummary":
        """Return what is left of the series where only the images are read for each of which a rule holds."""
        kept = [fitting for header in self.headers if (fitting := header.only(rule)) is not None]
        files = tuple(header.file for header in kept)
        disputed = tuple(file for file in self.disputed if file in files)
        versions = Versions(files=files, disputed=disputed, zeroed=self.zeroed)
        left = _summary(self.series_instance_uid, versions, kept, self.unreadable)
        return left.model_copy(update={"left_out": self.images - left.images})

    def for_ledger(self) -> dict[str, Any]:
        """Return what the ledger keeps: no free text, since people write names into descriptions."""
        unfit = {"files", "disputed", "series_description", "series_instance_uid", "tag_values", "headers", "left_out"}
        return self.model_dump(mode="json", exclude=unfit) | {"contradictory": bool(self.disputed)}


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
    patients: list[PatientHeader] = []
    summaries = []
    for uid, versions in sorted(series.items()):
        images, of_patients, unreadable = _headers(folder, versions.files, tags)
        patients += of_patients
        summaries.append(_summary(uid, versions, images, unreadable))
    return StudySummary(
        study_instance_uid=study_instance_uid,
        series=tuple(summaries),
        patient_ids=len({patient.patient_id for patient in patients}),
        age_years=patients[0].age_years if patients else None,
        sex=patients[0].sex if patients else "",
    )


def _headers(
    spool: Path, files: Sequence[str], tags: Collection[str]
) -> tuple[list[ImageHeader], list[PatientHeader], tuple[str, ...]]:
    images, patients, unreadable = [], [], []
    for file in files:
        try:
            image, patient = headers_of(spool, file, tags)
        # One file that nobody can read must not keep its study from being recorded.
        except (*PARSE_ERRORS, NodeError):
            unreadable.append(Path(file).name)
        else:
            images.append(image)
            patients.append(patient)
    return images, patients, tuple(unreadable)


def _summary(
    series_uid: str, versions: Versions, headers: Sequence[ImageHeader], unreadable: tuple[str, ...]
) -> SeriesSummary:
    modalities = {header.modality for header in headers}
    frames = [frame for header in headers for frame in header.frames]
    places = [frame.place for frame in frames if frame.place is not None]
    spacing_mm, coverage_mm = _extent_mm(places)
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
        orientation=_orientation(places),
        tag_values=values_by_keyword(frame.values for frame in frames),
        disputed=versions.disputed,
        zeroed=versions.zeroed,
        own=any(header.own for header in headers),
        unreadable=unreadable,
        headers=tuple(headers),
    )


def _extent_mm(places: Sequence[Place]) -> tuple[float | None, float | None]:
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


def _orientation(places: Sequence[Place]) -> str:
    if not places:
        return ""
    (a, b, c, d, e, f) = places[0][1]
    normal = [abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d)]
    return ("sagittal", "coronal", "axial")[normal.index(max(normal))]
