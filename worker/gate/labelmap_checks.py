"""What a label map must say: the voxels of the reading, and the segments of the SEG."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels

from models.findings import Reading
from worker.gate.bundle import Bundle
from worker.gate.content_checks import source_frame
from worker.objects.segments import detection_segment_numbers, segment_numbers, segmented

_BACKGROUND = 0


def label_map(bundle: Bundle) -> Iterator[str]:
    """Segments are 1 to n and then background, each with voxels, tracked as in the SEG; voxels are the reading's."""
    for made in bundle.label_maps:
        described = [int(item.SegmentNumber) for item in made.get("SegmentSequence", ())]
        if sorted(described) != list(range(len(described))) or len(described) <= 1:
            yield "segments are not background and numbers from 1 without a gap"
            continue
        if not bundle.foreign and described != [*range(1, len(described)), _BACKGROUND]:
            yield "segments are not in the order of their numbers with the background last"
        if any(_tracked(seg) != _tracked(made) for seg in bundle.segmentations):
            yield "segments are tracked differently in SEG and label map"
        yield from _voxels(bundle, made, len(described))


def _voxels(bundle: Bundle, made: Dataset, described: int) -> Iterator[str]:
    """Walk the frames, one decoded at a time; `described` counts the background too."""
    counted = np.zeros(described, np.int64)
    differing = 0
    for frame, pixels in zip(made.PerFrameFunctionalGroupsSequence, iter_pixels(made), strict=True):
        counts = np.bincount(pixels.ravel(), minlength=described)
        if len(counts) > described:
            yield "a voxel belongs to a segment that is not described"
            return
        counted += counts
        key = source_frame(frame)
        if bundle.reading is not None and key is not None and key in bundle.sources.slice_of:
            expected = _expected(bundle.reading, bundle.sources.slice_of[key], pixels.shape)
            differing += int(np.count_nonzero(expected != pixels))
    if differing:
        yield f"{differing} voxels differ from the reading"
    if not all(counted[1:]):
        yield "a segment is empty"
    if bundle.reading is not None and list(counted[1:]) != [thing.voxels for thing in segmented(bundle.reading)]:
        yield "a segment has another number of voxels than the reading"


def _tracked(seg: Dataset) -> dict[int, tuple[str, str]]:
    return {
        int(item.SegmentNumber): (str(item.get("TrackingID")), str(item.get("TrackingUID")))
        for item in seg.SegmentSequence
        if int(item.SegmentNumber) != _BACKGROUND
    }


def _expected(reading: Reading, slice_index: int, shape: tuple[int, ...]) -> NDArray[np.unsignedinteger]:
    """Return the segment number of each voxel of a slice; voxels have one at most."""
    numbers = np.zeros(shape, np.uint16)
    for values, table in (
        (reading.labels, segment_numbers(reading)),
        (reading.instances, detection_segment_numbers(reading)),
    ):
        if values is not None and table:
            places = np.zeros(int(np.iinfo(values.dtype).max) + 1, np.uint16)
            places[list(table)] = list(table.values())
            numbers = np.maximum(numbers, places[values[slice_index]])
    return numbers
