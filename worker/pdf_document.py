"""Sentences, numbers and picture as an Encapsulated PDF (PS3.3 A.45.1), for archives that show documents best."""

import unicodedata
from collections.abc import Callable
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Spacer

from worker.case import Case
from worker.finding_sentences import caveats_of, findings_of, scope_of, summary_of
from worker.object_encoding import coded_item, series_description, stamp
from worker.picture import render
from worker.picture_style import font_file_for, in_english, needs_font
from worker.picture_words import banner

_LATIN, _LATIN_BOLD = "DejaVuSans", "DejaVuSans-Bold"
_WIDE = frozenset("WF")
_MARGIN = 16 * mm
#: The picture's height in widths.
_ASPECT = 8.4 / 13.5
_REPORT = ("18748-4", "LN", "Diagnostic Imaging Report")


def build_pdf_document(case: Case) -> Dataset:
    """Return the document of a reading; no patient's data is printed in it."""
    made = Dataset()
    stamp(made, case, kind="PDF", sop_class_uid=EncapsulatedPDFStorage)
    made.ConversionType = "WSD"
    made.AcquisitionDateTime = str(case.head.get("AcquisitionDateTime") or "")
    made.BurnedInAnnotation = "NO"
    made.DocumentTitle = series_description(case.provenance, "PDF")
    made.ConceptNameCodeSequence = [coded_item(*_REPORT)]
    made.SourceInstanceSequence = [_reference(dataset) for dataset in case.series.datasets]
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    pdf = pdf_of(case)
    made.EncapsulatedDocumentLength = len(pdf)
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return made


def pdf_of(case: Case) -> bytes:
    """Return the PDF; the same case always gives the same bytes."""
    case, marked = _with_fonts(case)
    text = ParagraphStyle(
        "text", fontName=_LATIN, fontSize=10, leading=14, wordWrap="CJK" if needs_font(case.report.language) else None
    )
    title = ParagraphStyle("title", parent=text, fontName=_LATIN_BOLD, fontSize=13, leading=18)
    warning = ParagraphStyle("warning", parent=text, textColor=HexColor("#9a5b00"))
    width = A4[0] - 2 * _MARGIN
    story: list[Any] = [
        Paragraph(marked(banner(case)), warning),
        Paragraph(marked(summary_of(case)), title),
        Spacer(1, 3 * mm),
        Image(BytesIO(render(case)), width=width, height=width * _ASPECT),
        Spacer(1, 3 * mm),
        *(Paragraph(marked(sentence), text) for sentence in findings_of(case)),
        Spacer(1, 3 * mm),
        *(Paragraph(marked(sentence), text) for sentence in scope_of(case)),
        *(Paragraph(marked(sentence), warning) for sentence in caveats_of(case)),
    ]
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
    ).build(story)
    return buffer.getvalue()


def _with_fonts(case: Case) -> tuple[Case, Callable[[str], str]]:
    """Return the case as the document can tell it, and what marks each run of its text with a font that has it.

    All fonts are embedded: what a reader shows for characters without a font are gaps or empty boxes. Without a font
    that the language needs the document speaks English.
    """
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for name in (_LATIN, _LATIN_BOLD):
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    language = case.report.language
    if not needs_font(language):
        return case, escape
    try:
        file = font_file_for(language)
        if file is None:
            return in_english(case), escape
        pdfmetrics.registerFont(TTFont(language, file))
    except (TTFError, OSError, ValueError):  # such as a font with PostScript outlines
        return in_english(case), escape
    return case, lambda text: _marked(text, language)


def _marked(text: str, font: str) -> str:
    """Put wide characters into their own font: the fonts that have them often have no Latin letters and no digits."""
    runs = groupby(text, key=lambda character: unicodedata.east_asian_width(character) in _WIDE)
    return "".join(
        f'<font name="{font}">{escape("".join(run))}</font>' if wide else escape("".join(run)) for wide, run in runs
    )


def _reference(dataset: Any) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = dataset.SOPClassUID
    reference.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    return reference
