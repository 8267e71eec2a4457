"""A reading on paper: what was found, the picture, numbers in a table, what was looked at.

No patient's data is in it but what is burnt into the pixels of the images that the picture shows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

from PIL import Image as Pillow
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from models.findings import Detection
from worker.case.case import Case
from worker.case.finding_sentences import caveats_of, findings_of, scope_of, summary_of
from worker.case.foremost_words import foremost_sentences
from worker.case.images_read import image_number
from worker.case.limits import limits_about, limits_of
from worker.case.picture_words import banner
from worker.case.prior_words import comparison_sentences
from worker.objects.object_encoding import series_description
from worker.objects.segments import Thing
from worker.pictures.pdf_fonts import LATIN, LATIN_BOLD, with_fonts
from worker.pictures.picture import drawn
from worker.pictures.picture_style import needs_font

_MARGIN = 16 * mm
_FOOT = 9 * mm
#: reportlab keeps this free around what stands in a frame, in points.
_PADDING = 6
_WIDTH = A4[0] - 2 * _MARGIN - 2 * _PADDING
#: So that the numbers of twenty structures stand on the same page.
_PICTURE_HEIGHT = 112 * mm
_GAP = Spacer(1, 3 * mm)
_WARNING = HexColor("#9a5b00")
_LINE = HexColor("#c8c8c8")
_SWATCH = 4 * mm


@dataclass(frozen=True, kw_only=True)
class _Paper:
    """How text is set: `marked` puts each run of characters into a font that has it."""

    marked: Callable[[str], str]
    text: ParagraphStyle
    title: ParagraphStyle
    warning: ParagraphStyle
    number: ParagraphStyle

    def set(self, sentences: Iterable[str], style: ParagraphStyle | None = None) -> list[Paragraph]:
        """Return sentences as paragraphs."""
        return [Paragraph(self.marked(sentence), style or self.text) for sentence in sentences]


def pdf_of(case: Case) -> bytes:
    """Return the PDF; the same case always gives the same bytes."""
    picture = drawn(case, words=False)
    case, marked = with_fonts(case)
    paper = _paper(case, marked)
    compared = () if case.prior is None else comparison_sentences(case.prior, case.words, partial(limits_about, case))
    # Detections and structures stand in the table.
    told = findings_of(case)
    before = len(case.reading.findings) + len(case.reading.measurements)
    after = before + len(case.reading.detections) + len(case.reading.structures)
    sections: tuple[list[Any], ...] = (
        [*paper.set(foremost_sentences(case), paper.warning), *paper.set([summary_of(case)], paper.title)],
        paper.set(caveats_of(case), paper.warning),
        [_picture(picture)],
        paper.set(told[:before]),
        _tables(case, paper),
        paper.set(told[after:]),
        paper.set(compared),
        paper.set(scope_of(case)),
    )
    story = [part for section in sections if section for part in (*section, _GAP)]
    buffer = BytesIO()
    # invariant: no time of now and no random id in the file.
    SimpleDocTemplate(
        buffer,
        pagesize=A4,
        invariant=1,
        title=series_description(case.provenance, "PDF"),
        author=case.provenance.card.manufacturer,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
    ).build(story, onFirstPage=_foot(case, paper), onLaterPages=_foot(case, paper))
    return buffer.getvalue()


def _paper(case: Case, marked: Callable[[str], str]) -> _Paper:
    wrap = "CJK" if needs_font(case.report.language) else None
    text = ParagraphStyle("text", fontName=LATIN, fontSize=8.5, leading=12, wordWrap=wrap)
    return _Paper(
        marked=marked,
        text=text,
        title=ParagraphStyle("title", parent=text, fontName=LATIN_BOLD, fontSize=13, leading=18),
        warning=ParagraphStyle("warning", parent=text, textColor=_WARNING),
        number=ParagraphStyle("number", parent=text, alignment=2),
    )


def _picture(pixels: Any) -> Image:
    buffer = BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    buffer.seek(0)
    width = min(_WIDTH, _PICTURE_HEIGHT * pixels.shape[1] / pixels.shape[0])
    return Image(buffer, width=width, height=width * pixels.shape[0] / pixels.shape[1], hAlign="LEFT")


def _tables(case: Case, paper: _Paper) -> list[Any]:
    """Return a table of the detections and one of the structures, as far as there are any."""
    return [_table(case, paper, things) for things in (case.reading.detections, case.reading.structures) if things]


def _table(case: Case, paper: _Paper, things: Sequence[Thing]) -> Table:
    """Return a line a thing: its colour, its name, and a column for each quantity that any of them has."""
    words = case.words
    quantities = {(m.name.value, m.name.scheme): m.name for thing in things for m in thing.measurements}
    heads = [words.concept(name) for name in quantities.values()]
    rows: list[list[Any]] = [["", "", *(paper.set([head], paper.number)[0] for head in heads)]]
    fills = []
    for place, thing in enumerate(things, start=1):
        measured = {
            (m.name.value, m.name.scheme): words.measured(m, limits_of(case, thing)) for m in thing.measurements
        }
        numbers = [measured.get(key, "") for key in quantities]
        name = _name(case, thing)
        rows.append(["", *paper.set([words.cut(name) if thing.cut else name]), *paper.set(numbers, paper.number)])
        red, green, blue = (value / 255 for value in thing.label.colour_rgb)
        fills.append(("BACKGROUND", (0, place), (0, place), Color(red, green, blue)))
    number_width = min(30 * mm, (_WIDTH - _SWATCH) / (len(quantities) + 2))
    table = Table(
        rows,
        colWidths=[_SWATCH, _WIDTH - _SWATCH - number_width * len(quantities), *([number_width] * len(quantities))],
        repeatRows=1,
        hAlign="LEFT",
    )
    lines = ("LINEBELOW", (0, 0), (-1, -1), 0.3, _LINE)
    close = [("TOPPADDING", (0, 0), (-1, -1), 0.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5)]
    table.setStyle(TableStyle([*close, ("VALIGN", (0, 0), (-1, -1), "MIDDLE"), lines, *fills]))
    return table


def _name(case: Case, thing: Thing) -> str:
    words = case.words
    if not isinstance(thing, Detection):
        return words.label(thing.label)
    place = [words.concept(thing.site)] if thing.site else []
    place += [words.term(thing.laterality)] if thing.laterality else []
    place.append(words.say("image {image}", image=str(image_number(case, thing.slice_index))))
    return f"{words.label(thing.label)} {thing.number} ({', '.join(place)})"


def _foot(case: Case, paper: _Paper) -> Callable[[Canvas, Any], None]:
    """Return what writes onto every page that nobody has verified it, and by which number its study is found."""
    told = f"{banner(case)} \N{MIDDLE DOT} {case.head.StudyInstanceUID}"

    def write(canvas: Canvas, document: Any) -> None:
        style = ParagraphStyle("foot", parent=paper.warning, fontSize=7, leading=9)
        (line,) = paper.set([f"{document.page} \N{MIDDLE DOT} {told}"], style)
        line.wrapOn(canvas, _WIDTH, _FOOT)
        line.drawOn(canvas, _MARGIN + _PADDING, _FOOT)

    return write
