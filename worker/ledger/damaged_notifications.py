"""A notification whose rows hold what wetread never wrote is put aside: an admin is called, and all others are told."""

from typing import Any

import structlog
from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.notification import TOPICS, UNDER_WAY, NoticeState, NotificationState
from worker.jobs.notification_records import from_ledger
from worker.ledger.damage import damage_told, replace_wrong, require_numbers, what_happened
from worker.ledger.database import LOCK, utc_now, write_event
from worker.ledger.notification_states import reading_of, reading_of_damaged
from worker.ledger.tables import Job, Notice, Notification, Revision

_log = structlog.get_logger()

#: In these somebody knows, or nobody need: an admin is not called.
_DONE = (NotificationState.ACKNOWLEDGED, NotificationState.TAKEN_BACK, NotificationState.NOT_ASKED)


def put_notification_aside(session: Session, notification_id: int, damage: LedgerDamaged) -> None:
    """Leave a notification that cannot be told as the ledger has it to an admin; what may be told of it is not known.

    What of its rows cannot be read is replaced, so that pages and commands show them. Its name stays.
    """
    table: Any = Notification.__table__
    notices: Any = Notice.__table__
    session.execute(select(table.c.id).where(table.c.id == notification_id).with_for_update(**LOCK))
    reading = reading_of_damaged(session, notification_id)
    replace_wrong(session, table, table.c.id == notification_id)
    replace_wrong(session, notices, notices.c.notification_id == notification_id)
    detail = {**_what_is_told(session, notification_id), "reading": reading}
    reason = what_happened(damage)
    known = [state.value for state in NoticeState if state not in UNDER_WAY]
    session.execute(
        update(notices)
        .where(notices.c.notification_id == notification_id, notices.c.state.not_in(known))
        .values(state=NoticeState.LOST.value, reason=reason, fence=notices.c.fence + 1, updated_at=utc_now())
    )
    done = [state.value for state in _DONE]
    session.execute(
        update(table)
        .where(table.c.id == notification_id)
        .values(
            state=case((table.c.state.in_(done), table.c.state), else_=NotificationState.UNANSWERED.value),
            topic=_topic(session, notification_id),
            detail=detail,
        )
    )
    job_id = session.scalar(select(Notification.job_id).where(Notification.id == notification_id))
    revision_id = select(Job.revision_id).where(Job.id == job_id).scalar_subquery()
    write_event(
        session,
        "notification put aside",
        study_id=session.scalar(select(Revision.study_id).where(Revision.id == revision_id)),
        job_id=job_id,
        notification=notification_id,
        reason=reason,
    )
    _log.error(
        "damaged notification put aside",
        notification=notification_id,
        job=job_id,
        cause=damage.args[0],
        remedy="look at the job's results and tell the physician now, then `wetread acknowledge`; "
        "`wetread ledger check` says what else is wrong",
    )


def whole_notification(session: Session, notification_id: int) -> Notification:
    """Return a notification that is there, locked; it is put aside before where it or a notice of it is damaged.

    For who changes it whatever it says: a read that brings the next, a person who knows.
    """
    try:
        with session.begin_nested(), damage_told():
            return _required(session, notification_id)
    except LedgerDamaged as damage:
        put_notification_aside(session, notification_id, damage)
        return _required(session, notification_id)


def _required(session: Session, notification_id: int) -> Notification:
    notification = session.get_one(Notification, notification_id, with_for_update=LOCK, populate_existing=True)
    NotificationState(notification.state)
    reading_of(notification)
    for notice in session.scalars(
        select(Notice).where(Notice.notification_id == notification_id).execution_options(populate_existing=True)
    ):
        require_numbers(notice.attempts, notice.fence)
        NoticeState(notice.state)
    return notification


def _topic(session: Session, notification_id: int) -> str:
    """Return what it is about: rather one critical too many that must be looked at, for only those are cried out."""
    topic, job_id = session.execute(
        select(Notification.topic, Notification.job_id).where(Notification.id == notification_id)
    ).one()
    if topic in TOPICS:
        return str(topic)
    others = session.scalars(
        select(Notification.topic).where(Notification.job_id == job_id, Notification.id != notification_id)
    ).all()
    # A job has one of each: a later read may have brought the critical one.
    return next((free for free in TOPICS if free not in others), str(topic))


def _what_is_told(session: Session, notification_id: int) -> dict[str, Any]:
    detail = session.scalar(select(Notification.detail).where(Notification.id == notification_id)) or {}
    try:
        from_ledger(detail.get("reasons", ()))
    except LedgerDamaged:
        return {}
    return detail
