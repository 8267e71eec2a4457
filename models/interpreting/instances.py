"""From a mask to things that are counted: each connected part is a detection with its diameters and its outline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from scipy import ndimage

from models.card.card_parts import DECIDING_DIGITS, Concept, Label
from models.errors import ImplausibleResult
from models.findings import Detection, Measurement
from models.interpreting.diameters import length_mm, long_axis, short_axis_mm
from models.interpreting.line_thinning import corners, simplified
from models.volume import Volume

DIAMETER = Concept(value="81827009", scheme="SCT", meaning="Diameter")
SHORT_AXIS = Concept(value="103340004", scheme="SCT", meaning="Short Axis")
RECIST = Concept(value="126081", scheme="DCM", meaning="RECIST 1.1")
MEAN = Concept(value="373098007", scheme="SCT", meaning="Mean")
DEVIATION = Concept(value="386136009", scheme="SCT", meaning="Standard Deviation")
VOLUME = Concept(value="118565006", scheme="SCT", meaning="Volume")
CERTAINTY = Concept(value="111012", scheme="DCM", meaning="Certainty of Finding")
MILLIMETRE = Concept(value="mm", scheme="UCUM", meaning="millimeter")
MILLILITRE = Concept(value="ml", scheme="UCUM", meaning="milliliter")
PERCENT = Concept(value="%", scheme="UCUM", meaning="Percent")

#: As many numbers as two bytes hold, 0 for nothing; segments (PS3.3 C.8.20.4) have no more.
_MOST = 65535
#: A slice along each axis of the source grid.
_Box = Any
_TOUCHING = np.ones((3, 3, 3), dtype=bool)
#: How far what is drawn may lie from the mask's edge. Half of it on each side is nothing of a large thing, but would be
#: a tenth of a small one; a thinning to so many points would cut off a jagged thing's tips.
_OFF_BY_PIXELS = 0.25
#: Halfway between the centres of the last pixel inside and the first outside, the pixel's edge, but for so little that
#: one line goes around pixels that touch at a corner, as one part has them; at the edge itself each would have its own.
_JUST_OUTSIDE = 0.5 - 1e-9


def take_instances(
    labels: NDArray[np.uint8], wanted: Sequence[Label], source: Volume, probability: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.uint16], tuple[Detection, ...]]:
    """Move the parts of these labels out of the label map and return them as numbered things, the largest first.

    Parts that touch at a corner are one. A part smaller than its label's `smallest_mm` across is dropped.

    Args:
        labels: uint8 on the source grid; the voxels of `wanted` become 0.
        wanted: Labels whose parts are things of their own.
        source: What was read.
        probability: float32 like `labels`, 0 to 1, where the network gives one; its mean over a part is the certainty.

    Returns the map of numbers, like `labels`, and the detections. Raises ImplausibleResult where there are more than
    have a number.
    """
    instances = np.zeros(labels.shape, np.uint16)
    found = []
    for label in wanted:
        mask = labels == label.number
        labels[mask] = 0
        found += [(part, box, label) for part, box in _parts(mask)]
    if len(found) > _MOST:
        raise ImplausibleResult(
            f"the result is not sent: {len(found)} separate things were found, and at most {_MOST} can be told apart; "
            "look at the source images, or let the card drop small ones (smallest_ml)"
        )
    measured = [
        (part, box, label, *widest(part, box, source.spacing_mm[1], source.spacing_mm[2])) for part, box, label in found
    ]
    kept = [entry for entry in measured if round(entry[4], DECIDING_DIGITS) >= entry[2].smallest_mm]
    kept.sort(key=lambda entry: -int(entry[0].sum()))
    detections = []
    for number, (part, box, label, slice_index, long_mm, short_mm) in enumerate(kept, start=1):
        instances[box][part] = number
        numbers = [
            Measurement(name=DIAMETER, value=long_mm, unit=MILLIMETRE),
            short_axis_of(short_mm),
            Measurement(name=VOLUME, value=int(part.sum()) * source.voxel_ml, unit=MILLILITRE),
        ]
        if probability is not None:
            mean = float(probability[box][part].mean(dtype=np.float64))
            numbers.append(Measurement(name=CERTAINTY, value=100.0 * mean, unit=PERCENT))
        outline = _outline(part[slice_index - box[0].start], source.spacing_mm[1], source.spacing_mm[2])
        detections.append(
            Detection(
                number=number,
                label=label,
                slice_index=slice_index,
                outline=tuple((float(r + box[1].start), float(c + box[2].start)) for r, c in outline),
                measurements=tuple(numbers),
                voxels=int(part.sum()),
                laterality=label.laterality,
                cut=_is_cut(box, labels.shape),
            )
        )
    return instances, tuple(detections)


def short_axis_of(short_mm: float) -> Measurement:
    """Return the short axis by name and method.

    It says how it was measured: earlier reports that do not say it tell how far a thing reaches across its longest
    diameter, which is more, and a comparison would take the difference for a change.
    """
    return Measurement(name=SHORT_AXIS, value=short_mm, unit=MILLIMETRE, method=RECIST)


def _is_cut(box: _Box, shape: tuple[int, ...]) -> bool:
    return any(size > 1 and (side.start == 0 or side.stop == size) for side, size in zip(box, shape, strict=True))


def axes_mm(mask: NDArray[np.bool_], row_mm: float, column_mm: float) -> tuple[float, float]:
    """Return the longest diameter of a mask ``(rows, columns)`` and the longest perpendicular to it inside, in mm.

    Measured between the outer edges of pixels along its outline, as a reader measures in plane (RECIST 1.1). Of a mask
    in several parts it is that of one of them: an axis from one to another would run through what is healthy.
    """
    widest_part = _widest_in_plane(mask, row_mm, column_mm)
    return length_mm(widest_part.ends), short_axis_mm(widest_part.line, widest_part.ends)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Widest:
    """The connected part of a mask that has the longest diameter.

    Attributes:
        part: Like the mask.
        line: The closed line around it, row and column in mm.
        ends: Of its longest diameter, on that line.
    """

    part: NDArray[np.bool_]
    line: NDArray[np.float64]
    ends: NDArray[np.float64]


def _widest_in_plane(mask: NDArray[np.bool_], row_mm: float, column_mm: float) -> _Widest:
    numbered, _ = ndimage.label(mask, structure=_TOUCHING[0])
    boxes = ndimage.find_objects(numbered)
    # Noise has thousands of parts in a slice: those that cannot have the longest diameter are never cut out.
    reaches = [
        float(np.hypot((rows.stop - rows.start) * row_mm, (cols.stop - cols.start) * column_mm)) for rows, cols in boxes
    ]
    best, longest = 0, -1.0
    line = ends = np.empty((0, 2))
    for number in sorted(range(1, len(boxes) + 1), key=lambda number: -reaches[number - 1]):
        if reaches[number - 1] < longest:
            break
        around = _line_around(numbered[boxes[number - 1]] == number) * (row_mm, column_mm)
        across = long_axis(around)
        if length_mm(across) > longest:
            best, longest, line, ends = number, length_mm(across), around, across
    return _Widest(part=numbered == best, line=line, ends=ends)


def _parts(mask: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], _Box]]:
    numbered, _ = ndimage.label(mask, structure=_TOUCHING)
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        yield numbered[box] == number, box


def widest(part: NDArray[np.bool_], box: _Box, row_mm: float, column_mm: float) -> tuple[int, float, float]:
    """Return the slice on which a part has its longest diameter, and its two axes there."""
    areas = part.sum(axis=(1, 2))
    # No diameter is longer than the diagonal of its slice's box: most slices of a long vessel need not be measured.
    longest = {int(k): _diagonal_mm(part[k], row_mm, column_mm) for k in np.flatnonzero(areas)}
    found: dict[int, float] = {}
    for k in sorted(longest, key=lambda k: -longest[k]):
        if found and longest[k] < max(found.values()):
            break
        found[k] = length_mm(_widest_in_plane(part[k], row_mm, column_mm).ends)
    best = max(found, key=lambda k: (found[k], areas[k], -k))
    return best + int(box[0].start), *axes_mm(part[best], row_mm, column_mm)


def _outline(mask: NDArray[np.bool_], row_mm: float, column_mm: float) -> NDArray[np.float64]:
    """Return the closed line around the part that was measured, ``(points, 2)`` as row and column.

    The first point is not repeated.
    """
    line = _line_around(_widest_in_plane(mask, row_mm, column_mm).part)
    (drawn,) = simplified([np.vstack([line, line[:1]])], _OFF_BY_PIXELS)
    return drawn[:-1]


def _line_around(part: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the corners of the closed line around a connected part, not those of its holes, as row and column."""
    padded = np.pad(part, 1).astype(np.float64)
    lines = [np.asarray(line, np.float64)[:-1, ::-1] for line in contour_generator(z=padded).lines(_JUST_OUTSIDE)]
    around = max(lines, key=lambda line: float(np.ptp(line, axis=0).sum()))
    (line,) = corners([np.rint(2 * np.vstack([around, around[:1]])) / 2 - 1.0])
    return line[:-1]


def _diagonal_mm(mask: NDArray[np.bool_], row_mm: float, column_mm: float) -> float:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return float(np.hypot((rows[-1] - rows[0] + 1) * row_mm, (columns[-1] - columns[0] + 1) * column_mm))
