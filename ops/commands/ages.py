"""Ages as they are typed: 30m, 12h, 2d."""

import re
from datetime import timedelta

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGE = re.compile(r"(\d{1,6})([smhd])")


def parse_age(text: str) -> timedelta:
    """Return an age. Raises ValueError, which says what is allowed."""
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no age; write a number with s, m, h or d, such as 30m or 2d")
    return timedelta(seconds=int(found[1]) * _UNITS_S[found[2]])
