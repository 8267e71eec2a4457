"""The ledger's notifications: recorded with the read, told channel by channel, acknowledged by a person."""

import secrets
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged, UnknownNotification
from worker.jobs.notification import (
    TOPICS,
    UNACKNOWLEDGED,
    UNDER_WAY,
    Escalation,
    NoticeState,
    NotificationState,
    PlannedNotice,
    Topic,
    escalation,
    require_notice,
    require_notification,
    state_when_planned,
)
from worker.jobs.notification_records import name_of
from worker.ledger.clock import Reading
from worker.ledger.damage import damage_told, require_numbers
from worker.ledger.damaged_notifications import put_notification_aside, whole_notification
from worker.ledger.database import LOCK, Database, utc_now
from worker.ledger.notification_states import (
    acknowledge_open,
    change_notice,
    change_notification,
    note_notification,
    reading_of,
)
from worker.ledger.tables import Job, Notice, Notification
from worker.ledger.values import is_none_of
from worker.ledger.versions import is_ahead
from worker.ledger.waits import seconds_left


class NotificationLedger(Database):
    """Notifications. A notice is one of them on its way through one channel."""

    def new_notifications(self) -> list[tuple[int, Topic]]:
        """Return (id, topic) of what nobody has planned yet, oldest first.

        What is about something that only a later wetread knows, which works on the same ledger, is left to that one.
        """
        query = select(Notification.id, Notification.topic).where(Notification.state == NotificationState.NEW)
        with self.reading() as session:
            found = [(row.id, cast("Topic", row.topic)) for row in session.execute(query.order_by(Notification.id))]
            known = [(notification_id, topic) for notification_id, topic in found if topic in TOPICS]
            return known if len(known) < len(found) and is_ahead(session) else found

    def plan_notification(self, notification_id: int, plan: Sequence[PlannedNotice]) -> NotificationState | None:
        """Record who is told, the first step at once; return the state, or None where another has planned it.

        Args:
            notification_id: Of the ledger.
            plan: From `notification.who_is_told`.
        """
        with self.writing() as session:
            try:
                with session.begin_nested(), damage_told():
                    return _planned(session, notification_id, plan, self.clock.read())
            except LedgerDamaged as damage:
                put_notification_aside(session, notification_id, damage)
                return NotificationState.UNANSWERED

    def escalate(self, *, escalate_after_s: float) -> list[tuple[int, NotificationState]]:
        """Tell the next step of what nobody has acknowledged in time; return (id, state) of what has changed.

        What is in a state that is none is put aside: nobody would ever hear of it.
        """
        changed: list[tuple[int, NotificationState]] = []
        # Asked twice a second: where nothing is open the ledger's write lock is left to others.
        stateless = is_none_of(Notification.state, list(NotificationState))
        is_open = Notification.state == NotificationState.OPEN
        if not self.finds(select(Notification.id).where(or_(is_open, stateless))):
            return changed
        now = self.clock.read()
        with self.writing() as session:
            # A later wetread that works on the same ledger may know states that this one does not.
            due = is_open if is_ahead(session) else or_(is_open, stateless)
            open_ones = session.scalars(
                select(Notification.id).where(due).order_by(Notification.id).with_for_update(skip_locked=True, **LOCK)
            ).all()
            for notification_id in open_ones:
                try:
                    with session.begin_nested(), damage_told():
                        state = _escalated(session, notification_id, now, escalate_after_s)
                except LedgerDamaged as damage:
                    put_notification_aside(session, notification_id, damage)
                    state = NotificationState.UNANSWERED
                if state is not None:
                    changed.append((notification_id, state))
        return changed

    def acknowledge(self, notification_id: int, *, by: str, reading: int = 1) -> None:
        """Record that somebody knows what a reading has found; nobody else is told.

        Raises UnknownNotification, also where another reading has taken its place, IllegalTransition.
        """
        with self.writing() as session:
            if session.scalar(select(Notification.id).where(Notification.id == notification_id)) is None:
                raise UnknownNotification(f"there is no notification {notification_id}; `wetread alerts` lists them")
            notification = whole_notification(session, notification_id)
            if (now := reading_of(notification)) != reading:
                raise UnknownNotification(
                    f"there is no notification {name_of(notification_id, reading)} now: what the last read of its job "
                    f"has found is {name_of(notification_id, now)}; look at it: wetread alerts"
                )
            require_notification(NotificationState(notification.state), NotificationState.ACKNOWLEDGED)
            acknowledge_open(session, notification, by)


def _planned(
    session: Session, notification_id: int, plan: Sequence[PlannedNotice], now: Reading
) -> NotificationState | None:
    notification = session.get_one(Notification, notification_id, with_for_update=LOCK)
    if notification.state != NotificationState.NEW:
        return None
    if notification.topic not in TOPICS:
        raise LedgerDamaged("the ledger holds a topic that is none")
    state = state_when_planned(notification.topic, plan)
    for planned in plan:
        _let_wait(session, notification, planned)
    session.flush()
    change_notification(session, notification, state, channels=[planned.channel for planned in plan])
    if plan:
        _tell_step(session, notification, 1, now)
    return state


