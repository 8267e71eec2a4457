"""What can be done to anything: its bytes, its length, the order of its parts; always by a chance that is given."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, TypeAlias

#: Changes the parts that it is given.
Change: TypeAlias = Callable[[Random, list[Any]], None]

#: Lengths, numbers and counts at which readers go wrong.
EDGES = (0, 1, 2, 3, 5, 6, 7, 8, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def flipped(chance: Random, data: bytes) -> bytes:
    """Return bytes of which up to four are others; some where there were none."""
    if not data:
        return chance.randbytes(chance.randint(1, 8))
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x2E, 0x5C, 0x7F, 0xFF, chance.randrange(256)))
    return bytes(changed)


def resized(chance: Random, data: bytes) -> bytes:
    """Return bytes that end early, or go on."""
    if data and chance.random() < 0.6:
        return data[: chance.randrange(len(data))]
    return data + chance.randbytes(chance.choice((1, 2, 3, 64, 300)))


def edge(chance: Random, truth: int) -> int:
    """Return a length that is not the truth: near it, or an edge."""
    return chance.choice((truth - 1, truth + 1, truth - 2, truth + 2, truth * 2, *EDGES)) & 0xFFFFFFFF


def dropped(chance: Random, parts: list[Any]) -> None:
    """Leave one out."""
    if parts:
        del parts[chance.randrange(len(parts))]


def doubled(chance: Random, parts: list[Any]) -> None:
    """Say one twice."""
    if parts:
        parts.insert(chance.randint(0, len(parts)), chance.choice(parts))


def swapped(chance: Random, parts: list[Any]) -> None:
    """Change the order of two."""
    if len(parts) > 1:
        one, other = chance.sample(range(len(parts)), 2)
        parts[one], parts[other] = parts[other], parts[one]


def shuffled(chance: Random, parts: list[Any]) -> None:
    """Change the order of all."""
    chance.shuffle(parts)


#: Of whatever comes in an order.
ORDER: Mapping[str, Change] = {"dropped": dropped, "doubled": doubled, "swapped": swapped, "shuffled": shuffled}


def one(change: Callable[[Random, Any], None]) -> Change:
    """Return what does this to any one of the parts."""

    def on_any(chance: Random, parts: list[Any]) -> None:
        if parts:
            change(chance, chance.choice(parts))

    return on_any
