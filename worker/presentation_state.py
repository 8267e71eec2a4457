"""The outlines over the source's own images: a Grayscale Softcopy Presentation State (PS3.3 A.33.1).

It speaks of the images on which something is outlined and of no other, and shows them as they are shown without it.
"""

import structlog
from pydicom.dataset import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from models.volume import Image, Volume, Waveform
from worker.case import Case
from worker.graphic_annotations import annotations, drawn_of, layers
from worker.grey_transformations import (
    is_grey,
    modality_transformation,
    presentation_lut_shape,
    window_transformations,
)
from worker.image_references import image_references
from worker.object_encoding import stamp
from worker.sr_document import mark_explicit

_log = structlog.get_logger()
_LABEL = "AI"
_LONGEST_LO = 64


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
    state.DisplayedAreaSelectionSequence = [_displayed_area(source)]
    on = layers(case)
    state.GraphicLayerSequence = list(on.values())
    state.GraphicAnnotationSequence = list(annotations(case, drawn, on))
    if windows := window_transformations(case, slices):
        state.SoftcopyVOILUTSequence = windows
    state.PresentationLUTShape = presentation_lut_shape(case)
    mark_explicit(state)
    return state


def _displayed_area(source: Volume | Image) -> Dataset:
    """Return all of the image, as large as fits (PS3.3 C.10.4)."""
    _, rows, columns = source.array.shape
    spacing = source.spacing_mm[-2:] if source.spacing_mm else None
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [columns, rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    if spacing:
        area.PresentationPixelSpacing = [f"{mm:.10g}" for mm in spacing]
    else:
        area.PresentationPixelAspectRatio = [1, 1]
    return area
