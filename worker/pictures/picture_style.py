"""Colours, places and fonts that all pictures share."""

from contextlib import suppress
from dataclasses import replace
from functools import cache

from matplotlib import font_manager

from worker.case.case import Case
from worker.languages import Language

INK = "#e8e8e8"
PAPER = "#101010"
WARNING = "#ffb000"
#: Where the pictures end and the words begin, in figure coordinates.
COLUMN_RIGHT = 0.71

_LATIN = "DejaVu Sans"
#: Fonts with the characters of a language, as Debian and others ship them; matplotlib's own has none of them.
_FONTS: dict[Language, tuple[str, ...]] = {
    "ja": ("Noto Sans CJK JP", "IPAexGothic", "IPAGothic", "Droid Sans Fallback", "Noto Sans CJK SC"),
    "zh": ("Noto Sans CJK SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Noto Sans CJK JP"),
}


def for_pictures(case: Case) -> tuple[Case, list[str]]:
    """Return the case as a picture can tell it, and the fonts for it.

    Without a font that has the language's characters a picture speaks English, rather than show empty boxes.
    """
    if case.report.language not in _FONTS:
        return case, [_LATIN]
    if (found := _font_for(case.report.language)) is not None:
        return case, [_LATIN, found]
    return in_english(case), [_LATIN]


def font_file_for(language: Language) -> str | None:
    """Return the file of a font that has a language's characters; None where none is installed, or none is needed."""
    name = _font_for(language)
    return None if name is None else str(font_manager.findfont(name, fallback_to_default=False))


def needs_font(language: Language) -> bool:
    """Say whether a language has characters that Latin fonts have not."""
    return language in _FONTS


def in_english(case: Case) -> Case:
    """Return the case as it is told in English."""
    return replace(case, report=case.report.model_copy(update={"language": "en"}))


def _font_for(language: Language) -> str | None:
    return next((name for name in _FONTS.get(language, ()) if name in _installed()), None)


def colour_of(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return a colour as matplotlib takes it."""
    return rgb[0] / 255, rgb[1] / 255, rgb[2] / 255


@cache
def _installed() -> frozenset[str]:
    # matplotlib keeps its list of fonts in a file, in which one that was installed later is missing.
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for file in font_manager.findSystemFonts():
        if file not in known:
            with suppress(OSError, RuntimeError):  # no font that it can read
                font_manager.fontManager.addfont(file)
    return frozenset(font.name for font in font_manager.fontManager.ttflist)
