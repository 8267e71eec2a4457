"""What a segmentation of images without a place in patient space must say: pixels of images, no place."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from worker.gate.bundle import Bundle
from worker.gate.content_checks import source_frame

_PLACE = ("PlanePositionSequence", "PlaneOrientationSequence")


def planar_geometry(bundle: Bundle) -> Iterator[str]:
    """Segmentations lie pixel on pixel on the images that were read, and claim no place in space."""
    if bundle.sources.planes:
        return
    for seg in (*bundle.segmentations, *bundle.label_maps):
        shared = seg.SharedFunctionalGroupsSequence[0]
        frames = seg.PerFrameFunctionalGroupsSequence
        if "FrameOfReferenceUID" in seg or any(keyword in item for item in (shared, *frames) for keyword in _PLACE):
            yield "it says where in the patient it lies, and its source does not"
        yield from sorted({problem for frame in frames for problem in _frame_problems(bundle, seg, frame)})


def _frame_problems(bundle: Bundle, seg: Dataset, frame: Dataset) -> Iterator[str]:
    uid, number = source_frame(frame) or ("", 0)
    size = bundle.sources.sizes.get(uid)
    if size is None or number > size[2] or (number == 0 and size[2] > 1):
        yield "a frame is not derived from an image that was read"
        return
    if (int(seg.Rows), int(seg.Columns)) != size[:2]:
        yield "another number of rows or columns"
