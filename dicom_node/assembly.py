"""When a study is complete: a pure function of (state, event, now).

DICOM does not say (PS3.4 B.4: the end of an association means nothing), so a revision of a study closes after a quiet
time since its latest instance, at a hard cap, or when an admin says so. A sender that is in the middle of it holds it
back a little longer. All times are seconds of one monotonic clock.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

from dicom_node.study import Completion


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long is waited.

    Attributes:
        quiet_time_s: Since the latest instance.
        association_hold_s: Instead of the quiet time, where longer, while a sender is in the middle of the study.
        hard_cap_s: Since the first instance of the revision.
    """

    quiet_time_s: float
    association_hold_s: float
    hard_cap_s: float


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An instance of this study is in the spool; `association` brought it (empty: adopted after a crash)."""

    association: str


@dataclass(frozen=True, kw_only=True)
class Left:
    """An association ended, or its latest instance belongs to another study by now."""

    association: str


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class Forced:
    """An admin says that the study is complete."""


Event: TypeAlias = Stored | Left | Tick | Forced


@dataclass(frozen=True, kw_only=True)
class Open:
    """A revision that still collects.

    Attributes:
        opened_at: When its first instance came.
        latest_at: When its latest instance came.
        senders: Open associations whose latest instance belongs to this study.
    """

    opened_at: float
    latest_at: float
    senders: frozenset[str] = frozenset()

    def deadline(self, timing: Timing) -> float:
        """Return when it closes if nothing more happens."""
        wait = max(timing.quiet_time_s, timing.association_hold_s) if self.senders else timing.quiet_time_s
        return min(self.latest_at + wait, self.opened_at + timing.hard_cap_s)


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A revision that is complete; the next instance opens another."""

    completion: Completion


def next_state(state: Open | None, event: Event, now: float, timing: Timing) -> Open | Closed | None:
    """Return a study's state after an event; None is a study of which nothing is open.

    Whatever the event, a state whose deadline has passed closes; an instance that the event brings is part of it.
    """
    following = _after(state, event, now)
    if following is None:
        return None
    if isinstance(event, Forced):
        return Closed(completion=Completion.FORCED)
    if now < following.deadline(timing):
        return following
    capped = now >= following.opened_at + timing.hard_cap_s
    return Closed(completion=Completion.HARD_CAP if capped else Completion.QUIET)


def _after(state: Open | None, event: Event, now: float) -> Open | None:
    match event:
        case Stored(association=association):
            senders = frozenset({association}) if association else frozenset()
            if state is None:
                return Open(opened_at=now, latest_at=now, senders=senders)
            return replace(state, latest_at=now, senders=state.senders | senders)
        case Left(association=association) if state is not None:
            return replace(state, senders=state.senders - {association})
        case _:
            return state
