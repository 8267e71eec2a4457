"""Who is told what, and when the next is told: the states of notifications, what may follow what, and the decisions.

Pure: no database, no clock, no wire. `worker.ledger` keeps what is decided here, `worker.notifying` carries it out.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from worker.errors import IllegalTransition
from worker.jobs.recorded_state import RecordedState

#: What people are told about: a read that a rule of its card calls critical, a read that did not come in time.
Topic = Literal["critical", "overdue"]
TOPICS: tuple[Topic, ...] = get_args(Topic)


class NotificationState(RecordedState):
    """What has become of something that somebody must hear of."""

    NEW = "new"  #: recorded with the read; whom to tell is decided next
    OPEN = "open"  #: people are being told, and nobody has acknowledged it
    ACKNOWLEDGED = "acknowledged"  #: somebody has said that they know
    UNANSWERED = "unanswered"  #: the last to be told have let their time run out too
    TAKEN_BACK = "taken back"  #: a later read has taken the place of the one that found it
    NOBODY = "nobody"  #: no channel is told of critical findings: an admin must tell, and configure one
    NOT_ASKED = "not asked"  #: no channel asks to hear of a read that is overdue; the timeline has it


class NoticeState(RecordedState):
    """What has become of a notification on its way through one channel."""

    WAITING = "waiting"  #: its turn comes when those before it have let their time run out
    PENDING = "pending"  #: to be sent now, or at its next attempt
    SENDING = "sending"  #: a notifier holds the lease
    SENT = "sent"  #: the other side has taken it, which does not mean that a person has read it
    LOST = "lost"  #: the other side will not take it, or stayed away for too long; the reason says why
    NOT_NEEDED = "not needed"  #: somebody acknowledged before


_NOTIFICATION_STEPS: Mapping[NotificationState, frozenset[NotificationState]] = {
    # To *new* from everywhere: the job was read again, and is critical again.
    NotificationState.NEW: frozenset(
        {
            NotificationState.NEW,
            NotificationState.OPEN,
            NotificationState.NOBODY,
            NotificationState.NOT_ASKED,
            NotificationState.ACKNOWLEDGED,
            NotificationState.TAKEN_BACK,
        }
    ),
    NotificationState.OPEN: frozenset(
        {
            NotificationState.ACKNOWLEDGED,
            NotificationState.UNANSWERED,
            NotificationState.NEW,
            NotificationState.TAKEN_BACK,
        }
    ),
    NotificationState.UNANSWERED: frozenset(
        {NotificationState.ACKNOWLEDGED, NotificationState.NEW, NotificationState.TAKEN_BACK}
    ),
    NotificationState.NOBODY: frozenset(
        {NotificationState.ACKNOWLEDGED, NotificationState.NEW, NotificationState.TAKEN_BACK}
    ),
    NotificationState.TAKEN_BACK: frozenset({NotificationState.NEW}),
    NotificationState.NOT_ASKED: frozenset({NotificationState.NEW}),
    NotificationState.ACKNOWLEDGED: frozenset({NotificationState.NEW}),
}

_NOTICE_STEPS: Mapping[NoticeState, frozenset[NoticeState]] = {
    NoticeState.WAITING: frozenset({NoticeState.PENDING, NoticeState.NOT_NEEDED}),
    # To *lost* at once: the settings no longer name its channel.
    NoticeState.PENDING: frozenset({NoticeState.SENDING, NoticeState.NOT_NEEDED, NoticeState.LOST}),
    NoticeState.SENDING: frozenset({NoticeState.SENT, NoticeState.PENDING, NoticeState.LOST, NoticeState.NOT_NEEDED}),
    NoticeState.SENT: frozenset({NoticeState.WAITING}),
    NoticeState.LOST: frozenset({NoticeState.WAITING}),
    NoticeState.NOT_NEEDED: frozenset({NoticeState.WAITING}),
}

#: States in which nobody has acknowledged it yet, so that a person may.
UNACKNOWLEDGED = frozenset(
    state for state, after in _NOTIFICATION_STEPS.items() if NotificationState.ACKNOWLEDGED in after
)
#: States of a notice that an acknowledgement ends.
UNDER_WAY = frozenset(state for state, after in _NOTICE_STEPS.items() if NoticeState.NOT_NEEDED in after)


def require_notification(before: NotificationState, after: NotificationState) -> None:
    """Raise IllegalTransition unless a notification may go from one state to the other."""
    if after not in _NOTIFICATION_STEPS[before]:
        raise IllegalTransition(f"a notification that is {before} cannot become {after}; look at it: wetread alerts")


def require_notice(before: NoticeState, after: NoticeState) -> None:
    """Raise IllegalTransition unless a notice may go from one state to the other."""
    if after not in _NOTICE_STEPS[before]:
        raise IllegalTransition(f"a notice that is {before} cannot become {after}; look at it: wetread alerts")


@dataclass(frozen=True, kw_only=True)
class ChannelRule:
    """When a channel is used.

    Attributes:
        name: As in the settings and the ledger.
        step: Channels of step 1 are told at once, those of the next when nobody has acknowledged in time.
        about: What it is told.
        patient_data: Whether the site lets patient data go there.
    """

    name: str
    step: int = 1
    about: tuple[Topic, ...] = ("critical",)
    patient_data: bool = False


@dataclass(frozen=True, kw_only=True)
class PlannedNotice:
    """A channel that is to be told, and at which step; the first step of a plan is 1."""

    channel: str
    step: int


def who_is_told(topic: Topic, channels: Iterable[ChannelRule]) -> tuple[PlannedNotice, ...]:
    """Decide who is told of something, in the order of escalation; empty where nobody is.

    Steps are counted among the channels that are told of this topic, so that an empty step delays nothing.
    """
    told = [channel for channel in channels if topic in channel.about]
    steps = sorted({channel.step for channel in told})
    planned = (PlannedNotice(channel=each.name, step=steps.index(each.step) + 1) for each in told)
    return tuple(sorted(planned, key=lambda notice: notice.step))


def state_when_planned(topic: Topic, plan: Sequence[PlannedNotice]) -> NotificationState:
    """Decide what a new notification becomes: a critical finding without anybody to tell is an admin's affair."""
    if plan:
        return NotificationState.OPEN
    return NotificationState.NOBODY if topic == "critical" else NotificationState.NOT_ASKED


