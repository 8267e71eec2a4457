"""Which slices of a reading are worth looking at, and how they are shown: window, scale, orientation. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.findings import HeatMap, Reading
from models.volume import Image, Volume

_MOST = 6
_WINDOW_PERCENTILES = (1.0, 99.8)
#: Most of what a percentile needs, at a fraction of the sort.
_SAMPLED_VOXELS = 2_000_000
#: LPS: what grows along x, y, z, and what lies the other way (PS3.3 C.7.6.1.1.1).
_DIRECTIONS = (("L", "R"), ("P", "A"), ("H", "F"))
_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"}
_OBLIQUE = 0.2
#: What is darker than this share of the window, nearly everywhere in a row or column, is air around the patient.
_AIR = 0.1
_NEARLY_ALL = 0.02
_AROUND = 0.04


#: What lies to the left, right, top and bottom of an image.
Letters = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """The images of a source as they are shown.

    Attributes:
        array: ``(slices, rows, columns)``.
        row_mm: Distance between rows; None where the source does not say.
        column_mm: Distance between columns.
        aspects: Height of a pixel in widths, of each image, or once where it is the same in all.
        letters: What lies to the left, right, top and bottom, empty where it is not known: of each image, or once where
            it is the same in all.
        window: Values that are black and white.
        whole: Whether all of an image is shown.
    """

    array: NDArray[np.generic]
    row_mm: float | None
    column_mm: float | None
    aspects: tuple[float, ...]
    letters: tuple[Letters, ...]
    window: tuple[float, float]
    whole: bool

    def aspect_of(self, index: int) -> float:
        """Return the height of an image's pixel in widths."""
        return self.aspects[index if len(self.aspects) > 1 else 0]

    def letters_on(self, index: int) -> Letters:
        """Return the letters of an image."""
        return self.letters[index if len(self.letters) > 1 else 0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """One image of a picture.

    Attributes:
        slice_index: Which slice or frame of the source.
        heat_map: What lies over it; None where it is outlined what was found.
    """

    slice_index: int
    heat_map: HeatMap | None = None


def view_of(source: Volume | Image, datasets: Sequence[Any]) -> View:
    """Return how a source is shown; `datasets` are its images in its order, or the one that has all frames."""
    head = datasets[0]
    if isinstance(source, Volume):
        _, row_mm, column_mm = source.spacing_mm
        return View(
            array=source.array,
            row_mm=row_mm,
            column_mm=column_mm,
            aspects=(row_mm / column_mm,),
            letters=(orientation_letters(source),),
            window=window_of(source.array, head),
            whole=False,
        )
    row_mm_, column_mm_ = source.spacing_mm or (None, None)
    return View(
        array=source.array,
        row_mm=row_mm_,
        column_mm=column_mm_,
        aspects=tuple(map(source.pixel_aspect, range(len(source.array)))),
        # The views of an X-ray series differ: a lateral one has no left and right.
        letters=tuple(map(_stated_letters, datasets)),
        window=window_of(source.array, head),
        whole=True,
    )


def key_slices(reading: Reading, slices: int) -> list[int]:
    """Return the slices of the `tiles` of a reading, in order."""
    return sorted({tile.slice_index for tile in tiles(reading, slices)})


def tiles(reading: Reading, slices: int) -> list[Tile]:
    """Return what a picture shows: up to six slices with outlines, and up to six heat maps.

    The slices are those of the largest detections, else where the structures are: their volume is shared equally
    between them, so they have large areas and lie well apart. A heat map is shown where it is hottest. With nothing
    found and nothing hot it is the middle slice.
    """
    hot = [Tile(slice_index=_hottest(heat.array), heat_map=heat) for heat in reading.heat_maps if heat.array.any()]
    # Each alone on its slice: two that lie over each other, or over outlines, can't be told apart.
    shown = [Tile(slice_index=k) for k in _of_detections(reading) or _of_structures(reading)] + hot[:_MOST]
    return shown or [Tile(slice_index=slices // 2)]


def _of_detections(reading: Reading) -> list[int]:
    largest = sorted(reading.detections, key=lambda one: -one.measurements[0].value if one.measurements else 0.0)
    return sorted({one.slice_index for one in largest[:_MOST]})


def _of_structures(reading: Reading) -> list[int]:
    # Plane by plane: along axes numpy counts in a copy of eight bytes a voxel.
    areas = np.array([] if reading.labels is None else [np.count_nonzero(plane) for plane in reading.labels])
    if not areas.any():
        return []
    shares = (np.arange(_MOST) + 0.5) / _MOST * areas.sum()
    return sorted({int(k) for k in np.searchsorted(np.cumsum(areas), shares)})


def _hottest(heat: NDArray[np.float32]) -> int:
    return int(np.argmax(heat.max(axis=(1, 2))))


def shown_part(view: View, reading: Reading, chosen: list[int]) -> tuple[int, int, int, int]:
    """Return the first and last row, and the first and last column, between which these slices are worth showing.

    All of an image without a place in space, since what lies at the edge of an X-ray may be what was looked for; else
    without the air around the patient. What was found is never cut off.
    """
    _, rows, columns = view.array.shape
    if view.whole:
        return 0, rows - 1, 0, columns - 1
    low, high = view.window
    bright = np.asarray(view.array[chosen], dtype=np.float32) > low + _AIR * (high - low)
    found = np.zeros((rows, columns), bool)
    for numbers in (reading.labels, reading.instances):
        if numbers is not None:
            found |= np.any(numbers[chosen], axis=0)
    for detection in reading.detections:
        for row, column in detection.outline:
            found[min(max(round(row), 0), rows - 1), min(max(round(column), 0), columns - 1)] = True
    limits: list[int] = []
    for other, length in ((2, rows), (1, columns)):
        share = bright.mean(axis=other).max(axis=0)
        worth = np.flatnonzero((share > _NEARLY_ALL) | found.any(axis=other - 1))
        first, last = (int(worth[0]), int(worth[-1])) if worth.size else (0, length - 1)
        margin = round(_AROUND * (last - first + 1))
        limits += [max(first - margin, 0), min(last + margin, length - 1)]
    return limits[0], limits[1], limits[2], limits[3]


def window_of(array: NDArray[np.generic], head: Any) -> tuple[float, float]:
    """Return the values that are black and white: the source's own window (PS3.3 C.11.2), else nearly all values."""
    centre, width = (_first_number(head.get(keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    # MR windows are often stale; a CT's are in Hounsfield units and mean something.
    if head.get("Modality") == "CT" and centre is not None and width is not None and width > 1:
        return centre - width / 2, centre + width / 2
    values = np.asarray(array.reshape(-1)[:: max(1, array.size // _SAMPLED_VOXELS)], dtype=np.float64)
    low, high = (float(value) for value in np.percentile(values, _WINDOW_PERCENTILES))
    return low, max(high, low + 1e-6)


def orientation_letters(volume: Volume) -> Letters:
    """Return what lies to the left, right, top and bottom of a slice as it is shown, two letters where oblique."""
    along_column, along_row = volume.affine[:3, 1], volume.affine[:3, 2]
    return _letters(-along_row), _letters(along_row), _letters(-along_column), _letters(along_column)


def columns_of(images: int, height_per_width: float, room_height_per_width: float) -> int:
    """Return in how many columns that many images of one shape are largest in a room of another shape."""

    def width(columns: int) -> float:
        rows = -(-images // columns)
        return min(1.0 / columns, room_height_per_width / rows / height_per_width)

    return max(range(1, images + 1), key=width)


def scale_bar_mm(width_mm: float) -> float:
    """Return the length of a bar that is about a quarter of the width: 1, 2 or 5 times a power of ten."""
    wanted = width_mm / 4
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(power * max(step for step in (1, 2, 5) if step * power <= wanted))


def _letters(direction: NDArray[np.float64]) -> str:
    unit = direction / np.linalg.norm(direction)
    order = np.argsort(-np.abs(unit))[:2]
    return "".join(_DIRECTIONS[axis][0 if unit[axis] > 0 else 1] for axis in order if abs(unit[axis]) > _OBLIQUE)


def _stated_letters(head: Any) -> Letters:
    """Return the letters of Patient Orientation (0020,0020): where rows and columns run to."""
    stated = head.get("PatientOrientation") or ()
    if isinstance(stated, str) or len(stated) != 2 or not all(set(str(word)) <= _OPPOSITE.keys() for word in stated):  # noqa: PLR2004
        return "", "", "", ""
    right, bottom = (str(word) for word in stated)
    left, top = ("".join(_OPPOSITE[letter] for letter in word) for word in (right, bottom))
    return left, right, top, bottom


def _first_number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value if isinstance(value, str | int | float) or not hasattr(value, "__len__") else value[0])
    except (TypeError, ValueError, IndexError):
        return None
