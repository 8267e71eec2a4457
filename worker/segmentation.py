"""The label map of a reading as a Segmentation (PS3.3 A.51) on the grid of its source, one segment a structure."""

import warnings
from collections.abc import Sequence

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from models.findings import Reading, Structure
from models.manifest import Concept
from worker.case import Case
from worker.errors import SourceRefused
from worker.object_encoding import stamp
from worker.provenance import Provenance
from worker.source_geometry import lean_sources
from worker.sr_document import coded

_LEFT = Concept(value="7771000", scheme="SCT", meaning="Left")
_RIGHT = Concept(value="24028007", scheme="SCT", meaning="Right")


def laterality_of(structure: Structure) -> hd.sr.CodedConcept | None:
    """Return the side of a structure, None where it has none."""
    sides = {"left": coded(_LEFT), "right": coded(_RIGHT), None: None}
    return sides[structure.label.laterality]


def tracking_uid(provenance: Provenance, structure: Structure) -> str:
    """Return the Tracking UID that SEG and SR share for a structure."""
    return provenance.uid("tracking", str(structure.label.number))


def segment_numbers(reading: Reading) -> dict[int, int]:
    """Return each found label's segment number: 1 to n without a gap (PS3.3 C.8.20.2), in order of label numbers."""
    return {structure.label.number: place for place, structure in enumerate(reading.structures, start=1)}


def build_segmentation(case: Case) -> hd.seg.Segmentation:
    """Return the SEG of a reading that has labels and found at least one structure.

    Raises SourceRefused when the source lacks its Frame of Reference or highdicom cannot place a segment in it.
    """
    series, reading, provenance = case.series, case.reading, case.provenance
    if reading.labels is None:
        raise ValueError("a reading without labels has no segmentation")
    sources = lean_sources(series)
    try:
        with warnings.catch_warnings():
            # highdicom warns of values that are set below anyway.
            warnings.simplefilter("ignore")
            segmentation = hd.seg.Segmentation(
                source_images=sources,
                pixel_array=_renumbered(reading.labels, segment_numbers(reading)),
                segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
                segment_descriptions=_descriptions(reading, provenance),
                series_instance_uid=provenance.uid("SEG", "series"),
                series_number=1,
                sop_instance_uid=provenance.uid("SEG", "instance"),
                instance_number=1,
                manufacturer="",
                manufacturer_model_name="",
                software_versions="",
                device_serial_number="",
                transfer_syntax_uid=ExplicitVRLittleEndian,
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
    stamp(segmentation, case, kind="SEG", sop_class_uid=SegmentationStorage)
    segmentation.ContentCreatorName = None  # Type 2: no person
    _fix_uids(segmentation, provenance)
    _name_segment_in_each_frame(segmentation)
    if series.frame_numbers:
        _restore_frame_numbers(segmentation, series.frame_numbers)
    if body_part := series.datasets[0].get("BodyPartExamined"):
        segmentation.BodyPartExamined = body_part
    return segmentation


def _renumbered(labels: NDArray[np.uint8], numbers: dict[int, int]) -> NDArray[np.uint8]:
    if all(label == number for label, number in numbers.items()) and int(labels.max()) <= len(numbers):
        return labels
    table = np.zeros(256, np.uint8)
    table[list(numbers)] = list(numbers.values())
    return table[labels]


def _descriptions(reading: Reading, provenance: Provenance) -> list[hd.seg.SegmentDescription]:
    card = provenance.card
    algorithm = hd.AlgorithmIdentificationSequence(
        name=card.name, family=coded(card.family), version=card.version, source=card.manufacturer
    )
    numbers = segment_numbers(reading)
    descriptions = []
    for structure in reading.structures:
        label = structure.label
        description = hd.seg.SegmentDescription(
            segment_number=numbers[label.number],
            segment_label=label.name,
            segmented_property_category=coded(label.category),
            segmented_property_type=coded(label.concept),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=tracking_uid(provenance, structure),
            tracking_id=label.name,
            display_color=hd.color.CIELabColor.from_rgb(*label.colour_rgb),
        )
        if (side := laterality_of(structure)) is not None:
            description.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
        descriptions.append(description)
    return descriptions


def _fix_uids(segmentation: Dataset, provenance: Provenance) -> None:
    # highdicom mints a random one.
    uid = provenance.uid("SEG", "dimension organization")
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


def _restore_frame_numbers(segmentation: Dataset, frame_numbers: Sequence[int]) -> None:
    """Make references to frames of the lean source references to frames of the source."""
    # highdicom lets frames of different segments share an item: each is renumbered once.
    images = {
        id(image): image
        for frame in segmentation.PerFrameFunctionalGroupsSequence
        for derivation in frame.DerivationImageSequence
        for image in derivation.SourceImageSequence
    }
    for image in images.values():
        image.ReferencedFrameNumber = frame_numbers[int(image.ReferencedFrameNumber) - 1]
