"""When an archive is asked how much it holds of a study: after some silence, and ever less often while it disagrees."""

from dataclasses import dataclass, replace

#: Between two questions about one study.
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How long is waited before a question.

    Attributes:
        after_s: Of silence, before the first.
        settle_s: Between two at least; it doubles while the archive disagrees and nothing comes.
    """

    after_s: float
    settle_s: float


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What became of the questions about one study so far.

    Attributes:
        waiting: One has been asked and not answered.
        answered_at: When the latest was answered; None: there was none.
        wait_s: From then until the next; 0 before the first.
    """

    waiting: bool = False
    answered_at: float | None = None
    wait_s: float = 0.0

    def begun(self) -> "Asked":
        """Return what follows a question."""
        return replace(self, waiting=True)

    def answered(self, now: float, asking: Asking, *, soon: bool) -> "Asked":
        """Return what follows its answer; the next comes soon after one that was alike, or overtaken."""
        patient = min(self.wait_s * 2, _LONGEST_WAIT_S)
        return Asked(answered_at=now, wait_s=asking.settle_s if soon else max(patient, asking.settle_s))

    def arrived(self, asking: Asking) -> "Asked":
        """Return what follows another instance: the archive may have it soon."""
        return replace(self, wait_s=min(self.wait_s, asking.settle_s))

    def next_at(self, silent_since: float, asking: Asking) -> float:
        """Return when to ask if nothing more comes; infinity while an answer is waited for."""
        if self.waiting:
            return float("inf")
        after_silence = silent_since + asking.after_s
        return after_silence if self.answered_at is None else max(after_silence, self.answered_at + self.wait_s)
