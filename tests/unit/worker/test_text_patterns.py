"""Regular expressions of cards and settings against what comes from outside."""

import time

import pytest

from worker.selecting.tag_rules import TagRule
from worker.text_patterns import is_in, regular_expression

#: Letters that each of these patterns fits in a number of ways that doubles with each of them.
HOSTILE = "a" * 26 + "b"


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a?)+$", "(.*a){24}$"])
def test_no_pattern_takes_longer_for_a_hostile_value(pattern: str) -> None:
    """A modality's description must not stop the node, whatever a card asks of it."""
    rule = TagRule(tag="SeriesDescription", matches=pattern)
    begin = time.perf_counter()
    assert not rule.holds({"SeriesDescription": (HOSTILE,)})
    assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("t1|mprage", "AX T1 MPRAGE", True),
        ("^t1", "AX T1", False),
        ("(?i)local|(^|[^a-z0-9])(t2|pd)", "ax_PD fs", True),
        ("größe", "GRÖẞE", True),
        (r"\bt1\b", "t1w", False),
        ("\N{CJK UNIFIED IDEOGRAPH-982D}", "\N{CJK UNIFIED IDEOGRAPH-982D}\N{CJK UNIFIED IDEOGRAPH-90E8}", True),
        ("scout", "scout \udc80", True),
    ],
)
def test_a_pattern_is_found_anywhere_and_case_does_not_matter(pattern: str, text: str, *, found: bool) -> None:
    """Half a surrogate pair in a value is no reason to find nothing in it."""
    assert is_in(regular_expression(pattern), text) is found


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(", "'(' is no regular expression that can be used here (unclosed group)"),
        (
            "(?!post)",
            "look-around, including look-ahead and look-behind, is not supported); say it by not, all and any",
        ),
        (r"(a)\1", "backreferences are not supported); say it by"),
        ("((a{999}){999}){999}", "size limit"),
    ],
)
def test_what_takes_more_than_one_look_is_refused(pattern: str, told: str) -> None:
    """The message says what is wrong, and what to write instead."""
    with pytest.raises(ValueError, match="is no regular expression") as refused:
        regular_expression(pattern)
    assert told in str(refused.value)
