"""A picture of a reading for people: key slices with contours, or an ECG with its marks. No patient's data."""

from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from models.findings import Reading
from models.volume import Volume, Waveform
from worker.case import Case
from worker.ecg_picture import draw_ecg
from worker.finding_sentences import findings_of

_KEY_SLICES = 6
_COLUMNS = 3
_WINDOW_PERCENTILES = (1.0, 99.5)
#: Most of what a percentile needs, at a fraction of the sort.
_SAMPLED_VOXELS = 2_000_000
_LEGEND_LINES = 24
#: LPS: what grows along x, y, z, and what lies the other way (PS3.3 C.7.6.1.1.1).
_DIRECTIONS = (("L", "R"), ("P", "A"), ("H", "F"))
_OBLIQUE = 0.2
_INK = "#e8e8e8"
_PAPER = "#101010"


def render(case: Case) -> bytes:
    """Return the picture of a reading as PNG."""
    series = case.series
    figure = Figure(figsize=(13.5, 8.4), dpi=100, facecolor=_PAPER)
    if isinstance(series.source, Waveform):
        draw_ecg(figure, series.source, case)
    elif isinstance(series.source, Volume):
        _draw_volume(figure, series.source, case)
    figure.text(0.5, 0.985, banner(case), ha="center", va="top", fontsize=13, fontweight="bold", color="#ffb000")
    buffer = BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def banner(case: Case) -> str:
    """Return what is burnt into every picture."""
    card, words = case.provenance.card, case.words
    said = [words.say("RESEARCH")] if card.research else []
    return " \N{EN DASH} ".join((*said, words.say("AI, not verified"), f"{card.name} {card.version}"))


def key_slices(labels: NDArray[np.uint8]) -> list[int]:
    """Return up to six slices, in order, between which the labelled volume is shared equally: large areas, well apart.

    Without any label, the middle slice. `labels` is ``(slices, rows, columns)``.
    """
    areas = np.count_nonzero(labels, axis=(1, 2))
    if not areas.any():
        return [labels.shape[0] // 2]
    shares = (np.arange(_KEY_SLICES) + 0.5) / _KEY_SLICES * areas.sum()
    return sorted({int(k) for k in np.searchsorted(np.cumsum(areas), shares)})


def orientation_letters(volume: Volume) -> tuple[str, str, str, str]:
    """Return what lies to the left, right, top and bottom of a slice as it is shown, two letters where oblique."""
    along_column, along_row = volume.affine[:3, 1], volume.affine[:3, 2]
    return _letters(-along_row), _letters(along_row), _letters(-along_column), _letters(along_column)


def _letters(direction: NDArray[np.float64]) -> str:
    unit = direction / np.linalg.norm(direction)
    order = np.argsort(-np.abs(unit))[:2]
    return "".join(_DIRECTIONS[axis][0 if unit[axis] > 0 else 1] for axis in order if abs(unit[axis]) > _OBLIQUE)


def _draw_volume(figure: Figure, volume: Volume, case: Case) -> None:
    reading = case.reading
    labels = reading.labels if reading.labels is not None else np.zeros(volume.array.shape, np.uint8)
    chosen = key_slices(labels)
    low, high = _window(volume.array)
    columns = min(_COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    grid = figure.add_gridspec(rows, columns, left=0.01, right=0.70, top=0.93, bottom=0.02, wspace=0.03, hspace=0.06)
    _, row_mm, column_mm = volume.spacing_mm
    for place, k in enumerate(chosen):
        axes = figure.add_subplot(grid[place // columns, place % columns])
        axes.imshow(
            volume.array[k], cmap="gray", vmin=low, vmax=high, aspect=row_mm / column_mm, interpolation="nearest"
        )
        _outline(axes, labels[k], reading)
        _letter(axes, volume)
        axes.text(0.02, 0.02, f"{k + 1}/{labels.shape[0]}", transform=axes.transAxes, color=_INK, fontsize=8)
        axes.set_axis_off()
    _legend(figure, case)


def _window(array: NDArray[np.generic]) -> tuple[float, float]:
    values = np.asarray(array.reshape(-1)[:: max(1, array.size // _SAMPLED_VOXELS)], dtype=np.float64)
    low, high = (float(value) for value in np.percentile(values, _WINDOW_PERCENTILES))
    return low, max(high, low + 1e-6)


def _outline(axes: Axes, labels: NDArray[np.uint8], reading: Reading) -> None:
    for structure in reading.structures:
        mask = labels == structure.label.number
        if mask.any():
            # A frame of background lets a contour close at the edge of the image.
            padded = np.pad(mask, 1).astype(np.float32)
            rows, columns = (np.arange(-1, size + 1) for size in mask.shape)
            axes.contour(
                columns, rows, padded, levels=[0.5], colors=[_colour(structure.label.colour_rgb)], linewidths=1
            )
    axes.set_xlim(-0.5, labels.shape[1] - 0.5)
    axes.set_ylim(labels.shape[0] - 0.5, -0.5)


def _letter(axes: Axes, volume: Volume) -> None:
    places = (
        (0.01, 0.5, "left", "center"),
        (0.99, 0.5, "right", "center"),
        (0.5, 0.99, "center", "top"),
        (0.5, 0.01, "center", "bottom"),
    )
    for letters, (x, y, horizontal, vertical) in zip(orientation_letters(volume), places, strict=True):
        axes.text(
            x,
            y,
            letters,
            ha=horizontal,
            va=vertical,
            transform=axes.transAxes,
            color=_INK,
            fontsize=9,
            fontweight="bold",
        )


def _legend(figure: Figure, case: Case) -> None:
    reading, words = case.reading, case.words
    entries = [
        (
            f"{words.label(structure.label)}: {words.measured(structure.measurements[0])}",
            _colour(structure.label.colour_rgb),
        )
        for structure in reading.structures
    ]
    plain = [(words.say("not found: {name}", name=words.label(label)), _PAPER) for label in reading.missing]
    plain += [] if entries or plain else [(line, _PAPER) for line in findings_of(case)]
    shown = (entries + plain)[:_LEGEND_LINES]
    figure.legend(
        handles=[Line2D([], [], color=colour, linewidth=4) for _, colour in shown],
        labels=[text for text, _ in shown],
        loc="upper left", bbox_to_anchor=(0.71, 0.93), frameon=False, labelcolor=_INK, fontsize=9,
    )  # fmt: skip


def _colour(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    return rgb[0] / 255, rgb[1] / 255, rgb[2] / 255
