"""Key slices as a picture: the image in its window, outlines in the segments' colours, letters and a scale."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from models.findings import Reading
from models.volume import Image, Volume
from worker.case.case import Case
from worker.case.images_read import image_number
from worker.objects.key_slices import Letters, Tile, View, columns_of, scale_bar_mm, shown_part, tiles, view_of
from worker.pictures.mask_outlines import outlines
from worker.pictures.picture_style import COLUMN_RIGHT, INK, PAPER, colour_of

#: Of what is left of the words, with the margins of the grid.
_ROOM_HEIGHT_PER_WIDTH = 0.91 * 8.4 / (0.69 * 13.5)
#: Words stay legible on bone and fat.
_ON_ANY = [withStroke(linewidth=2, foreground=PAPER)]
_BAR_ON_ANY = [withStroke(linewidth=4, foreground=PAPER)]
_HEAT_FROM = 0.1
#: A number has no place above what lies so near the upper edge, as a share of the height.
_NEAR_TOP = 0.06


def draw_slices(figure: Figure, source: Volume | Image, case: Case) -> None:
    """Draw the key slices of a reading into the left part of an empty figure."""
    view, reading = view_of(source, case.series.datasets), case.reading
    shown = tiles(reading, view.array.shape[0])
    top, bottom, left, right = part = shown_part(view, reading, sorted({tile.slice_index for tile in shown}))
    highest = max(view.aspect_of(tile.slice_index) for tile in shown)
    columns = columns_of(len(shown), (bottom - top + 1) * highest / (right - left + 1), _ROOM_HEIGHT_PER_WIDTH)
    rows = -(-len(shown) // columns)
    grid = figure.add_gridspec(
        rows, columns, left=0.01, right=COLUMN_RIGHT - 0.01, top=0.93, bottom=0.02, wspace=0.03, hspace=0.05
    )
    for place, tile in enumerate(shown):
        k = tile.slice_index
        axes = figure.add_subplot(grid[place // columns, place % columns])
        low, high = view.window
        axes.imshow(view.array[k], cmap="gray", vmin=low, vmax=high, aspect=view.aspect_of(k), interpolation="nearest")
        if tile.heat_map is None:
            _overlay(axes, reading, k)
        else:
            _heat(axes, tile.heat_map.array[k])
        _letter(axes, view.letters_on(k))
        if place == 0:  # all have the same scale
            _scale(axes, view, part)
        axes.text(0.02, 0.02, _told(case, tile), transform=axes.transAxes, color=INK, fontsize=8, path_effects=_ON_ANY)
        axes.set_xlim(left - 0.5, right + 0.5)
        axes.set_ylim(bottom + 0.5, top - 0.5)
        axes.set_axis_off()


def _told(case: Case, tile: Tile) -> str:
    image = f"{image_number(case, tile.slice_index)}"
    if tile.heat_map is None:
        return case.words.say("image {image}", image=image)
    return case.words.say("image {image}, heat map: {name}", image=image, name=case.words.concept(tile.heat_map.name))


def _heat(axes: Axes, heat: NDArray[np.float32]) -> None:
    shown = np.ma.masked_less(heat, _HEAT_FROM)
    axes.imshow(shown, cmap="inferno", vmin=0, vmax=1, alpha=0.45, aspect=axes.get_aspect(), interpolation="bilinear")


def _overlay(axes: Axes, reading: Reading, k: int) -> None:
    if reading.labels is not None:
        for structure in reading.structures:
            _outline(axes, reading.labels[k] == structure.label.number, colour_of(structure.label.colour_rgb))
    for detection in reading.detections:
        if detection.slice_index != k:
            if reading.instances is not None:
                _outline(axes, reading.instances[k] == detection.number, colour_of(detection.label.colour_rgb))
            continue
        rows, columns = (list(values) for values in zip(*detection.outline, detection.outline[0], strict=True))
        axes.plot(columns, rows, color=colour_of(detection.label.colour_rgb), linewidth=1.2)
        above = min(rows) > _NEAR_TOP * max(axes.get_ylim())
        axes.annotate(
            str(detection.number),
            (max(columns), min(rows) if above else max(rows)),
            xytext=(3, 3 if above else -12),
            textcoords="offset points",
            color=colour_of(detection.label.colour_rgb),
            fontsize=11,
            fontweight="bold",
            path_effects=_ON_ANY,
        )


def _outline(axes: Axes, mask: NDArray[np.bool_], colour: tuple[float, float, float]) -> None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return
    # Only the part that holds the mask.
    corner = np.array((columns[0], rows[0]))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    lines = [line[:, ::-1] + corner for line in outlines(part)]
    axes.add_collection(LineCollection(lines, colors=[colour], linewidths=1), autolim=False)


def _letter(axes: Axes, letters: Letters) -> None:
    places = (
        (0.01, 0.5, "left", "center"),
        (0.99, 0.5, "right", "center"),
        (0.5, 0.99, "center", "top"),
        (0.5, 0.01, "center", "bottom"),
    )
    for told, (x, y, horizontal, vertical) in zip(letters, places, strict=True):
        axes.text(
            x, y, told,
            ha=horizontal, va=vertical, transform=axes.transAxes, color=INK, fontsize=9, fontweight="bold",
            path_effects=_ON_ANY,
        )  # fmt: skip


def _scale(axes: Axes, view: View, part: tuple[int, int, int, int]) -> None:
    """Draw a bar of known length, where the source says how large its pixels are."""
    if view.column_mm is None or view.row_mm is None:
        return
    top, bottom, left, right = part
    columns, rows = right - left + 1, bottom - top + 1
    length_mm = scale_bar_mm(columns * view.column_mm)
    width = length_mm / view.column_mm
    x, y = left + columns * 0.97 - width, top + rows * 0.965
    axes.plot([x, x + width], [y, y], color=INK, linewidth=2, solid_capstyle="butt", path_effects=_BAR_ON_ANY)
    told = f"{length_mm / 10:g} cm" if length_mm >= 10 else f"{length_mm:g} mm"  # noqa: PLR2004  # a centimetre
    axes.text(
        x + width / 2, y - rows * 0.012, told, color=INK, fontsize=8, ha="center", va="bottom", path_effects=_ON_ANY
    )
