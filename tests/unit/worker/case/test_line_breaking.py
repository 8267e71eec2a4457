"""Lines fit the width, and nothing is lost."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.case.line_breaking import lines_of

JAPANESE = "セグメントが画像の端に達しています。体積は過小評価の可能性があります。RESEARCH 12.5 ml。"


def columns(text: str) -> int:
    """Return how wide a text is."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


@pytest.mark.parametrize("width", [20, 31, 90])
def test_wide_characters_count_twice(width: int) -> None:
    """No line is wider, up to a closing mark that may not begin the next; the text is whole."""
    lines = lines_of(JAPANESE, width)
    assert all(columns(line) <= width + 2 for line in lines)
    assert "".join(lines).replace(" ", "") == JAPANESE.replace(" ", "")
    assert not any(line[0] in "。、" for line in lines)


def test_other_text_breaks_at_spaces() -> None:
    """Western sentences break between words."""
    assert lines_of("one two three four", 9) == ["one two", "three", "four"]


@given(st.text(alphabet="ab 見出し。、", max_size=60))
def test_nothing_but_spaces_is_lost(text: str) -> None:
    """Whatever the text is, its characters are all there, in order."""
    assert "".join(lines_of(text, 12)).replace(" ", "") == text.replace(" ", "")
