"""The outlines as a Grayscale Softcopy Presentation State (PS3.3 A.33.1), drawn by viewers over the source images."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import highdicom as hd
import numpy as np
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    TextObject,
)
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from models.findings import Detection
from models.volume import Waveform
from worker.case import Case
from worker.errors import SourceRefused
from worker.key_slices import window_of
from worker.mask_contours import contours
from worker.object_encoding import stamp
from worker.segments import Thing, mask_of, segmented, tracking_name, tracking_uid
from worker.source_geometry import lean_sources, restore_frame_numbers

#: Points of an outline; more make no difference to the eye and large objects.
_POINTS = 100
_LONGEST_LAYER = 16
_VALUES = ("BitsStored", "PixelRepresentation", "RescaleIntercept", "RescaleSlope", "RescaleType")


def build_presentation_state(case: Case) -> Dataset | None:
    """Return the presentation state of a reading that has outlines on grey images; else None.

    Raises SourceRefused when highdicom cannot refer to this series.
    """
    series, provenance = case.series, case.provenance
    things = _drawn(case)
    if isinstance(series.source, Waveform) or not things or int(case.head.get("SamplesPerPixel") or 1) != 1:
        return None  # of colour images there is another presentation state (PS3.3 A.33.2)
    sources = [
        _with_values(source, dataset) for source, dataset in zip(lean_sources(series), series.datasets, strict=True)
    ]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # highdicom warns of values that are set below anyway
            state = hd.pr.GrayscaleSoftcopyPresentationState(
                referenced_images=sources,
                series_instance_uid=provenance.uid("GSPS", "series"),
                series_number=1,
                sop_instance_uid=provenance.uid("GSPS", "instance"),
                instance_number=1,
                manufacturer="",
                manufacturer_model_name="",
                software_versions="",
                device_serial_number="",
                content_label="AI_OUTLINES",
                content_description="AI outlines, not verified",
                graphic_annotations=[*_annotations(case, things, sources)],
                graphic_layers=[_layer(place, thing) for place, thing in enumerate(things, start=1)],
                voi_lut_transformations=[_window(case)],
            )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceRefused(
            f"no presentation state can be made on this series ({type(error).__name__} in highdicom)"
        ) from error
    stamp(state, case, kind="GSPS", sop_class_uid=GrayscaleSoftcopyPresentationStateStorage)
    state.PresentationCreationDate, state.PresentationCreationTime = state.ContentDate, state.ContentTime
    del state.ContentDate, state.ContentTime  # this IOD has none
    state.ContentCreatorName = None  # Type 2: no person
    if series.frame_numbers:
        restore_frame_numbers(state, series.frame_numbers)
    return state


def _with_values(lean: Dataset, source: Any) -> Dataset:
    """Add what says how stored values are shown: a presentation state repeats a source's rescale (PS3.3 C.11.6)."""
    for keyword in _VALUES:
        if keyword in source:
            lean.add(source[keyword])
    lean.SamplesPerPixel = 1
    return lean


def _drawn(case: Case) -> tuple[Thing, ...]:
    """Return what has an outline: segments, and detections without a mask."""
    voxels = segmented(case.reading)
    return (*voxels, *(one for one in case.reading.detections if one not in voxels and one.outline))


def _layer(place: int, thing: Thing) -> GraphicLayer:
    return GraphicLayer(
        layer_name=_layer_name(place),
        order=place,
        description=tracking_name(thing)[:64],
        display_color=hd.color.CIELabColor.from_rgb(*thing.label.colour_rgb),
    )


def _layer_name(place: int) -> str:
    return f"AI_{place}"[:_LONGEST_LAYER]


def _annotations(case: Case, things: Sequence[Thing], sources: Sequence[Dataset]) -> Iterator[GraphicAnnotation]:
    multi_frame = bool(case.series.frame_numbers)
    for place, thing in enumerate(things, start=1):
        layer = _layer(place, thing)
        uid = tracking_uid(case.provenance, thing)
        for k, lines in _outlines(case, thing):
            objects = [
                GraphicObject(
                    graphic_type=GraphicTypeValues.POLYLINE,
                    graphic_data=_graphic_data(line),
                    units=AnnotationUnitsValues.PIXEL,
                    tracking_id=tracking_name(thing),
                    tracking_uid=uid,
                )
                for line in lines
            ]
            yield GraphicAnnotation(
                referenced_images=[sources[0 if multi_frame else k]],
                referenced_frame_number=k + 1 if multi_frame else None,
                graphic_layer=layer,
                graphic_objects=objects,
                text_objects=[_text(thing, lines[0])] if isinstance(thing, Detection) else None,
            )


def _outlines(case: Case, thing: Thing) -> Iterator[tuple[int, list[NDArray[np.float64]]]]:
    """Yield each slice on which a thing lies with its closed lines, ``(points, 2)`` row and column."""
    if isinstance(thing, Detection) and not thing.voxels:
        yield thing.slice_index, [np.asarray(thing.outline)]
        return
    mask = mask_of(case.reading, thing)
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        yield int(k), contours(mask[k])


def _graphic_data(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the line closed, as column and row, (1, 1) the centre of the first pixel (PS3.3 C.10.5.1.2)."""
    thinned = line[:: -(-len(line) // _POINTS)]
    points: Any = thinned[:, ::-1] + 1.0
    return np.vstack([points, points[:1]])


def _text(thing: Detection, line: NDArray[np.float64]) -> TextObject:
    row, column = line[:, 0].min(), line[:, 1].max()
    return TextObject(
        text_value=tracking_name(thing),
        units=AnnotationUnitsValues.PIXEL,
        anchor_point=(float(column) + 1.0, float(row) + 1.0),
        anchor_point_visible=False,
    )


def _window(case: Case) -> hd.pr.SoftcopyVOILUTTransformation:
    source: Any = case.series.source
    low, high = window_of(source.array, case.head)
    return hd.pr.SoftcopyVOILUTTransformation(
        window_center=round((low + high) / 2, 3), window_width=max(1.0, round(high - low, 3))
    )
