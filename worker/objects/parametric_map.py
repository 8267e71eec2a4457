"""The heat maps of a reading as a Parametric Map (PS3.3 A.75): how much each voxel spoke for something, 0 to 1."""

import itertools
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import highdicom as hd
import numpy as np
import structlog
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from models.card.card_interpretation import ClassificationInterpretation
from models.card.card_parts import Concept
from models.findings import HeatMap
from models.volume import Volume
from worker.case.case import Case
from worker.errors import SourceRefused
from worker.instances.source_repairs import body_part_of
from worker.objects.object_encoding import stamp
from worker.objects.source_geometry import lean_sources, restore_frame_numbers
from worker.objects.sr_document import coded

_log = structlog.get_logger()
#: Value and scheme of a concept.
_Code = tuple[str, str]

#: UCUM: a proportion, in units of one.
_RATIO = hd.sr.CodedConcept(value="{ratio}", scheme_designator="UCUM", meaning="ratio")
_LONGEST_SH = 16
_LONGEST_LO = 64


def build_parametric_map(case: Case) -> Dataset | None:
    """Return the heat maps on the grid of their source, the frames of one after those of the other.

    None where there are none, and for images without a place in space: a Parametric Map could not say where it lies.
    Raises SourceRefused when the source lacks its Frame of Reference or highdicom cannot place a frame in it.
    """
    heat_maps = case.reading.heat_maps
    if not heat_maps:
        return None
    if not isinstance(case.series.source, Volume):
        _log.info(
            "object left out", kind="PMAP", reason="the images have no place in space; the picture shows the heat map"
        )
        return None
    made = _placed(case, heat_maps)
    stamp(made, case, kind="PMAP", sop_class_uid=str(made.SOPClassUID))
    made.ContentCreatorName = None  # Type 2: no person
    made.ContentQualification = "RESEARCH" if case.provenance.card.research else "PRODUCT"
    _index_heat_maps(made, case.provenance.uid("PMAP", "dimension organization"))
    if case.series.frame_numbers:
        restore_frame_numbers(made, case.series.frame_numbers)
    if body_part := body_part_of(case.head):
        made.BodyPartExamined = body_part
    return made


def _placed(case: Case, heat_maps: tuple[HeatMap, ...]) -> Dataset:
    sources = lean_sources(case.series)
    names = lut_labels(_names_on(case))
    try:
        with warnings.catch_warnings():
            # highdicom warns of values that are set below anyway.
            warnings.simplefilter("ignore")
            return hd.pm.ParametricMap(
                source_images=sources,
                pixel_array=_stacked([heat_map.array for heat_map in heat_maps]),
                real_world_value_mappings=[[_mapping(heat_map, names[_code(heat_map.name)])] for heat_map in heat_maps],
                # LINEAR, the default, would show all that is above 0 white at a width of 1 (PS3.3 C.11.2.1.2.1).
                voi_lut_transformations=[
                    hd.VOILUTTransformation(window_center=0.5, window_width=1.0, voi_lut_function="LINEAR_EXACT")
                ],
                series_instance_uid=case.provenance.uid("PMAP", "series"),
                series_number=1,
                sop_instance_uid=case.provenance.uid("PMAP", "instance"),
                instance_number=1,
                manufacturer="",
                manufacturer_model_name="",
                software_versions="",
                device_serial_number="",
                contains_recognizable_visual_features=False,
                transfer_syntax_uid=ExplicitVRLittleEndian,
                content_label="HEAT_MAP",
                content_description="AI heat map, not verified",
            )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Its words may quote what it was given, so only its place in the story is told.
        raise SourceRefused(
            f"no parametric map can be made on this series (SOP class {case.head.get('SOPClassUID')}, "
            f"{type(error).__name__} in highdicom): positions are not unique, or the source is no tomographic image"
        ) from error


def _stacked(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return a last axis of heat maps; of one, without a copy."""
    return arrays[0][..., np.newaxis] if len(arrays) == 1 else np.stack(arrays, axis=-1)


def _index_heat_maps(made: Dataset, uid: str) -> None:
    """Tell frames of different heat maps apart: the first dimension is the heat map's label, the second its position.

    highdicom knows positions only, and mints a random UID.
    """
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    label = Dataset()
    label.DimensionIndexPointer = tag_for_keyword("LUTLabel")
    label.FunctionalGroupPointer = tag_for_keyword("RealWorldValueMappingSequence")
    label.DimensionDescriptionLabel = "Heat map"
    made.DimensionIndexSequence.insert(0, label)
    for item in made.DimensionIndexSequence:
        item.DimensionOrganizationUID = uid
    frames = made.PerFrameFunctionalGroupsSequence
    positions = len({int(frame.FrameContentSequence[0].DimensionIndexValues) for frame in frames})
    for number, frame in enumerate(frames):
        content = frame.FrameContentSequence[0]
        content.DimensionIndexValues = [number // positions + 1, int(content.DimensionIndexValues)]


def lut_labels(concepts: Iterable[Concept]) -> dict[_Code, str]:
    """Return a label of at most 16 characters for each of these, no two alike.

    Those that begin alike, as the left one and the right one of a pair do, have a number at their end, in this order: a
    viewer tells heat maps apart by their labels.
    """
    meanings = {_code(concept): concept.meaning for concept in concepts}
    cut = {code: meaning[:_LONGEST_SH].rstrip() for code, meaning in meanings.items()}
    often = Counter(label.casefold() for label in cut.values())
    labels = {code: label for code, label in cut.items() if often[label.casefold()] == 1}
    taken = set(often)
    for code, label in cut.items():
        if code not in labels:
            labels[code] = next(new for new in _numbered(label) if new.casefold() not in taken)
            taken.add(labels[code].casefold())
    return labels


def _numbered(label: str) -> Iterator[str]:
    for number in itertools.count(1):
        end = f" {number}"
        yield label[: _LONGEST_SH - len(end)].rstrip() + end


def _names_on(case: Case) -> list[Concept]:
    """Return what may have a heat map, the card's classes first, so that all its reads have the same labels."""
    interpretation = case.provenance.card.interpretation
    classes = interpretation.classes if isinstance(interpretation, ClassificationInterpretation) else ()
    named = [each.concept for each in classes if each.concept is not None]
    return [*named, *(heat_map.name for heat_map in case.reading.heat_maps)]


def _code(concept: Concept) -> _Code:
    return concept.value, concept.scheme


def _mapping(heat_map: HeatMap, label: str) -> hd.pm.RealWorldValueMapping:
    return hd.pm.RealWorldValueMapping(
        lut_label=label,
        lut_explanation=f"{heat_map.name.meaning}, 0 to 1"[:_LONGEST_LO],
        unit=_RATIO,
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=coded(heat_map.name),
    )
