"""A notification, and its notices, go from one state to another: each change with its event."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.jobs.notification import (
    UNACKNOWLEDGED,
    UNDER_WAY,
    NoticeState,
    NotificationState,
    require_notice,
    require_notification,
)
from worker.ledger.database import LOCK, utc_now, write_event
from worker.ledger.tables import Job, Notice, Notification, Revision


def reading_of(notification: Notification) -> int:
    """Return of which reading of its job a notification is: 1 for the first that was critical."""
    return int(notification.detail.get("reading", 1))


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
    job = session.get_one(Job, notification.job_id)
    study_id = session.get_one(Revision, job.revision_id).study_id
    write_event(session, kind, study_id=study_id, job_id=job.id, notification=notification.id, **detail)
