"""Where the images of a series lie: what a segmentation needs to know of them, and nothing of the patient."""

from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from models.volume import Volume
from worker.errors import SourceRefused
from worker.instances.source_repairs import frame_of_reference_of, lossy_compression_of
from worker.series.series_volume import LoadedSeries

_GEOMETRY = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality", "Rows", "Columns",
    "FrameOfReferenceUID", "PositionReferenceIndicator", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SliceThickness", "SpacingBetweenSlices",
)  # fmt: skip
_GEOMETRY_TAGS = tuple(Tag(keyword) for keyword in _GEOMETRY)
#: What a segmentation has once for all frames (PS3.3 A.51), so highdicom wants it exactly alike in all images.
_SHARED_TAGS = tuple(Tag(keyword) for keyword in ("ImageOrientationPatient", "PixelSpacing"))

_Elements = dict[BaseTag, DataElement]


def lean_sources(series: LoadedSeries) -> list[Dataset]:
    """Return what highdicom needs of the sources: no patient (it logs names), only frames that were read."""
    frame_of_reference_of(series.datasets[0])
    if not isinstance(series.source, Volume):
        raise SourceRefused("only a volume has a grid in patient space")
    # highdicom wants a thickness, which may be missing; then slices are as thick as they lie apart.
    thickness = f"{series.source.spacing_mm[0]:.8g}"
    if not series.frame_numbers:
        first = _some(series.datasets[0], _SHARED_TAGS)
        return [_thick(_lean(dataset, first), thickness) for dataset in series.datasets]
    source = series.datasets[0]
    lean = _lean(source)
    lean.NumberOfFrames = len(series.frame_numbers)
    shared, frames = frame_geometry(source, series.frame_numbers)
    shared.PixelMeasuresSequence = [_thick(copy(item), thickness) for item in shared.PixelMeasuresSequence]
    lean.SharedFunctionalGroupsSequence = [shared]
    lean.PerFrameFunctionalGroupsSequence = frames
    return [lean]


def frame_geometry(source: Dataset, frame_numbers: Sequence[int]) -> tuple[Dataset, list[Dataset]]:
    """Return orientation and pixel measures shared by these frames (1-based), and the position of each.

    Raises SourceRefused where the functional groups (PS3.3 C.7.6.16) hold none.
    """
    common = next(iter(source.get("SharedFunctionalGroupsSequence") or ()), Dataset())
    groups = source.get("PerFrameFunctionalGroupsSequence") or ()
    try:
        own = [groups[number - 1] for number in frame_numbers]
        shared = Dataset()
        for keyword in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
            setattr(shared, keyword, list(common.get(keyword) or own[0][keyword].value))
        frames = []
        for group in own:
            frame = Dataset()
            frame.PlanePositionSequence = list(
                group.get("PlanePositionSequence") or common["PlanePositionSequence"].value
            )
            frames.append(frame)
    except (IndexError, KeyError) as error:
        raise SourceRefused("the multi-frame image does not say where its frames lie (PS3.3 C.7.6.16.2)") from error
    return shared, frames


def _lean(dataset: Dataset, first: _Elements | None = None) -> Dataset:
    """Return what is needed of an image, with what the first of its series says for all of them."""
    # The loader has found them alike; digits in which they differ are the sender's rounding.
    return Dataset(_some(dataset, _GEOMETRY_TAGS) | (first or {}) | lossy_compression_of(dataset) | _blanks())


def _some(dataset: Dataset, tags: Sequence[BaseTag]) -> _Elements:
    # By tags: a series has hundreds of datasets, and each keyword would be looked up again.
    # As they came: who asks for a value makes it one.
    return {tag: dataset.get_item(tag) for tag in tags if tag in dataset}


def _thick(item: Dataset, thickness: str) -> Dataset:
    """Give it a thickness where it has none, and leave no spacing that is none: that of NM is negative downwards."""
    if not _is_length(item.get("SliceThickness")):
        item.SliceThickness = thickness
    if not _is_length(item.get("SpacingBetweenSlices")):
        item.pop("SpacingBetweenSlices", None)
    return item


def _is_length(value: Any) -> bool:
    return value not in (None, "") and float(value) > 0


@cache
def _blanks() -> dict[BaseTag, DataElement]:
    """Return what is Type 2 where highdicom reads it; `stamp` sets the real ones."""
    blank = Dataset()
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        setattr(blank, keyword, "")
    blank.StudyDate = blank.StudyTime = None
    return {element.tag: element for element in blank}


def restore_frame_numbers(made: Dataset, frame_numbers: Sequence[int]) -> None:
    """Make what refers to frames of the lean source refer to frames of the source (1-based)."""
    # highdicom lets frames of different segments share an item: each is renumbered once.
    images = {
        id(image): image
        for frame in made.PerFrameFunctionalGroupsSequence
        for derivation in frame.DerivationImageSequence
        for image in derivation.SourceImageSequence
    }
    for image in images.values():
        image.ReferencedFrameNumber = frame_numbers[int(image.ReferencedFrameNumber) - 1]
