"""When a study is complete: a pure function of (state, event, now). A series is assembled by the same table.

DICOM does not say (PS3.4 B.4: the end of an association means nothing), so a revision of a study closes
- when an archive has twice counted as many instances as we hold, with some time between and nothing arriving in it;
- at once when a list (MPPS, Instance Availability Notification) names exactly what we hold;
- else after a quiet time since its latest instance, which a sender in the middle of it makes a little longer;
- at a hard cap, or when an admin says so.

Whether counts are alike, and whether a list is what we hold, is found by `open_study`, which keeps what is
held. All times are seconds of one monotonic clock.
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
        settle_s: Between two counts that are alike. One proves nothing: with autoroute on receipt the archive holds
            one image, and so do we.
    """

    quiet_time_s: float
    association_hold_s: float
    hard_cap_s: float
    settle_s: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An instance of this study is in the spool; `association` brought it (empty: adopted after a crash)."""

    association: str


@dataclass(frozen=True, kw_only=True)
class Left:
    """An association ended, or its latest instance belongs to another study by now."""

    association: str


@dataclass(frozen=True, kw_only=True)
class Counted:
    """An archive was asked, at `asked_at`, how many instances it holds of each series.

    `alike`: of every series that we hold it has as many. Not so if it is away, or does not count.
    """

    alike: bool
    asked_at: float


@dataclass(frozen=True)
class Listed:
    """We hold everything that a list names, and nothing else."""


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class Forced:
    """An admin says that the study is complete."""


Event: TypeAlias = Stored | Left | Counted | Listed | Tick | Forced


@dataclass(frozen=True, kw_only=True)
class Open:
    """A revision that still collects.

    Attributes:
        opened_at: When its first instance came.
        latest_at: When its latest instance came.
        senders: Open associations whose latest instance belongs to this study.
        alike_at: Since when the archive's counts are known to be ours, nothing having come since; None: they are not.
    """

    opened_at: float
    latest_at: float
    senders: frozenset[str] = frozenset()
    alike_at: float | None = None

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
    if isinstance(event, Listed):
        return Closed(completion=Completion.LISTED)
    if isinstance(event, Counted) and _confirms(following, event, timing):
        return Closed(completion=Completion.COUNTED)
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
            return replace(state, latest_at=now, senders=state.senders | senders, alike_at=None)
        case Left(association=association) if state is not None:
            return replace(state, senders=state.senders - {association})
        case Counted(alike=alike, asked_at=asked_at) if state is not None and asked_at > state.latest_at:
            since = now if state.alike_at is None else state.alike_at
            return replace(state, alike_at=since if alike else None)
        case _:
            # A count that was asked for before the latest instance came says nothing of what we hold now.
            return state


def _confirms(state: Open, counted: Counted, timing: Timing) -> bool:
    """Say whether this is the second of two counts that are alike; the first one's answer was there at `alike_at`."""
    return (
        counted.alike
        and counted.asked_at > state.latest_at
        and state.alike_at is not None
        and counted.asked_at >= state.alike_at + timing.settle_s
    )
