"""A picture of a reading for people: key slices or an ECG on the left, what was found in words on the right.

No patient's data is written into it; what is burnt into the pixels of an image that it shows is in the picture too.
"""

from io import BytesIO
from weakref import WeakKeyDictionary

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image as Pillow

from models.volume import Waveform
from worker.case.case import Case
from worker.case.finding_sentences import caveats_of, findings_of, summary_of
from worker.case.foremost_words import foremost_sentences
from worker.case.line_breaking import lines_of
from worker.case.picture_words import banner
from worker.pictures.ecg_picture import draw_ecg
from worker.pictures.picture_style import COLUMN_RIGHT, INK, PAPER, WARNING, colour_of, for_pictures
from worker.pictures.slice_picture import draw_slices

_Colour = tuple[float, float, float]

_INCHES = (13.5, 8.4)
_DPI = 100
_COLUMNS_A_LINE = 46
#: Lines of numbers that fit beside the pictures, in a large and in a small font.
_MOST_LARGE, _MOST_SMALL = 20, 40
_LARGE, _SMALL = 9.5, 7.5
#: Below the banner; and how far down a line of what comes first, and of the summary, takes what follows.
_TOP, _FOREMOST_LINE, _SUMMARY_LINE = 0.93, 0.027, 0.03
#: Lines of numbers for which a line of what comes first takes the room.
_SMALL_A_LINE = 1.5
_PNG_LEVEL = 3
#: Of cases that are still told of: the page shows the picture that is the Secondary Capture.
_DRAWN: WeakKeyDictionary[Case, NDArray[np.uint8]] = WeakKeyDictionary()


def render(case: Case) -> bytes:
    """Return the picture of a reading as PNG."""
    buffer = BytesIO()
    # zlib's default level takes twice as long, for as many bytes.
    Pillow.fromarray(pixels_of(case)).save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def pixels_of(case: Case) -> NDArray[np.uint8]:
    """Return the picture of a reading, ``(rows, columns, 3)``, not to be written to: it is drawn once a case."""
    if case not in _DRAWN:
        _DRAWN[case] = drawn(case)
        _DRAWN[case].flags.writeable = False
    return _DRAWN[case]


def drawn(case: Case, *, words: bool = True) -> NDArray[np.uint8]:
    """Draw the picture of a reading; without words beside it, it is narrower."""
    case, fonts = for_pictures(case)
    with mpl.rc_context({"font.family": fonts, "text.parse_math": False}):  # dollars are dollars
        figure = Figure(figsize=_INCHES, dpi=_DPI, facecolor=PAPER)
        if isinstance(case.series.source, Waveform):
            draw_ecg(figure, case.series.source, case)
        else:
            draw_slices(figure, case.series.source, case)
        width = 1.0 if words else COLUMN_RIGHT
        figure.text(
            width / 2, 0.985, banner(case), ha="center", va="top", fontsize=13, fontweight="bold", color=WARNING
        )
        if words:
            _write_beside(figure, case)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())
        return pixels[:, : round(width * pixels.shape[1]), :3].copy()


def _write_beside(figure: Figure, case: Case) -> None:
    """Write what comes first, the summary, the numbers in the colours of what they measure, and what to beware of."""
    foremost = [line for sentence in foremost_sentences(case) for line in lines_of(sentence, _COLUMNS_A_LINE - 2)]
    figure.text(COLUMN_RIGHT, _TOP, "\n".join(foremost), color=WARNING, fontsize=10, va="top", linespacing=1.3)
    top = _TOP - _FOREMOST_LINE * len(foremost)
    summary = lines_of(summary_of(case), _COLUMNS_A_LINE - 4)
    figure.text(
        COLUMN_RIGHT, top, "\n".join(summary), color=INK, fontsize=11, fontweight="bold", va="top", linespacing=1.3
    )
    entries = [(line, colour) for sentence, colour in _numbers(case) for line, colour in _broken(sentence, colour)]
    most_large, most_small = (
        max(1, most - round(_SMALL_A_LINE * len(foremost))) for most in (_MOST_LARGE, _MOST_SMALL)
    )
    if len(entries) > most_small:
        left_out = len(entries) - most_small + 1
        entries = [*entries[: most_small - 1], (case.words.say("and {count} more", count=left_out), None)]
    beware = [line for caveat in caveats_of(case) for line in lines_of(caveat, _COLUMNS_A_LINE)]
    figure.text(COLUMN_RIGHT, 0.02, "\n".join(beware), color=WARNING, fontsize=9, va="bottom", linespacing=1.3)
    if not entries:
        return
    figure.legend(
        handles=[Line2D([], [], color=colour or PAPER, linewidth=4) for _, colour in entries],
        labels=[line for line, _ in entries],
        loc="upper left", bbox_to_anchor=(COLUMN_RIGHT - 0.005, top - _SUMMARY_LINE * len(summary)), frameon=False,
        labelcolor=INK, fontsize=_LARGE if len(entries) <= most_large else _SMALL, handlelength=1.4,
    )  # fmt: skip


def _numbers(case: Case) -> list[tuple[str, _Colour | None]]:
    """Return what was found with the colour in which it is drawn, in the order of the text report."""
    reading = case.reading
    plain = len(reading.findings) + len(reading.measurements)
    labels = [detection.label for detection in reading.detections]
    labels += [structure.label for structure in reading.structures]
    sentences = findings_of(case)
    colours: list[_Colour | None] = [None] * len(sentences)
    colours[plain : plain + len(labels)] = [colour_of(label.colour_rgb) for label in labels]
    return list(zip(sentences, colours, strict=True))


def _broken(sentence: str, colour: _Colour | None) -> list[tuple[str, _Colour | None]]:
    first, *rest = lines_of(sentence, _COLUMNS_A_LINE)
    return [(first, colour), *((line, None) for line in rest)]
