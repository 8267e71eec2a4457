"""What a SEG must say: the voxels of the reading, on the grid of the images that were read."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from worker.gate.bundle import Bundle, FrameKey
from worker.objects.segments import mask_of, segmented
from worker.series.slice_geometry import same_orientation, same_spacing

_SAME_MM = 1e-3


def geometry(bundle: Bundle) -> Iterator[str]:
    """Segmentations and maps lie on their source: grid, frame of reference, each frame on the one it was made from."""
    if not bundle.sources.planes:  # `planar_checks` looks at what lies nowhere
        return
    for seg in (*bundle.segmentations, *bundle.label_maps, *bundle.parametric_maps):
        if str(seg.get("FrameOfReferenceUID", "")) != bundle.sources.frame_of_reference_uid:
            yield "another frame of reference"
        shared = seg.SharedFunctionalGroupsSequence[0]
        orientation = [float(value) for value in shared.PlaneOrientationSequence[0].ImageOrientationPatient]
        spacing = [float(value) for value in shared.PixelMeasuresSequence[0].PixelSpacing]
        wrong = set()
        for frame in seg.PerFrameFunctionalGroupsSequence:
            key = source_frame(frame)
            plane = bundle.sources.planes.get(key) if key else None
            if plane is None:
                wrong.add("a frame is not derived from an image that was read")
                continue
            position = [float(value) for value in frame.PlanePositionSequence[0].ImagePositionPatient]
            if _apart(position, plane.position_mm) > _SAME_MM:
                wrong.add("a frame lies elsewhere than its source")
            # As alike as the images of a series that is read: one segmentation has one of each for all of them.
            if not same_orientation(orientation, plane.orientation):
                wrong.add("another orientation")
            if not same_spacing(spacing, plane.spacing_mm):
                wrong.add("another pixel spacing")
            if (int(seg.Rows), int(seg.Columns)) != plane.size:
                wrong.add("another number of rows or columns")
        yield from sorted(wrong)


def _apart(one: Sequence[float], two: Sequence[float]) -> float:
    """Return the largest difference; numpy would take seconds for three numbers of each of thousands of frames."""
    differences = [abs(a - b) for a, b in zip(one, two, strict=True)]
    return max(differences) if all(map(math.isfinite, differences)) else math.inf


def source_frame(frame: Dataset) -> FrameKey | None:
    """Return the source frame from which a frame of a segmentation was derived, None where that is not one."""
    images = [
        image
        for derivation in frame.get("DerivationImageSequence", ())
        for image in derivation.get("SourceImageSequence", ())
    ]
    if len(images) != 1:
        return None
    return str(images[0].ReferencedSOPInstanceUID), int(images[0].get("ReferencedFrameNumber") or 0)


def segments(bundle: Bundle) -> Iterator[str]:
    """No segmentation is empty, no segment is, and the voxels are those of the reading."""
    for seg in bundle.segmentations:
        described = [int(item.SegmentNumber) for item in seg.get("SegmentSequence", ())]
        if described != list(range(1, len(described) + 1)) or not described:
            yield "segments are not numbered from 1 without a gap"
        counted = dict.fromkeys(described, 0)
        differing = 0
        reading = bundle.reading
        things = dict(enumerate(segmented(reading), start=1)) if reading else {}
        for number, key, pixels in _frames(seg):
            counted[number] = counted.get(number, 0) + int(np.count_nonzero(pixels))
            if reading is not None and number in things and key in bundle.sources.slice_of:
                expected = mask_of(reading, things[number], bundle.sources.slice_of[key])
                differing += int(np.count_nonzero(expected != pixels))
        if set(counted) != set(described):
            yield "a frame belongs to a segment that is not described"
        if not all(counted.values()):
            yield "a segment is empty"
        if differing:
            yield f"{differing} voxels differ from the reading"
        if reading and [counted.get(number) for number in described] != [thing.voxels for thing in things.values()]:
            yield "a segment has another number of voxels than the reading"


def _frames(seg: Dataset) -> Iterator[tuple[int, FrameKey, NDArray[np.bool_]]]:
    """Yield segment number, source frame and pixels of each frame; bits are packed across frames (PS3.5 8.1.1)."""
    packed = np.frombuffer(seg.PixelData, np.uint8)
    size = int(seg.Rows) * int(seg.Columns)
    shared = seg.SharedFunctionalGroupsSequence[0]
    for index, frame in enumerate(seg.PerFrameFunctionalGroupsSequence):
        first = index * size
        bits = np.unpackbits(packed[first // 8 : (first + size + 7) // 8], bitorder="little")
        pixels = bits[first % 8 : first % 8 + size].reshape(int(seg.Rows), int(seg.Columns)).astype(bool)
        identification = frame.get("SegmentIdentificationSequence") or shared.SegmentIdentificationSequence
        yield int(identification[0].ReferencedSegmentNumber), source_frame(frame) or ("", 0), pixels
