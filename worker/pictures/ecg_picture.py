"""An ECG as a picture: the lead that was read with its marks, the others small, the numbers beside."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from models.findings import Mark
from models.interpreting.ecg import lead_name
from models.volume import Waveform
from worker.case.case import Case
from worker.pictures.picture_style import COLUMN_RIGHT, INK, PAPER

#: Rhythm is read on it, so it is drawn large where it is there and no other lead has the marks.
_RHYTHM_LEAD = "II"
_COLOURS = {"P": "#4f9dff", "QRS": "#ff5a5a", "T": "#5fd35f"}
_OTHER = "#c9a0ff"
_GRID = "#4a2f2f"
_SMALL_COLUMNS = 3
#: Small strips show the middle of this many seconds.
_SMALL_S = 4.0
_BIG_BOX_S = 0.2  # the large squares of ECG paper
_BIG_BOX_MV = 0.5


def draw_ecg(figure: Figure, waveform: Waveform, case: Case) -> None:
    """Draw the waveform and what was read into an empty figure."""
    names = [lead_name(channel) for channel in waveform.channels]
    marks = [mark for mark in case.reading.marks if mark.channel in names]
    wanted = marks[0].channel if marks else _RHYTHM_LEAD
    large = names.index(wanted) if wanted in names else 0
    others = [channel for channel in range(len(waveform.channels)) if channel != large]
    seconds = np.arange(waveform.array.shape[1]) / waveform.sampling_frequency_hz
    outer = figure.add_gridspec(
        2, 1, height_ratios=(1, 1.5), left=0.05, right=COLUMN_RIGHT - 0.01, top=0.93, bottom=0.05, hspace=0.18
    )
    axes = figure.add_subplot(outer[0])
    _strip(axes, seconds, waveform, large, linewidth=0.9)
    _mark(axes, [mark for mark in marks if mark.channel == wanted])
    axes.set_xlabel("s", color=INK, fontsize=8, labelpad=1)
    axes.set_ylabel("mV", color=INK, fontsize=8)
    rows = max(1, -(-len(others) // _SMALL_COLUMNS))
    inner = outer[1].subgridspec(rows, _SMALL_COLUMNS, wspace=0.06, hspace=0.12)
    middle = _middle(seconds)
    for place, channel in enumerate(others):
        small = figure.add_subplot(inner[place // _SMALL_COLUMNS, place % _SMALL_COLUMNS])
        _strip(small, seconds[middle], waveform, channel, linewidth=0.7, part=middle)
        small.set_xticklabels([])
        small.set_yticklabels([])


def _middle(seconds: NDArray[np.float64]) -> slice:
    shown = int(np.searchsorted(seconds, _SMALL_S))
    first = (seconds.size - shown) // 2
    return slice(first, first + shown)


def _strip(
    axes: Axes,
    seconds: NDArray[np.float64],
    waveform: Waveform,
    channel: int,
    *,
    linewidth: float,
    part: slice = slice(None),
) -> None:
    values = waveform.array[channel, part]
    axes.set_facecolor(PAPER)
    axes.plot(seconds, values, color=INK, linewidth=linewidth)
    if seconds.size:
        axes.set_xlim(seconds[0], seconds[-1])
        axes.set_xticks(np.arange(np.ceil(seconds[0] / _BIG_BOX_S) * _BIG_BOX_S, seconds[-1], _BIG_BOX_S), minor=True)
    low, high = axes.get_ylim()
    axes.set_yticks(np.arange(np.ceil(low / _BIG_BOX_MV) * _BIG_BOX_MV, high, _BIG_BOX_MV), minor=True)
    axes.grid(visible=True, which="minor", color=_GRID, linewidth=0.5)
    axes.tick_params(which="both", colors=INK, labelsize=7, length=0)
    for spine in axes.spines.values():
        spine.set_color(_GRID)
    axes.text(
        0.01,
        0.95,
        waveform.channels[channel],
        transform=axes.transAxes,
        va="top",
        color=INK,
        fontweight="bold",
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1},
    )


def _mark(axes: Axes, marks: Sequence[Mark]) -> None:
    kinds = list(dict.fromkeys(mark.kind for mark in marks))
    for mark in marks:
        axes.axvspan(mark.start_s, mark.end_s, color=_COLOURS.get(mark.kind, _OTHER), alpha=0.35, linewidth=0)
    if kinds:
        axes.legend(
            handles=[Line2D([], [], color=_COLOURS.get(kind, _OTHER), linewidth=6, alpha=0.6) for kind in kinds],
            labels=kinds, loc="upper right", ncols=len(kinds), frameon=False, labelcolor=INK, fontsize=8,
        )  # fmt: skip
