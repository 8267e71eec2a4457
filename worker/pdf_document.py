"""Sentences, numbers and picture as an Encapsulated PDF (PS3.3 A.45.1), for archives that show documents best."""

from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Spacer

from worker.case import Case
from worker.finding_sentences import caveats_of, findings_of, scope_of, summary_of
from worker.languages import Language
from worker.object_encoding import coded_item, series_description, stamp
from worker.picture import banner, render

#: Fonts that readers bring along (PDF 32000-1, 9.7.5.2), so that no font file is needed.
_CID_FONTS: dict[Language, str] = {"ja": "HeiseiKakuGo-W5", "zh": "STSong-Light"}
_LATIN, _LATIN_BOLD = "Helvetica", "Helvetica-Bold"
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
    regular, bold = _fonts(case.report.language)
    text = ParagraphStyle("text", fontName=regular, fontSize=10, leading=14, wordWrap=_breaking(case.report.language))
    title = ParagraphStyle("title", parent=text, fontName=bold, fontSize=13, leading=18)
    warning = ParagraphStyle("warning", parent=text, textColor=HexColor("#9a5b00"))
    width = A4[0] - 2 * _MARGIN
    story: list[Any] = [
        Paragraph(escape(banner(case)), warning),
        Paragraph(escape(summary_of(case)), title),
        Spacer(1, 3 * mm),
        Image(BytesIO(render(case)), width=width, height=width * _ASPECT),
        Spacer(1, 3 * mm),
        *(Paragraph(escape(sentence), text) for sentence in findings_of(case)),
        Spacer(1, 3 * mm),
        *(Paragraph(escape(sentence), text) for sentence in scope_of(case)),
        *(Paragraph(escape(sentence), warning) for sentence in caveats_of(case)),
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


def _fonts(language: Language) -> tuple[str, str]:
    font = _CID_FONTS.get(language)
    if font is None:
        return _LATIN, _LATIN_BOLD
    pdfmetrics.registerFont(UnicodeCIDFont(font))
    return font, font


def _breaking(language: Language) -> str | None:
    return "CJK" if language in _CID_FONTS else None


def _reference(dataset: Any) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = dataset.SOPClassUID
    reference.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    return reference
