"""A picture of a reading for people: key slices or an ECG on the left, what was found in words on the right.

No patient's data is written into it; what is burnt into the pixels of an image that it shows is in the picture too.
"""

from io import BytesIO
from weakref import WeakKeyDictionary

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image as Pillow

from models.volume import Waveform
from worker.case.case import Case
from worker.case.picture_words import banner
from worker.pictures.ecg_picture import draw_ecg
from worker.pictures.picture_style import COLUMN_RIGHT, PAPER, WARNING, for_pictures
from worker.pictures.slice_picture import draw_slices
from worker.pictures.words_beside import write_beside

_INCHES = (13.5, 8.4)
_DPI = 100
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
        canvas = FigureCanvasAgg(figure)
        if words:
            write_beside(figure, canvas, case)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())
        return pixels[:, : round(width * pixels.shape[1]), :3].copy()
