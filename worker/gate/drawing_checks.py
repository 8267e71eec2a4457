"""What is drawn over images must be what was found: each line of the reading on its image, and no other.

In shape and place, as the receiver reads it: a well-formed line on another slice would lead to what is healthy.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from models.findings import Reading
from worker.gate.bundle import Bundle, children
from worker.gate.report_checks import is_drawn
from worker.objects.region_report import graphic_data
from worker.objects.segments import tracking_name
from worker.pictures.graphic_annotations import drawn_of
from worker.pictures.graphic_objects import graphic_points

_TRACKING_IDENTIFIER = ("112039", "DCM")
_IMAGE_REGION = ("111030", "DCM")

#: Name of a thing and slice, to the lines around it there.
_Lines = dict[tuple[str, int | None], list[NDArray[np.float32]]]


def drawn_regions(bundle: Bundle) -> Iterator[str]:
    """Each region of a report is the outline of its detection, on the image and the frame where that was outlined."""
    if bundle.reading is None or not bundle.sources.slice_of:
        return
    detections = {tracking_name(detection): detection for detection in bundle.reading.detections}
    for group in (group for groups in bundle.groups for group in groups if is_drawn(group)):
        (identifier,) = children(group, *_TRACKING_IDENTIFIER)
        detection = detections.get(str(identifier.TextValue))
        for region in children(group, *_IMAGE_REGION):
            image = region.ContentSequence[0].ReferencedSOPSequence[0]
            if detection is None or _slice_of(bundle, image) != detection.slice_index:
                yield "a region lies on another image or frame than what was found"
                continue
            rows, columns, _ = bundle.sources.sizes[str(image.ReferencedSOPInstanceUID)]
            if not np.array_equal(_points(region), graphic_data(detection, rows=rows, columns=columns)):
                yield "a region has another outline than what was found"


def drawn_graphics(bundle: Bundle) -> Iterator[str]:
    """The lines of a presentation state are those of the reading, each on the image and the frame where it belongs."""
    if bundle.reading is None or not bundle.sources.slice_of:
        return
    for made in bundle.objects:
        if made.get("SOPClassUID") == GrayscaleSoftcopyPresentationStateStorage:
            drawn, expected = _graphics(bundle, made), _expected(bundle, bundle.reading)
            if drawn.keys() != expected.keys():
                yield "it draws on another image or frame than where something was found, or not on each"
            elif not all(_same(lines, expected[place]) for place, lines in drawn.items()):
                yield "a line is another one than that around what was found"


def _slice_of(bundle: Bundle, image: Dataset) -> int | None:
    """Return the slice that a reference names; of an image with several frames it must name one."""
    return bundle.sources.slice_of.get(
        (str(image.ReferencedSOPInstanceUID), int(image.get("ReferencedFrameNumber") or 0))
    )


def _graphics(bundle: Bundle, made: Dataset) -> _Lines:
    found: _Lines = defaultdict(list)
    for annotation in made.GraphicAnnotationSequence:
        (image,) = annotation.ReferencedImageSequence
        place = _slice_of(bundle, image)
        for graphic in annotation.get("GraphicObjectSequence") or ():
            found[str(graphic.TrackingID), place].append(_points(graphic))
    return found


def _expected(bundle: Bundle, reading: Reading) -> _Lines:
    sizes = {place: bundle.sources.sizes[uid][:2] for (uid, _), place in bundle.sources.slice_of.items()}
    found: _Lines = defaultdict(list)
    for one in drawn_of(reading):
        rows, columns = sizes[one.slice_index]
        lines = found[tracking_name(one.thing), one.slice_index]
        lines += [graphic_points(line, rows=rows, columns=columns) for line in one.lines]
    return found


def _points(item: Dataset) -> NDArray[np.float32]:
    return np.reshape(np.asarray(item.GraphicData, np.float32), (-1, 2))


def _same(lines: list[NDArray[np.float32]], others: list[NDArray[np.float32]]) -> bool:
    return len(lines) == len(others) and all(map(np.array_equal, lines, others))
