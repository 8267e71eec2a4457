"""Who is told what, and when the next: decisions without clock, ledger or wire."""

import itertools

import pytest

from models.interpreting.critical_reason import CriticalReason
from tests.readings import NODULE, PNEUMONIA
from worker.errors import IllegalTransition
from worker.jobs.notification import (
    UNACKNOWLEDGED,
    ChannelRule,
    Escalation,
    NoticeState,
    NotificationState,
    PlannedNotice,
    escalation,
    is_late,
    require_notice,
    require_notification,
    state_when_planned,
    who_is_told,
)
from worker.jobs.notification_records import Message, for_ledger, from_ledger

PAGER = ChannelRule(name="pager")
MAIL = ChannelRule(name="mail", step=4, about=("critical", "overdue"))
DESK = ChannelRule(name="desk", about=("critical",))
SENT, LOST, PENDING, WAITING = NoticeState.SENT, NoticeState.LOST, NoticeState.PENDING, NoticeState.WAITING


def test_who_is_told_depends_on_topic_and_step() -> None:
    """Channels of one step are told together; a step that nobody is in delays nothing."""
    assert who_is_told("critical", [MAIL, PAGER, DESK]) == (
        PlannedNotice(channel="pager", step=1),
        PlannedNotice(channel="desk", step=1),
        PlannedNotice(channel="mail", step=2),
    )
    assert who_is_told("overdue", [MAIL, PAGER]) == (PlannedNotice(channel="mail", step=1),)
    assert who_is_told("overdue", [PAGER]) == ()


def test_a_critical_finding_that_nobody_hears_of_is_an_admins_affair() -> None:
    """Without channels a critical finding cries; a late read, which a site may not care to be told of, does not."""
    assert state_when_planned("critical", ()) is NotificationState.NOBODY
    assert state_when_planned("overdue", ()) is NotificationState.NOT_ASKED
    assert state_when_planned("critical", who_is_told("critical", [PAGER])) is NotificationState.OPEN


@pytest.mark.parametrize(
    ("notices", "waited_s", "decision"),
    [
        ({1: [SENT], 2: [WAITING]}, 299.0, Escalation.WAIT),
        ({1: [SENT], 2: [WAITING]}, 300.0, Escalation.NEXT),
        ({1: [PENDING], 2: [WAITING]}, 300.0, Escalation.NEXT),  # a channel that is away holds nobody back
        ({1: [LOST], 2: [WAITING]}, 0.0, Escalation.NEXT),
        ({1: [LOST, SENT], 2: [WAITING]}, 0.0, Escalation.WAIT),
        ({1: [SENT]}, 300.0, Escalation.GIVE_UP),
        ({1: [LOST]}, 0.0, Escalation.GIVE_UP),
    ],
)
def test_the_next_are_told_when_time_is_up_or_nobody_can_be_reached(
    notices: dict[int, list[NoticeState]], waited_s: float, decision: Escalation
) -> None:
    """Time runs from when a step's turn came; a step whose every channel is lost is passed at once."""
    assert escalation(step=1, notices=notices, waited_s=waited_s, escalate_after_s=300.0) is decision


@pytest.mark.parametrize(
    ("seconds_left", "waited_s", "late"),
    [(1.0, 9999.0, False), (0.0, 0.0, True), (None, 599.0, False), (None, 600.0, True)],
)
def test_a_deadline_passes_by_the_ledgers_clock(seconds_left: float | None, waited_s: float, late: bool) -> None:  # noqa: FBT001
    """A wall clock that jumps makes nothing late; only across a reboot is it asked."""
    assert is_late(seconds_left=seconds_left, waited_s=waited_s, deadline_s=600.0) is late


def test_every_transition_is_in_the_table() -> None:
    """What is not allowed raises; an acknowledgement is final, but for another read, and possible until it is given."""
    for before, after in itertools.product(NotificationState, repeat=2):
        if before is NotificationState.ACKNOWLEDGED and after is not NotificationState.NEW:
            with pytest.raises(IllegalTransition):
                require_notification(before, after)
    for state in UNACKNOWLEDGED:
        require_notification(state, NotificationState.ACKNOWLEDGED)
    with pytest.raises(IllegalTransition, match="wetread alerts"):
        require_notice(NoticeState.SENT, NoticeState.PENDING)


def test_reasons_come_back_from_the_ledger_as_they_were() -> None:
    """Codes and numbers, without loss."""
    reasons = (
        CriticalReason(kind="certainty", name="Pneumonia", concept=PNEUMONIA, value=91.25, unit="%", at_least=80.0),
        CriticalReason(kind="present", name="Nodule", concept=NODULE.concept, number=3),
        CriticalReason(kind="present", name="Pneumonia", concept=PNEUMONIA, answer=NODULE.concept),
        CriticalReason(kind="diameter", name="Nodule", concept=NODULE.concept, value=12.0, at_least=8.0, cut=True),
    )
    assert from_ledger(for_ledger(reasons)) == reasons
    assert not {"answer", "cut"} & set(for_ledger(reasons)[0])


def test_a_message_shows_nothing_in_a_log() -> None:
    """Its repr names the key and the topic only."""
    values = dict.fromkeys(Message.__dataclass_fields__, "CANARY")
    assert "CANARY" not in repr(Message(**(values | {"key": "k", "topic": "critical"})))  # type: ignore[arg-type]
