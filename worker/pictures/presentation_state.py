"""The outlines over the source's own images: a Grayscale Softcopy Presentation State (PS3.3 A.33.1).

It speaks of the images on which something is outlined and of no other, and shows them as they are shown without it.
"""

from collections.abc import Sequence
from fractions import Fraction

import structlog
from pydicom.dataset import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from models.volume import Image, Volume, Waveform
from worker.case.case import Case
from worker.objects.image_references import image_references
from worker.objects.object_encoding import stamp
from worker.objects.sr_document import mark_explicit
from worker.pictures.graphic_annotations import annotations, drawn_of, layers
from worker.pictures.grey_transformations import (
    is_grey,
    modality_transformation,
    presentation_lut_shape,
    window_transformations,
)

_log = structlog.get_logger()
_LABEL = "AI"
_LONGEST_LO = 64
#: Of a pixel's height and width, the shorter one in whole numbers: finer than anybody sees.
_FINEST_RATIO = 1000


def build_presentation_state(case: Case) -> Dataset | None:
    """Return the presentation state; None where nothing was outlined, and for images that it cannot be made of."""
    source, drawn = case.series.source, drawn_of(case.reading)
    if not drawn or isinstance(source, Waveform):
        return None
    slices = sorted({one.slice_index for one in drawn})
    if not is_grey(case):
        _log.info("object left out", kind="GSPS", reason="the images are in colour")
        return None
    modality = modality_transformation(case, slices)
    if modality is None:
        _log.info("object left out", kind="GSPS", reason="its images are rescaled differently, a state has one scale")
        return None
    state = Dataset()
    state.update(modality)
    stamp(state, case, kind="GSPS", sop_class_uid=GrayscaleSoftcopyPresentationStateStorage)
    state.ContentLabel = _LABEL
    state.ContentDescription = str(state.SeriesDescription)[:_LONGEST_LO]
    state.PresentationCreationDate, state.PresentationCreationTime = state.ContentDate, state.ContentTime
    del state.ContentDate, state.ContentTime
    state.ContentCreatorName = None  # Type 2: no person
    series = Dataset()
    series.SeriesInstanceUID = case.head.SeriesInstanceUID
    series.ReferencedImageSequence = image_references(case, slices)
    state.ReferencedSeriesSequence = [series]
    state.DisplayedAreaSelectionSequence = _displayed_areas(case, source, slices)
    on = layers(case)
    state.GraphicLayerSequence = list(on.values())
    state.GraphicAnnotationSequence = list(annotations(case, drawn, on))
    if windows := window_transformations(case, slices):
        state.SoftcopyVOILUTSequence = windows
    state.PresentationLUTShape = presentation_lut_shape(case)
    mark_explicit(state)
    return state


def _displayed_areas(case: Case, source: Volume | Image, slices: Sequence[int]) -> list[Dataset]:
    """Return all of each image, as large as fits (PS3.3 C.10.4): once where their pixels have one size or shape."""
    if source.spacing_mm:
        area = _displayed_area(source)
        area.PresentationPixelSpacing = [f"{mm:.10g}" for mm in source.spacing_mm[-2:]]
        return [area]
    alike: dict[tuple[int, int], list[int]] = {}
    for k in slices:
        alike.setdefault(_ratio(source.pixel_aspect(k)), []).append(k)
    areas = []
    for ratio, images in alike.items():
        area = _displayed_area(source)
        if len(alike) > 1:
            area.ReferencedImageSequence = image_references(case, images)
        area.PresentationPixelAspectRatio = list(ratio)
        areas.append(area)
    return areas


def _displayed_area(source: Volume | Image) -> Dataset:
    _, rows, columns = source.array.shape
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [columns, rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    return area


def _ratio(aspect: float) -> tuple[int, int]:
    """Return height and width of a pixel in whole numbers, as Pixel Aspect Ratio is said."""
    if aspect < 1:
        return _ratio(1 / aspect)[::-1]
    shape = Fraction(aspect).limit_denominator(_FINEST_RATIO)
    return shape.numerator, shape.denominator
