"""Sentences as lines of a width that viewers show; a wide character counts as two."""

import textwrap
import unicodedata
from collections.abc import Iterator

_WIDE = frozenset("WF")
#: Never at the beginning of a line (kinsoku), as far as our sentences have them.
_NOT_FIRST = frozenset("、。，．：；？！）」』】％")  # noqa: RUF001  # these very characters


def lines_of(sentence: str, width: int) -> list[str]:
    """Break a sentence into lines of at most `width` columns: at spaces, and between wide characters."""
    if not any(unicodedata.east_asian_width(character) in _WIDE for character in sentence):
        return textwrap.wrap(sentence, width)
    lines, line, used = [], "", 0
    for piece in _pieces(sentence):
        columns = _columns(piece)
        if line and used + columns > width and piece not in _NOT_FIRST:
            lines.append(line.rstrip())
            line, used = "", 0
            piece = piece.lstrip()  # noqa: PLW2901  # a line does not begin with the space that it was broken at
        line += piece
        used += columns
    return [*lines, line.rstrip()] if line.strip() else lines


def _pieces(sentence: str) -> Iterator[str]:
    """Yield what must stay together: one wide character, or a run of others up to the next space."""
    run = ""
    for character in sentence:
        if unicodedata.east_asian_width(character) in _WIDE or character == " ":
            if run:
                yield run
            yield character
            run = ""
        else:
            run += character
    if run:
        yield run


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in _WIDE else 1 for character in text)
