"""How durations, times and outside text are worded."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.dashboard import wording


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),  # noqa: RUF001  # an en dash is what is shown
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (240, "4 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (86400 * 3 + 7200, "3 d 2 h"),
    ],
)
def test_durations_are_said_in_at_most_two_units(seconds: float | None, words: str) -> None:
    """From tenths of a second to days, nobody has to count."""
    assert wording.duration(seconds) == words


def test_times_are_shown_in_utc() -> None:
    """A time in another zone is turned, not mislabelled."""
    at = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert wording.moment(at) == "2026-02-28 23:30:00"
    assert wording.moment(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01 00:00:00"


@pytest.mark.parametrize("text", ["1.2.840.10008.1.2", "2.25.0", "1"])
def test_uids_are_uids(text: str) -> None:
    """Components of digits with dots between them."""
    assert wording.is_uid(text)


@pytest.mark.parametrize("text", ["", ".", "1.", "1..2", "../1", "1/2", "1.2\n", "a", "1" * 65, "\u0661.\u0662", "<b>"])
def test_what_is_no_uid_gets_into_no_address(text: str) -> None:
    """Neither paths, nor markup, nor other scripts' digits, nor what is too long."""
    assert not wording.is_uid(text)


def test_outside_text_stays_on_its_line_and_in_its_direction() -> None:
    """Control characters and direction overrides do not reach the reader; letters of any script do."""
    assert wording.plain("a\r\n\tb\x1b[31m\u202egnp.exe") == "a b\ufffd[31m\ufffdgnp.exe"
    assert wording.plain("Ångström 山田 µ") == "Ångström 山田 µ"


@given(st.text())
def test_plain_text_is_one_line(text: str) -> None:
    """Whatever comes from outside, it is one line."""
    assert len(wording.plain(text).splitlines()) <= 1


def test_details_are_said_without_what_is_empty() -> None:
    """Nested values are spelled out, empty ones left out."""
    value = {"calling_ae_title": "PACS", "reason": "", "objects": ["SEG", "SR"], "seconds": 1.23456, "more": {"n": 3}}
    assert wording.detail(value) == "calling ae title: PACS · objects: SEG, SR · seconds: 1.235 · more: n: 3"


def test_counts_carry_their_noun() -> None:
    """One is singular, all else plural."""
    assert [wording.count(n, "study", "studies") for n in (0, 1, 2)] == ["0 studies", "1 study", "2 studies"]
