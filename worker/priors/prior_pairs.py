"""Which thing of today is which of an earlier read; none where there is any doubt."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from models.card.card_parts import Label
from models.findings import Detection, Reading, Structure
from worker.case.prior import Code, Gone, Observed
from worker.priors.prior_sizes import apart, largest

#: What is told of by itself in a report.
Thing = Structure | Detection

#: A thing that is so many times as wide, or the reverse, is taken to be another one.
_FARTHEST_WIDTHS = 2.0
#: Another partner must be so many times as far in the logarithm of the width, and differ by a quarter of the width.
_CLEARLY = 2.0
_LEAST_CLEARANCE = math.log(1.25)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What became of the things of two reads.

    Attributes:
        found: What belongs together, in today's order.
        differing: The only one of its kind then and now, so different in size that it may be another one.
        unpaired: What was found several times then or now and cannot be told apart.
        cut: What reaches the edge of the images then or now: what of it lies outside, nobody has measured.
    """

    found: tuple[tuple[Thing, Observed], ...]
    differing: tuple[tuple[Thing, Observed], ...]
    unpaired: tuple[Label, ...]
    cut: tuple[Label, ...]


def pairs_of(reading: Reading, then: Sequence[Observed]) -> Pairs:
    """Return which things of today are which of the earlier read."""
    today: dict[tuple[Code, Code | None, str], list[Thing]] = defaultdict(list)
    observed_now: list[Thing] = [*reading.structures, *reading.detections]
    for thing in observed_now:
        today[_key_of(thing)].append(thing)
    past: dict[tuple[Code, Code | None, str], list[Observed]] = defaultdict(list)
    for observed in then:
        past[observed.concept, observed.site, observed.side].append(observed)
    found: list[tuple[Thing, Observed]] = []
    differing: list[tuple[Thing, Observed]] = []
    unpaired: dict[int, Label] = {}
    cut: dict[int, Label] = {}
    for key, things in today.items():
        before = past.get(key, [])
        if before and any(thing.cut for thing in (*things, *before)):
            # Nor can the others be told from it by their size.
            cut[things[0].label.number] = things[0].label
            continue
        if any(isinstance(thing, Structure) for thing in things):
            # A structure is one thing by its label; two of one name would be two labels of one concept.
            if len(things) == len(before) == 1:
                found.append((things[0], before[0]))
            continue
        matched = _nearest(things, before)
        found += matched
        if matched or not before:
            continue
        if len(things) == len(before) == 1:
            differing.append((things[0], before[0]))
        else:
            unpaired[things[0].label.number] = things[0].label
    return Pairs(
        found=tuple(found),
        differing=tuple(differing),
        unpaired=tuple(unpaired.values()),
        cut=tuple(cut.values()),
    )


def gone_of(reading: Reading, then: Sequence[Observed]) -> tuple[Gone, ...]:
    """Return what was found then and is looked for and not found today, wherever it was."""
    things: tuple[Thing, ...] = (*reading.structures, *reading.detections)
    here = {(one.label.concept.value, one.label.concept.scheme) for one in things}
    found = []
    for label in reading.missing:
        concept, side = (label.concept.value, label.concept.scheme), label.laterality
        before = [one for one in then if one.concept == concept and (side is None or one.side == side)]
        # Where something of the concept is there, nobody can tell whether it is the same; another side is another.
        size = largest(one.measurements for one in before) if side or concept not in here else None
        if size is not None:
            cut = any(one.cut for one in before)
            found.append(Gone(label=label, count=len(before), largest=size, cut=cut))
    return tuple(found)


def _key_of(thing: Thing) -> tuple[Code, Code | None, str]:
    concept = (thing.label.concept.value, thing.label.concept.scheme)
    if isinstance(thing, Structure):
        return concept, None, thing.label.laterality or ""
    site = (thing.site.value, thing.site.scheme) if thing.site else None
    return concept, site, thing.laterality or thing.label.laterality or ""


def _nearest(things: Sequence[Thing], then: Sequence[Observed]) -> list[tuple[Thing, Observed]]:
    """Pair things of one kind at one site by size; all of them, or none where any pair is in doubt.

    Each must be the other's nearest by far, and not so different that it is more likely another one.
    """
    if not then or len(things) != len(then):
        return []
    distances_of = [[apart(thing.measurements, observed.measurements) for observed in then] for thing in things]
    pairs = []
    for row, distances in enumerate(distances_of):
        best = min(range(len(then)), key=distances.__getitem__)
        others = [d for place, d in enumerate(distances) if place != best]
        others += [distances_of[other][best] for other in range(len(things)) if other != row]
        clear = max(distances[best] * _CLEARLY, _LEAST_CLEARANCE)
        if distances[best] > math.log(_FARTHEST_WIDTHS) or any(d < clear for d in others):
            return []
        pairs.append((things[row], then[best]))
    return pairs
