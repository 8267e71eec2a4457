"""What becomes a segment, its number, and the name and UID by which SEG and both measurement reports know it."""

from typing import Literal

import numpy as np
from highdicom.sr import CodedConcept
from numpy.typing import NDArray

from models.card.card_parts import Concept, Label
from models.findings import Count, Detection, Reading, Structure
from worker.objects.sr_document import coded
from worker.provenance import Provenance

#: What is told in groups and segments under a name of its own.
Thing = Structure | Detection

_SIDES = {
    "left": Concept(value="7771000", scheme="SCT", meaning="Left"),
    "right": Concept(value="24028007", scheme="SCT", meaning="Right"),
}
#: So that a detection's number still fits into a Segment Label (LO).
_LONGEST_NAME = 58


def segmented(reading: Reading) -> tuple[Thing, ...]:
    """Return what has voxels, in the order of segment numbers: structures, then detections with a mask."""
    masked = reading.detections if reading.instances is not None else ()
    return (*reading.structures, *(detection for detection in masked if detection.voxels))


def segment_numbers(reading: Reading) -> dict[int, int]:
    """Return the segment number of each structure by its label's number: 1 to n without a gap (PS3.3 C.8.20.2)."""
    return {structure.label.number: place for place, structure in enumerate(reading.structures, start=1)}


def detection_segment_numbers(reading: Reading) -> dict[int, int]:
    """Return the segment number of each detection with a mask by its own number; they follow the structures'."""
    return {
        thing.number: place for place, thing in enumerate(segmented(reading), start=1) if isinstance(thing, Detection)
    }


def mask_of(reading: Reading, thing: Thing, slices: int | slice = slice(None)) -> NDArray[np.bool_]:
    """Return the voxels of a structure or detection on these slices of the source grid."""
    numbers, number = (
        (reading.instances, thing.number) if isinstance(thing, Detection) else (reading.labels, thing.label.number)
    )
    if numbers is None:
        raise ValueError("this reading has no voxels of it")
    return np.asarray(numbers[slices] == number)


def tracking_name(thing: Thing) -> str:
    """Return the Tracking Identifier, unique within a reading: what it is, and of detections which one."""
    if isinstance(thing, Detection):
        return numbered(thing.label, thing.number)
    return thing.label.name


def numbered(label: Label, number: int) -> str:
    """Return the Tracking Identifier of a label's detection of this number."""
    return f"{label.name[:_LONGEST_NAME]} {number}"


def counting_name(count: Count) -> str:
    """Return the Tracking Identifier of how many there are of a label."""
    return f"{count.label.name}: {count.measurement.name.meaning.lower()}"


def tracking_uid(provenance: Provenance, thing: Thing) -> str:
    """Return the Tracking Unique Identifier, the same in every object of a read."""
    if isinstance(thing, Detection):
        return provenance.uid("tracking", "detection", str(thing.number))
    return provenance.uid("tracking", str(thing.label.number))


def laterality_of(thing: Thing) -> CodedConcept | None:
    """Return the side on which it lies, None where it has none."""
    side = (thing.laterality if isinstance(thing, Detection) else None) or thing.label.laterality
    return side_of(side)


def side_of(side: Literal["left", "right"] | None) -> CodedConcept | None:
    """Return the code of a side, None where there is none."""
    return coded(_SIDES[side]) if side else None


def overlapping(reading: Reading) -> bool:
    """Say whether a voxel belongs to a structure and to a detection."""
    if reading.labels is None or reading.instances is None:
        return False
    return any(bool(np.any(one[two > 0])) for one, two in zip(reading.labels, reading.instances, strict=True))
