"""What happens to whom, and when: a list from a seed, the same every time. Pure."""

import enum
import random
from collections.abc import Mapping
from dataclasses import dataclass


class Harm(enum.StrEnum):
    """What is done."""

    KILL = "kill"  #: SIGKILL to the part and all its children; it is started again after a while
    KILL_CHILD = "kill a child"  #: SIGKILL to one of its children; the part replaces it by itself
    PAUSE = "pause"  #: SIGSTOP to all of it, SIGCONT after a while, longer than a lease at times
    FLUSH = "flush"  #: Redis forgets everything
    REFUSE = "refuse"  #: the archive answers "out of resources" for a while


HARMS: Mapping[str, tuple[Harm, ...]] = {
    "node": (Harm.KILL, Harm.KILL_CHILD, Harm.PAUSE),
    "worker": (Harm.KILL, Harm.KILL_CHILD, Harm.PAUSE),
    "deliver": (Harm.KILL, Harm.PAUSE),
    "web": (Harm.KILL, Harm.PAUSE),
    "redis": (Harm.KILL, Harm.PAUSE, Harm.FLUSH),
    "archive": (Harm.KILL, Harm.PAUSE, Harm.REFUSE),
}
#: Leases last 4 s here: some pauses outlast them.
_LASTS_S = (0.1, 6.0)
_BETWEEN_S = (0.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One harm.

    Attributes:
        after_s: Since the end of the one before.
        part: To whom.
        harm: What.
        lasts_s: How long it stays so.
        draw: Picks the child, of as many as there are.
    """

    after_s: float
    part: str
    harm: Harm
    lasts_s: float
    draw: int

    def __str__(self) -> str:
        """Say it in a line."""
        return f"after {self.after_s:.2f} s: {self.harm} {self.part}, {self.lasts_s:.2f} s"


def schedule(seed: int, count: int) -> tuple[Fault, ...]:
    """Return so many faults; every kind of harm happens before one happens again."""
    chance = random.Random(seed)  # noqa: S311  # the same schedule for the same seed
    kinds = [(part, harm) for part, harms in HARMS.items() for harm in harms]
    faults: list[Fault] = []
    while len(faults) < count:
        for part, harm in chance.sample(kinds, len(kinds)):
            faults.append(
                Fault(
                    after_s=chance.uniform(*_BETWEEN_S),
                    part=part,
                    harm=harm,
                    lasts_s=chance.uniform(*_LASTS_S),
                    draw=chance.randrange(1 << 16),
                )
            )
    return tuple(faults[:count])
