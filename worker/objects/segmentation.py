"""The voxels of a reading as a Segmentation (PS3.3 A.51) on the grid of its source: structures, then detections."""

import warnings

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from models.findings import Detection, Reading
from models.volume import Image
from worker.case.case import Case
from worker.errors import SourceRefused
from worker.instances.source_repairs import body_part_of
from worker.object_kinds import Kind
from worker.objects.object_encoding import stamp
from worker.objects.planar_geometry import stand_ins, take_place_away
from worker.objects.segments import (
    Thing,
    detection_segment_numbers,
    laterality_of,
    mask_of,
    overlapping,
    segment_numbers,
    segmented,
    tracking_name,
    tracking_uid,
)
from worker.objects.source_geometry import lean_sources, restore_frame_numbers
from worker.objects.sr_document import coded
from worker.provenance import Provenance


def build_segmentation(case: Case) -> hd.seg.Segmentation:
    """Return the SEG of a reading that has found at least one structure or detection with voxels.

    On images without a place in patient space it has none either, and refers to each frame's source alone.
    Raises SourceRefused when a volume's source lacks its Frame of Reference or highdicom cannot place a segment in it.
    """
    return segmentation_as(
        case,
        kind="SEG",
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )


def segmentation_as(
    case: Case, *, kind: Kind, segmentation_type: hd.seg.SegmentationTypeValues, transfer_syntax_uid: str
) -> hd.seg.Segmentation:
    """Return the segmentation of a reading in one of its encodings; see `build_segmentation`."""
    series, reading, provenance = case.series, case.reading, case.provenance
    if not segmented(reading):
        raise ValueError("a reading without voxels has no segmentation")
    planar = isinstance(series.source, Image)
    sources = stand_ins(series) if planar else lean_sources(series)
    try:
        with warnings.catch_warnings():
            # highdicom warns of values that are set below anyway.
            warnings.simplefilter("ignore")
            segmentation = hd.seg.Segmentation(
                source_images=sources,
                pixel_array=_pixels(reading),
                segmentation_type=segmentation_type,
                segment_descriptions=_descriptions(reading, provenance),
                series_instance_uid=provenance.uid(kind, "series"),
                series_number=1,
                sop_instance_uid=provenance.uid(kind, "instance"),
                instance_number=1,
                manufacturer="",
                manufacturer_model_name="",
                software_versions="",
                device_serial_number="",
                transfer_syntax_uid=transfer_syntax_uid,
                content_label="SEGMENTATION",
                content_description="AI segmentation, not verified",
                omit_empty_frames=True,
            )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Its words may quote what it was given, so only its place in the story is told.
        raise SourceRefused(
            f"no segmentation can be made on this series (SOP class {series.datasets[0].get('SOPClassUID')}, "
            f"{type(error).__name__} in highdicom): positions are not unique, or the source is no tomographic image"
        ) from error
    stamp(segmentation, case, kind=kind, sop_class_uid=str(segmentation.SOPClassUID))
    segmentation.ContentCreatorName = None  # Type 2: no person
    _fix_uids(segmentation, provenance, kind)
    _name_segment_in_each_frame(segmentation)
    if planar:
        take_place_away(segmentation, series)
    elif series.frame_numbers:
        restore_frame_numbers(segmentation, series.frame_numbers)
    if body_part := body_part_of(series.datasets[0]):
        segmentation.BodyPartExamined = body_part
    return segmentation


def _pixels(reading: Reading) -> NDArray[np.unsignedinteger]:
    """Return segment numbers like the volume, or where segments overlap a stack with a last axis of segments."""
    if overlapping(reading):
        things = segmented(reading)
        stack = np.empty((*_shape(reading), len(things)), np.uint8)
        for place, thing in enumerate(things):
            stack[..., place] = mask_of(reading, thing)
        return stack
    labels = None if reading.labels is None else _renumbered(reading.labels, segment_numbers(reading))
    detections = detection_segment_numbers(reading)
    if reading.instances is None or not detections:
        if labels is None:
            raise ValueError("a reading without voxels has no segmentation")
        return labels
    instances = _renumbered(reading.instances, detections)
    return instances if labels is None else np.maximum(instances, labels)


def _shape(reading: Reading) -> tuple[int, ...]:
    return next(numbers.shape for numbers in (reading.labels, reading.instances) if numbers is not None)


def _renumbered(map_: NDArray[np.unsignedinteger], numbers: dict[int, int]) -> NDArray[np.unsignedinteger]:
    largest = int(map_.max())
    if all(one == other for one, other in numbers.items()) and largest <= len(numbers):
        return map_
    highest = max(numbers.values(), default=0)
    table = np.zeros(max([largest, *numbers]) + 1, np.min_scalar_type(highest))
    table[list(numbers)] = list(numbers.values())
    return np.asarray(table[map_])


def _descriptions(reading: Reading, provenance: Provenance) -> list[hd.seg.SegmentDescription]:
    card = provenance.card
    algorithm = hd.AlgorithmIdentificationSequence(
        name=card.name, family=coded(card.family), version=card.version, source=card.manufacturer
    )
    return [
        _description(number, thing, algorithm, provenance) for number, thing in enumerate(segmented(reading), start=1)
    ]


def _description(
    number: int, thing: Thing, algorithm: hd.AlgorithmIdentificationSequence, provenance: Provenance
) -> hd.seg.SegmentDescription:
    label, name = thing.label, tracking_name(thing)
    site = thing.site if isinstance(thing, Detection) else None
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=coded(label.category),
        segmented_property_type=coded(label.concept),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=tracking_uid(provenance, thing),
        tracking_id=name,
        anatomic_regions=[coded(site)] if site else None,
        display_color=hd.color.CIELabColor.from_rgb(*label.colour_rgb),
    )
    if (side := laterality_of(thing)) is not None:
        if site:
            description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [side]
        else:
            description.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
    return description


def _fix_uids(segmentation: Dataset, provenance: Provenance, kind: Kind) -> None:
    # highdicom mints a random one.
    uid = provenance.uid(kind, "dimension organization")
    segmentation.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for item in segmentation.DimensionIndexSequence:
        item.DimensionOrganizationUID = uid


def _name_segment_in_each_frame(segmentation: Dataset) -> None:
    """Move a shared segment identification into every frame, where all readers look for it (highdicom's too)."""
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    if "SegmentIdentificationSequence" not in shared:
        return
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        frame.SegmentIdentificationSequence = shared.SegmentIdentificationSequence
    del shared.SegmentIdentificationSequence
