"""How numbers are rounded for people: never across a limit that decides about them, a certainty to whole percent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.card.card_parts import DECIDING_DIGITS
from models.findings import Measurement
from models.interpreting.critical import DIAMETERS, ML, MM, VOLUMES

_NONE, _ALL, _ONE = 0.0, 100.0, 1.0
_MOST_DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class Between:
    """Limits of one number.

    Attributes:
        at_least: What decides about numbers that reach it.
        at_most: What decides about numbers that do not exceed it.
    """

    at_least: tuple[float, ...] = ()
    at_most: tuple[float, ...] = ()

    def tells_alike(self, shown: float, number: float) -> bool:
        """Say whether whoever compares what is shown with a limit comes to what was decided."""
        reached = all((shown >= limit) == (number >= limit) for limit in self.at_least)
        return reached and all((shown <= limit) == (number <= limit) for limit in self.at_most)

    def in_units(self, size: float) -> "Between":
        """Return the limits of a number that is in a unit so many times as large."""
        return Between(
            at_least=tuple(limit / size for limit in self.at_least),
            at_most=tuple(limit / size for limit in self.at_most),
        )


NO_LIMITS = Between()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What decides about a thing.

    Attributes:
        percent: About its certainty.
        mm: About its diameter.
        ml: About its volume.
        number: About a number of the whole input, in its unit.
    """

    percent: tuple[float, ...] = ()
    mm: Between = NO_LIMITS
    ml: Between = NO_LIMITS
    number: Between = NO_LIMITS

    def of(self, measurement: Measurement) -> Between:
        """Return those that decide about a number, in its unit."""
        if self.number != NO_LIMITS:
            return self.number
        name, unit = (measurement.name.value, measurement.name.scheme), measurement.unit.value
        sizes: tuple[tuple[Between, Sequence[tuple[str, str]], Mapping[str, float]], ...] = (
            (self.mm, DIAMETERS, MM),
            (self.ml, VOLUMES, ML),
        )
        return next(
            (each.in_units(units[unit]) for each, names, units in sizes if name in names and unit in units), NO_LIMITS
        )


UNLIMITED = Limits()


def rounded(percent: float, limits: Sequence[float] = ()) -> tuple[float, int]:
    """Return a certainty as it is told, and its digits after the point, as few as tell it from the limits.

    What is below a limit stays below it, what reaches it reaches it; 100 and 0 may stand for what is nearly that, which
    is then told as more than 99 or less than 1, unless a limit lies there too.
    """
    exact = round(percent, DECIDING_DIGITS)
    ends_told = any(_NONE < limit < _ONE or _ALL - _ONE < limit < _ALL for limit in limits)
    for digits in range(_MOST_DIGITS + 1):
        shown = round(percent, digits)
        at_end = ends_told and shown in (_NONE, _ALL) and shown != percent
        if not at_end and all((shown >= limit) == (exact >= limit) for limit in limits):
            return shown, digits
    scale = 10**_MOST_DIGITS
    up = shown == _NONE or any(shown < limit <= exact for limit in limits)
    return (math.ceil if up else math.floor)(percent * scale) / scale, _MOST_DIGITS


def digits_of(number: float, least: int, limits: Between) -> int:
    """Return how many digits after the point tell a size from its limits, at least so many."""
    exact = round(number, DECIDING_DIGITS)
    enough = (digits for digits in range(least, DECIDING_DIGITS) if limits.tells_alike(round(number, digits), exact))
    return next(enough, max(least, DECIDING_DIGITS))
