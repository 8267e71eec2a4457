"""Which resident models make room for another. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Held:
    """A resident model.

    Attributes:
        digest: Its digest.
        size_bytes: What it holds.
        last_used: Seconds of a monotonic clock.
        busy: Whether it runs or somebody waits for it; then it stays.
    """

    digest: str
    size_bytes: int
    last_used: float
    busy: bool


def to_evict(held: Sequence[Held], *, needed_bytes: int, budget_bytes: int) -> list[str]:
    """Return the digests that go so that `needed_bytes` more fit: the least recently used first, none that is busy.

    All that may go go where even that is not enough: a model that is larger than the budget runs alone. No budget (0)
    evicts nothing.
    """
    if not budget_bytes:
        return []
    excess = sum(one.size_bytes for one in held) + needed_bytes - budget_bytes
    gone = []
    for one in sorted((one for one in held if not one.busy), key=lambda one: one.last_used):
        if excess <= 0:
            break
        gone.append(one.digest)
        excess -= one.size_bytes
    return gone
