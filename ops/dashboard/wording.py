"""How the page words durations, times and text that came from outside. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_LONGEST_UID = 64
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_uid(text: str) -> bool:
    """Tell whether a text is a UID (PS3.5 9.1; leading zeros are let pass): only those are put into addresses."""
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def duration(seconds: float | None) -> str:
    """Say how long something takes or waits, in at most two units: 0.4 s, 12 s, 4 min, 1 h 5 min, 3 d 2 h."""
    if seconds is None:
        return "–"  # noqa: RUF001  # an en dash is what a table cell without value shows
    whole = round(seconds)
    if seconds < 9.95:  # noqa: PLR2004  # what one decimal would round to 10
        return f"{seconds:.1f} s"
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return _two(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "min")
    return _two(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"


def moment(at: datetime) -> str:
    """Return a time in UTC, to the second, as the ledger keeps it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def count(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: 1 study, 3 studies."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def plain(text: str) -> str:
    """Return outside text as one line that cannot move the cursor or turn the reading direction.

    White space becomes a space and what does not print becomes U+FFFD; HTML is escaped by the template.
    """
    spaced = " ".join(text.split())
    return "".join("\ufffd" if c in _DIRECTION or unicodedata.category(c) in {"Cc", "Cs"} else c for c in spaced)


def detail(value: object) -> str:
    """Return an event's detail as text; empty values are left out."""
    if isinstance(value, Mapping):
        pairs = ((plain(str(key)).replace("_", " "), detail(each)) for key, each in value.items())
        return " · ".join(f"{key}: {each}" for key, each in pairs if each)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(each for each in map(detail, value) if each)
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return plain(str(value))
