"""The words beside a picture: what comes first, the summary, the numbers, what to beware of; none over another.

All of it is measured as it is drawn. What must be read is set smaller until it fits; numbers alone are left out, and
counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from worker.case.case import Case
from worker.case.finding_sentences import caveats_of, found_of, missing_in_one, summary_of
from worker.case.foremost_words import foremost_sentences
from worker.case.images_read import warnings_of
from worker.case.line_breaking import lines_of
from worker.pictures.picture_style import COLUMN_RIGHT, INK, PAPER, WARNING, colour_of

_Colour = tuple[float, float, float]
_Entry = tuple[str, _Colour | None]


class _Font(NamedTuple):
    """A font of the numbers, and how many columns of it a line has."""

    size: float
    columns: int


_COLUMNS_A_LINE = 46
#: As many of the widest letters as fit in the largest font.
_FEWEST_COLUMNS = 20
_LARGE, _SMALL = _Font(size=9.5, columns=46), _Font(size=7.5, columns=58)
#: Below the banner; above the lower edge; between two parts; as shares of the height.
_TOP, _BOTTOM, _GAP = 0.93, 0.02, 0.012
#: How much smaller what must be read may be set, the largest first.
_SCALES = (1.0, 0.85, 0.72, 0.62, 0.54, 0.46)
#: Room that numbers have in any case, as a share of the height: some lines of the small font.
_FOR_NUMBERS = 0.08


@dataclass(frozen=True, kw_only=True)
class _Must:
    """What must be read, as it is set: above the numbers and below them.

    Attributes:
        artists: All of it.
        top: Where the part above the numbers ends, as a share of the height.
        bottom: Where the part below them begins.
    """

    artists: tuple[Artist, ...]
    top: float
    bottom: float


def write_beside(figure: Figure, canvas: FigureCanvasAgg, case: Case) -> None:
    """Write what comes first, the summary, the numbers in the colours of what they measure, and what to beware of."""
    numbers = _numbers(case)
    room = _FOR_NUMBERS if numbers else 0.0
    must = _set(figure, canvas, case, _SCALES[0])
    for scale in _SCALES[1:]:
        if must.top - must.bottom >= room:
            break
        for artist in must.artists:
            artist.remove()
        must = _set(figure, canvas, case, scale)
    if numbers:
        _list(figure, canvas, case, numbers, must)


def _set(figure: Figure, canvas: FigureCanvasAgg, case: Case, scale: float) -> _Must:
    columns = round(_COLUMNS_A_LINE / scale)
    artists: list[Artist] = []
    top = _TOP
    parts: tuple[tuple[tuple[str, ...], int, dict[str, Any]], ...] = (
        (foremost_sentences(case), columns - 2, {"color": WARNING, "fontsize": 10 * scale}),
        ((summary_of(case),), columns - 4, {"color": INK, "fontsize": 11 * scale, "fontweight": "bold"}),
    )
    for sentences, most, style in parts:
        if sentences:
            text = _written(figure, canvas, sentences, most, y=top, va="top", **style)
            top = _extent(figure, canvas, text)[0] - _GAP
            artists.append(text)
    text = _written(figure, canvas, _beware(case), columns, y=_BOTTOM, va="bottom", color=WARNING, fontsize=9 * scale)
    return _Must(artists=(*artists, text), top=top, bottom=_extent(figure, canvas, text)[1] + _GAP)


def _written(
    figure: Figure, canvas: FigureCanvasAgg, sentences: Sequence[str], most: int, *, y: float, **style: Any
) -> Text:
    """Write sentences in lines of at most so many columns, in fewer where their letters are too wide for the page."""
    for columns in range(most, _FEWEST_COLUMNS - 1, -1):
        lines = [line for sentence in sentences for line in lines_of(sentence, columns)]
        text = figure.text(COLUMN_RIGHT, y, "\n".join(lines), linespacing=1.3, **style)
        if columns == _FEWEST_COLUMNS or text.get_window_extent(canvas.get_renderer()).x1 <= figure.bbox.width:
            break
        text.remove()
    return text


def _beware(case: Case) -> tuple[str, ...]:
    """Return what must not be left out: what was not found and not read, and what stands beside every read."""
    return (*missing_in_one(case), *warnings_of(case), *caveats_of(case))


def _list(figure: Figure, canvas: FigureCanvasAgg, case: Case, numbers: list[_Entry], must: _Must) -> None:
    """List the numbers, in the large font where they fit, else in the small one as many as fit, and how many more.

    Answers about the whole input stand in the summary, so where there is no room they are the first to go.
    """
    beside_summary = numbers[len(case.reading.findings) :]
    for listed, font in product((numbers, beside_summary), (_LARGE, _SMALL)):
        last = font == _SMALL and listed is beside_summary
        # Lines of Latin letters; where others are higher, fewer fit than this says.
        most = max(1, int((must.top - must.bottom) * figure.bbox.height / (1.5 * font.size * figure.dpi / 72)))
        while most and listed:
            entries, whole = _entries(case, listed, most, font.columns)
            if not (whole or last):
                break
            legend = figure.legend(
                handles=[Line2D([], [], color=colour or PAPER, linewidth=4) for _, colour in entries],
                labels=[line for line, _ in entries],
                loc="upper left", bbox_to_anchor=(COLUMN_RIGHT - 0.005, must.top), frameon=False, borderpad=0,
                borderaxespad=0, labelcolor=INK, fontsize=font.size, handlelength=1.4,
            )  # fmt: skip
            if (last and most == 1) or _extent(figure, canvas, legend)[0] >= must.bottom:
                return
            legend.remove()
            most -= 1


def _entries(case: Case, numbers: list[_Entry], most: int, columns: int) -> tuple[list[_Entry], bool]:
    """Return at most so many lines, the last of which counts the sentences that are left out; and if none is."""
    broken = [_broken(sentence, colour, columns) for sentence, colour in numbers]
    if sum(map(len, broken)) <= most:
        return [line for lines in broken for line in lines], True
    shown: list[_Entry] = []
    for place, lines in enumerate(broken):
        if len(shown) + len(lines) >= most:
            return [*shown, (case.words.say("and {count} more", count=len(broken) - place), None)], False
        shown += lines
    return shown, True


def _numbers(case: Case) -> list[_Entry]:
    """Return what was found with the colour in which it is drawn, in the order of the text report."""
    reading = case.reading
    labels = [detection.label for detection in reading.detections]
    labels += [structure.label for structure in reading.structures]
    sentences = found_of(case)
    plain: list[_Colour | None] = [None] * (len(sentences) - len(labels))
    return list(zip(sentences, [*plain, *(colour_of(label.colour_rgb) for label in labels)], strict=True))


def _broken(sentence: str, colour: _Colour | None, columns: int) -> list[_Entry]:
    first, *rest = lines_of(sentence, columns)
    return [(first, colour), *((line, None) for line in rest)]


def _extent(figure: Figure, canvas: FigureCanvasAgg, artist: Artist) -> tuple[float, float]:
    """Return where something that was set ends below and above, as shares of the height."""
    box = artist.get_window_extent(canvas.get_renderer())
    return box.y0 / figure.bbox.height, box.y1 / figure.bbox.height
