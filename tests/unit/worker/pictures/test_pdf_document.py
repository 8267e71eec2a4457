"""The reading on paper, as an independent reader of PDF sees it."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2
import pytest

from models.interpreting.critical_reason import CriticalReason
from tests.optional import missing
from tests.readings import (
    NODULE,
    a_card,
    a_nodule_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    detections_reading,
    load,
)
from worker.case.case import Case
from worker.case.finding_sentences import caveats_of
from worker.case.foremost_words import foremost_sentences
from worker.jobs.superseded_read import SupersededRead
from worker.pictures import picture_style
from worker.pictures.pdf_document import build_pdf_document
from worker.pictures.pdf_pages import pdf_of
from worker.pictures.picture_style import font_file_for
from worker.settings import ReportSettings
from worker.testing import write_mr_series


def pages_of(pdf: bytes) -> list[str]:
    """Return the text of each page, as PDFium (Chromium's reader) extracts it."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A reading with structures and nodules, in French."""
    write_mr_series(tmp_path, patient_name="CANARY^NAME", patient_id="CANARY-ID")
    series = load(tmp_path)
    return case_of(series, detections_reading(series), a_nodule_card(), report=ReportSettings(language="fr"))


def test_it_tells_what_was_found_with_units(case: Case) -> None:
    """Names, numbers and units in the site's language, the model, and that nobody has verified it on each page."""
    pages = pages_of(pdf_of(case))
    text = "\n".join(pages)
    assert re.search(r"Cortex cérébral\s+[\d,]+ ml", text)
    assert "Nodule 1" in text
    assert re.search(r"\d,\d\d? mm", text)
    assert "Test nodules" in text
    assert all("non vérifié" in page for page in pages)


def test_what_the_edge_cuts_is_named_as_cut(case: Case) -> None:
    """In the table, whose numbers would be read as those of the whole."""
    whole, cut = (
        replace(each, cut=at_edge) for each, at_edge in zip(case.reading.structures, (False, True), strict=True)
    )
    reading = replace(case.reading, structures=(whole, cut), detections=())
    text = " ".join("\n".join(pages_of(pdf_of(replace(case, reading=reading)))).split())
    assert text.count("coupé, peut être plus grand") == 1


def test_no_patient_is_printed(case: Case) -> None:
    """The attributes name the patient; the pages name the study by its UID."""
    made = build_pdf_document(case)
    text = "\n".join(pages_of(bytes(made.EncapsulatedDocument)))
    assert "CANARY" not in text
    assert b"CANARY" not in bytes(made.EncapsulatedDocument)
    assert str(case.head.StudyInstanceUID) in text.replace("\r\n", "")
    assert (made.BurnedInAnnotation, made.MIMETypeOfEncapsulatedDocument) == ("NO", "application/pdf")
    assert bytes(made.EncapsulatedDocument)[: made.EncapsulatedDocumentLength].startswith(b"%PDF-")


def test_the_same_case_gives_the_same_bytes(case: Case) -> None:
    """No time of now and no random id."""
    assert pdf_of(case) == pdf_of(case)


def test_an_earlier_read_is_named_first(case: Case) -> None:
    """Who reads only the document learns that what it replaces no longer counts."""
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    earlier = SupersededRead(read_at=moment, objects=(), destinations=frozenset(("pacs",)))
    case = replace(case, superseded=earlier)
    text = " ".join(pages_of(pdf_of(case))[0].split())
    (told,) = foremost_sentences(case)
    assert text.index(told) < text.index(caveats_of(case)[0])


def test_what_is_critical_comes_first(case: Case) -> None:
    """A critical reading says so at the top of the first page."""
    reason = CriticalReason(
        kind="measurement", name=NODULE.name, concept=NODULE.concept, value=12.0, unit="mm", at_least=8.0
    )
    text = pages_of(pdf_of(replace(case, critical=(reason,))))[0]
    assert text.index("CRITIQUE") < text.index("Nodule 1")


def test_an_ecg_has_one_too() -> None:
    """Rhythm and intervals as sentences, since nothing of it stands in a table."""
    text = "\n".join(pages_of(pdf_of(case_of(an_ecg(), an_ecg_reading(), an_ecg_card()))))
    assert "982 ms" in text


def test_japanese_is_embedded_or_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a font that has the characters the text is Japanese; without one it is English, never empty boxes."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    case = case_of(series, a_reading(series), a_card(), report=ReportSettings(language="ja"))
    if font_file_for("ja") is None:
        missing("no Japanese font: apt-get install fonts-droid-fallback")
    assert "大脳皮質" in "\n".join(pages_of(pdf_of(case)))
    monkeypatch.setattr(picture_style, "_installed", frozenset)
    text = "\n".join(pages_of(pdf_of(case)))
    assert "Cerebral cortex" in text
    assert "大" not in text