def _escalated(
    session: Session, notification_id: int, now: Reading, escalate_after_s: float
) -> NotificationState | None:
    """Tell the next step of a notification where it is due; return its state, or None where nothing has changed."""
    notification = session.get_one(Notification, notification_id, populate_existing=True)
    if NotificationState(notification.state) is not NotificationState.OPEN:
        return None
    require_numbers(notification.step, notification.step_since_s)
    decision = escalation(
        step=notification.step,
        notices=_states_by_step(session, notification),
        waited_s=_waited_s(notification, now),
        escalate_after_s=escalate_after_s,
    )
    if decision is Escalation.NEXT:
        _tell_step(session, notification, notification.step + 1, now)
    elif decision is Escalation.GIVE_UP:
        change_notification(session, notification, NotificationState.UNANSWERED)
    else:
        return None
    return NotificationState(notification.state)


def record_notification(session: Session, job: Job, topic: Topic, **detail: Any) -> None:
    """Record that somebody must hear of this job, in the transaction of the change.

    Of a job that was read again and is critical again people are told anew: they know of another read, and perhaps of
    another patient.
    """
    known = _known(session, job, topic)
    if known is not None:
        if topic == "critical":
            _begin_again(session, whole_notification(session, known), detail)
        return
    notification = Notification(
        key=_new_key(),
        job_id=job.id,
        topic=topic,
        state=NotificationState.NEW,
        detail=detail,
        created_at=utc_now(),
    )
    session.add(notification)
    session.flush()
    note_notification(session, notification, "notification new", topic=topic)


def take_back(session: Session, job: Job, reason: str) -> None:
    """Tell nobody any more that a job is critical: another read has taken the place of the one that found so."""
    known = _known(session, job, "critical")
    if known is None:
        return
    notification = whole_notification(session, known)
    if NotificationState(notification.state) not in UNACKNOWLEDGED:
        return
    _call_off(session, notification, reason)
    change_notification(session, notification, NotificationState.TAKEN_BACK, reason=reason)


def _known(session: Session, job: Job, topic: Topic) -> int | None:
    """Return the id of a job's notification, which is locked."""
    of_job = select(Notification.id).where(Notification.job_id == job.id, Notification.topic == topic)
    return session.scalar(of_job.limit(1).with_for_update(**LOCK))


def _begin_again(session: Session, notification: Notification, detail: dict[str, Any]) -> None:
    """Make a notification new, under a key of its own; what is on its way of the one before is called off."""
    _call_off(session, notification, "the job was read again")
    notification.key, notification.step = _new_key(), 0
    notification.detail = {**detail, "reading": reading_of(notification) + 1}
    notification.created_at, notification.acknowledged_at, notification.acknowledged_by = utc_now(), None, ""
    change_notification(session, notification, NotificationState.NEW, topic=notification.topic)


def _call_off(session: Session, notification: Notification, reason: str) -> None:
    for notice in session.scalars(
        select(Notice).where(Notice.notification_id == notification.id).order_by(Notice.id).with_for_update(**LOCK)
    ).all():
        notice.fence += 1
        if NoticeState(notice.state) in UNDER_WAY:
            change_notice(session, notice, NoticeState.NOT_NEEDED, reason=reason)


def _let_wait(session: Session, notification: Notification, planned: PlannedNotice) -> None:
    """Let a channel wait for its step; it may have told of an earlier read of the same job."""
    notice = session.scalar(
        select(Notice)
        .where(Notice.notification_id == notification.id, Notice.channel == planned.channel)
        .with_for_update(**LOCK)
    )
    now = utc_now()
    if notice is None:
        notice = Notice(notification_id=notification.id, channel=planned.channel, created_at=now)
        session.add(notice)
    else:
        require_notice(NoticeState(notice.state), NoticeState.WAITING)
    notice.step, notice.state, notice.attempts, notice.reason = planned.step, NoticeState.WAITING, 0, ""
    notice.created_at = notice.updated_at = now


def _new_key() -> str:
    return secrets.token_hex(10)


def _tell_step(session: Session, notification: Notification, step: int, now: Reading) -> None:
    notification.step = step
    notification.clock, notification.step_since_s = now.mark, now.seconds
    waiting = session.scalars(
        select(Notice).where(
            Notice.notification_id == notification.id, Notice.step == step, Notice.state == NoticeState.WAITING
        )
    ).all()
    for notice in waiting:
        notice.clock, notice.not_before_s, notice.created_at = now.mark, now.seconds, utc_now()
        change_notice(session, notice, NoticeState.PENDING)


def _waited_s(notification: Notification, now: Reading) -> float:
    # A reading from before a reboot: whatever it waited for has passed.
    left = seconds_left(notification.clock, notification.step_since_s, now)
    return float("inf") if left is None else -left


def _states_by_step(session: Session, notification: Notification) -> dict[int, list[NoticeState]]:
    states: dict[int, list[NoticeState]] = {}
    for notice in session.scalars(select(Notice).where(Notice.notification_id == notification.id)):
        states.setdefault(notice.step, []).append(NoticeState(notice.state))
    return states