class Escalation(enum.Enum):
    """What an open notification needs now."""

    WAIT = enum.auto()  #: those who were told last still have time
    NEXT = enum.auto()  #: the next step is told
    GIVE_UP = enum.auto()  #: there is no next step: it is *unanswered*


def escalation(
    *, step: int, notices: Mapping[int, Sequence[NoticeState]], waited_s: float, escalate_after_s: float
) -> Escalation:
    """Decide whether the next are told.

    The time runs from when a step's turn came, not from when it was reached: a channel that is away must not hold the
    others back. A step whose every channel is lost is passed at once.

    Args:
        step: The latest step whose turn came.
        notices: States of the notices, by step.
        waited_s: Since its turn came.
        escalate_after_s: How long a step has.
    """
    lost = all(state is NoticeState.LOST for state in notices.get(step, ()))
    if waited_s < escalate_after_s and not lost:
        return Escalation.WAIT
    return Escalation.NEXT if step + 1 in notices else Escalation.GIVE_UP


def is_late(*, seconds_left: float | None, waited_s: float, deadline_s: float) -> bool:
    """Decide whether a deadline has passed.

    Args:
        seconds_left: By the ledger's clock; None where the machine was started anew since, so that it cannot tell.
        waited_s: By the wall clock, since the job was queued.
        deadline_s: The card's.
    """
    return waited_s >= deadline_s if seconds_left is None else seconds_left <= 0.0
