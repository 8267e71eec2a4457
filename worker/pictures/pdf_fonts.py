"""Fonts of a PDF: all embedded, since what a reader shows for characters without a font are gaps or empty boxes."""

import unicodedata
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib as mpl
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from worker.case.case import Case
from worker.pictures.picture_style import font_file_for, in_english, needs_font

#: matplotlib brings them, with the characters of every language that needs no font of its own.
LATIN, LATIN_BOLD = "DejaVuSans", "DejaVuSans-Bold"
_WIDE = frozenset("WF")


def with_fonts(case: Case) -> tuple[Case, Callable[[str], str]]:
    """Return the case as a document can tell it, and what marks each run of its text with a font that has it.

    Without a font that the language needs the document speaks English.
    """
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for name in (LATIN, LATIN_BOLD):
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
