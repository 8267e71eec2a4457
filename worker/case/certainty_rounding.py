"""How a certainty is rounded for people: to whole percent, but never across a limit that decides about it."""

import math
from collections.abc import Sequence

_NONE, _ALL, _ONE = 0.0, 100.0, 1.0
_MOST_DIGITS = 3


def rounded(percent: float, limits: Sequence[float] = ()) -> tuple[float, int]:
    """Return a certainty as it is told, and its digits after the point, as few as tell it from the limits.

    What is below a limit stays below it, what reaches it reaches it; 100 and 0 may stand for what is nearly that, which
    is then told as more than 99 or less than 1, unless a limit lies there too.
    """
    ends_told = any(_NONE < limit < _ONE or _ALL - _ONE < limit < _ALL for limit in limits)
    for digits in range(_MOST_DIGITS + 1):
        shown = round(percent, digits)
        at_end = ends_told and shown in (_NONE, _ALL) and shown != percent
        if not at_end and all((shown >= limit) == (percent >= limit) for limit in limits):
            return shown, digits
    scale = 10**_MOST_DIGITS
    up = shown == _NONE or any(shown < limit <= percent for limit in limits)
    return (math.ceil if up else math.floor)(percent * scale) / scale, _MOST_DIGITS
