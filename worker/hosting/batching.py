"""Which waiting requests a network reads together, and until when it waits for company. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that waits.

    Attributes:
        kind: Network, shapes and dtypes, the first axis left out; only requests of one kind share a batch.
        inputs: How many inputs it has along the first axis, at least 1.
        since: When it came, in seconds of a monotonic clock.
    """

    kind: tuple[object, ...]
    inputs: int
    since: float


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do next.

    Attributes:
        batch: Places in the queue of those that go together now; empty to wait.
        wait_s: How long to wait for more, where nothing goes now; None when nobody waits.
    """

    batch: tuple[int, ...] = ()
    wait_s: float | None = None


def next_batch(waiting: Sequence[Asked], *, now: float, most: int, patience_s: float) -> Decision:
    """Decide about a queue, the oldest request first.

    The oldest goes with the others of its kind, in their order, as many as fit into `most` inputs. It waits for company
    at most `patience_s` after it came, and not at all once the batch is full. A larger one than `most` goes alone.

    Args:
        waiting: In the order in which they came.
        now: Of the same clock as `Asked.since`.
        most: Inputs that the network takes at once.
        patience_s: Longest wait for company.
    """
    if not waiting:
        return Decision()
    oldest = waiting[0]
    chosen, total = [0], oldest.inputs
    for place, one in enumerate(waiting[1:], start=1):
        if one.kind == oldest.kind and total + one.inputs <= most:
            chosen.append(place)
            total += one.inputs
    left = oldest.since + patience_s - now
    if total >= most or left <= 0:
        return Decision(batch=tuple(chosen))
    return Decision(wait_s=left)
