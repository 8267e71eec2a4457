"""A notification, and its notices, go from one state to another: each change with its event."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.notification import (
    UNACKNOWLEDGED,
    UNDER_WAY,
    NoticeState,
    NotificationState,
    require_notice,
    require_notification,
)
from worker.ledger.database import LOCK, utc_now, write_event
from worker.ledger.tables import Event, Job, Notice, Notification, Revision

_NEW = f"notification {NotificationState.NEW}"


def reading_of(notification: Notification) -> int:
    """Return of which reading of its job a notification is: 1 for the first that was critical. Raises LedgerDamaged."""
    reading = notification.detail.get("reading", 1)
    if not _is_reading(reading):
        raise LedgerDamaged("the ledger holds the number of a reading that is none")
    return int(reading)


def reading_of_damaged(session: Session, notification_id: int) -> int:
    """Return of which reading a notification is that cannot be read as a whole: as it says, else by its timeline.

    Never lower than it was: the name of an earlier reading stands in messages that people have.
    """
    try:
        detail = session.scalar(select(Notification.detail).where(Notification.id == notification_id)) or {}
        if _is_reading(detail.get("reading")):
            return int(detail["reading"])
    except LedgerDamaged:
        pass
    job_id = select(Notification.job_id).where(Notification.id == notification_id).scalar_subquery()
    events = session.scalars(select(Event.id).where(Event.job_id == job_id, Event.kind == _NEW)).all()
    return max(1, sum(_may_tell_of(session, event_id, notification_id) for event_id in events))


def _is_reading(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _may_tell_of(session: Session, event_id: int, notification_id: int) -> bool:
    try:
        detail: Any = session.scalar(select(Event.detail).where(Event.id == event_id))
    except LedgerDamaged:
        return True
    return bool(detail.get("notification") == notification_id)


def acknowledge_open(session: Session, notification: Notification, by: str) -> None:
    """Record that somebody knows, where nobody has acknowledged before; nobody else is told."""
    if NotificationState(notification.state) not in UNACKNOWLEDGED:
        return  # two channels may acknowledge at the same moment
    notification.acknowledged_at, notification.acknowledged_by = utc_now(), by[:64]
    change_notification(session, notification, NotificationState.ACKNOWLEDGED, by=by[:64])
    under_way = session.scalars(
        select(Notice)
        .where(
            Notice.notification_id == notification.id,
            # What is being sent cannot be called back: its sender records what becomes of it.
            Notice.state.in_(UNDER_WAY - {NoticeState.SENDING}),
        )
        .order_by(Notice.id)
        .with_for_update(**LOCK)
    ).all()
    for notice in under_way:
        change_notice(session, notice, NoticeState.NOT_NEEDED, reason="acknowledged before")


def change_notification(session: Session, notification: Notification, state: NotificationState, **detail: Any) -> None:
    """Move a notification to a state and write the event; raise IllegalTransition where the table does not allow it."""
    require_notification(NotificationState(notification.state), state)
    notification.state = state
    note_notification(session, notification, f"notification {state}", **detail)


def change_notice(session: Session, notice: Notice, state: NoticeState, *, reason: str = "") -> None:
    """Move a notice to a state and write the event; to *not needed* where somebody has acknowledged meanwhile."""
    notification = session.get_one(Notification, notice.notification_id)
    if state is NoticeState.PENDING and notification.state == NotificationState.ACKNOWLEDGED:
        state, reason = NoticeState.NOT_NEEDED, "acknowledged before"
    require_notice(NoticeState(notice.state), state)
    notice.state, notice.reason, notice.updated_at = state, reason, utc_now()
    detail: dict[str, Any] = {"channel": notice.channel, "step": notice.step}
    if notice.attempts:
        detail["attempt"] = notice.attempts
    if reason:
        detail["reason"] = reason
    note_notification(session, notification, f"notice {state}", **detail)


def note_notification(session: Session, notification: Notification, kind: str, **detail: Any) -> None:
    """Write the event of what has become of a notification, or of one of its notices."""
    # Not the whole job: a value of it that cannot be read must keep nobody from being told, or from acknowledging.
    revision_id = select(Job.revision_id).where(Job.id == notification.job_id).scalar_subquery()
    study_id = session.scalars(select(Revision.study_id).where(Revision.id == revision_id)).one()
    write_event(session, kind, study_id=study_id, job_id=notification.job_id, notification=notification.id, **detail)
