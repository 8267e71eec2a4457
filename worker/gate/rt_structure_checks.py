"""What an RT Structure Set must say: each contour on its image, around as many voxels as the reading has there."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from models.findings import Detection, Reading, Structure
from worker.gate.bundle import Bundle, FrameKey
from worker.objects.rt_structure_set import outlined
from worker.objects.segments import Thing, tracking_name
from worker.series.slice_geometry import Plane

_SAME_MM = 1e-3
#: What coordinates in tenths of a micrometre change of an area.
_SAME_SHARE = 1e-3
#: A line of which every corner is cut off between two pixels encloses half a voxel less; a hole gives it back.
_CORNERS = 0.5


def rt_structures(bundle: Bundle) -> Iterator[str]:
    """ROIs are the things that were found, unapproved; contours lie on images that were read, around their voxels."""
    for made in bundle.rt_structure_sets:
        numbers = [int(item.ROINumber) for item in made.StructureSetROISequence]
        if (
            numbers != list(range(1, len(numbers) + 1))
            or numbers != [int(item.ReferencedROINumber) for item in made.ROIContourSequence]
            or numbers != [int(item.ReferencedROINumber) for item in made.RTROIObservationsSequence]
        ):
            yield "ROIs are not numbered from 1 without a gap, each with its contours and its observation"
        if made.get("ApprovalStatus") != "UNAPPROVED":
            yield "it claims to be approved"
        yield from _referenced_images(bundle, made)
        names = [str(item.ROIName) for item in made.StructureSetROISequence]
        things = outlined(bundle.reading) if bundle.reading is not None else ()
        if bundle.reading is not None and names != [tracking_name(thing) for thing in things]:
            yield "its ROIs are not what was found"
            continue
        voxels = _voxels(bundle.reading, things) if bundle.reading is not None else [None] * len(names)
        for roi, expected in zip(made.ROIContourSequence, voxels, strict=True):
            yield from _contours(bundle, roi, expected)


def _referenced_images(bundle: Bundle, made: Dataset) -> Iterator[str]:
    (frame_of_reference,) = made.ReferencedFrameOfReferenceSequence
    if str(frame_of_reference.FrameOfReferenceUID) != bundle.sources.frame_of_reference_uid:
        yield "another frame of reference"
    (series,) = frame_of_reference.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    listed = {_key(image) for image in series.ContourImageSequence}
    if not listed <= set(bundle.sources.planes):
        yield "lists an image that was not read"
    if bundle.sources.exact and listed != set(bundle.sources.slice_of):
        yield "does not list every image that was read"


def _key(image: Dataset) -> FrameKey:
    return str(image.ReferencedSOPInstanceUID), int(image.get("ReferencedFrameNumber") or 0)


def _voxels(reading: Reading, things: Sequence[Thing]) -> list[NDArray[np.int64] | None]:
    """Count the voxels of each thing on each slice; None for what has no mask. One pass, however many things."""
    counted = {}
    for kind, numbers in ((Structure, reading.labels), (Detection, reading.instances)):
        if numbers is not None:
            highest = int(numbers.max())
            counted[kind] = np.array([np.bincount(image.ravel(), minlength=highest + 1) for image in numbers])
    return [
        counted[type(thing)][:, thing.number if isinstance(thing, Detection) else thing.label.number]
        if thing.voxels
        else None
        for thing in things
    ]


def _contours(bundle: Bundle, roi: Dataset, voxels: NDArray[np.int64] | None) -> Iterator[str]:
    areas: dict[FrameKey, float] = defaultdict(float)
    corners: dict[FrameKey, float] = defaultdict(float)
    for contour in roi.ContourSequence:
        key = _key(contour.ContourImageSequence[0])
        plane = bundle.sources.planes.get(key)
        if plane is None or contour.ContourGeometricType != "CLOSED_PLANAR":
            yield "a contour is not a closed one on an image that was read"
            continue
        points = _points(contour)
        across, pixels = _in_plane(points, plane)
        if len(points) != int(contour.NumberOfContourPoints) or bool(np.any(np.abs(across) > _SAME_MM)):
            yield "a contour does not lie on its image"
        areas[key] += _area(pixels)
        # A hole repeats two points: where the channel leaves the outer line, and where it reaches the hole.
        repeated = len(points) - len(np.unique(points, axis=0))
        corners[key] += _CORNERS * (1 + repeated)
    if voxels is None:
        return
    for key, k in bundle.sources.slice_of.items():
        if abs(int(voxels[k]) - areas[key]) > corners[key] + _SAME_SHARE * int(voxels[k]):
            yield "the contours on a slice enclose another area than the reading has there"


def _points(contour: Dataset) -> NDArray[np.float64]:
    """Return the contour's points, from their bytes where nobody has made pydicom's objects of them yet."""
    numbers = contour.get_item("ContourData").value
    return np.array(numbers.split(b"\\") if isinstance(numbers, bytes) else numbers, np.float64).reshape(-1, 3)


def _in_plane(points: NDArray[np.float64], plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distance of points from a plane in mm, and where they lie in it as column and row."""
    directions = np.array(plane.orientation).reshape(2, 3)
    apart = points - np.array(plane.position_mm)
    row_mm, column_mm = plane.spacing_mm
    return apart @ np.cross(*directions), apart @ directions.T / (column_mm, row_mm)


def _area(pixels: NDArray[np.float64]) -> float:
    """Return the area of a polygon by Gauss's formula; a channel without width has none."""
    following = np.roll(pixels, -1, axis=0)
    return abs(float(np.sum(pixels[:, 0] * following[:, 1] - following[:, 0] * pixels[:, 1]))) / 2
