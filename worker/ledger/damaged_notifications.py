"""A notification whose rows hold what wetread never wrote is put aside: an admin is called, and all others are told."""

from typing import Any

import structlog
from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.notification import UNDER_WAY, NoticeState, NotificationState
from worker.jobs.notification_records import from_ledger
from worker.ledger.damage import replace_wrong, what_happened
from worker.ledger.database import utc_now, write_event
from worker.ledger.tables import Job, Notice, Notification, Revision

_log = structlog.get_logger()

#: In these somebody knows, or nobody need: an admin is not called.
_DONE = (NotificationState.ACKNOWLEDGED, NotificationState.TAKEN_BACK, NotificationState.NOT_ASKED)


def put_notification_aside(session: Session, notification_id: int, damage: LedgerDamaged) -> None:
    """Leave a notification that cannot be told as the ledger has it to an admin; what may be told of it is not known.

    What of its rows cannot be read is replaced, so that pages and commands show them.
    """
    table: Any = Notification.__table__
    notices: Any = Notice.__table__
    replace_wrong(session, table, table.c.id == notification_id)
    replace_wrong(session, notices, notices.c.notification_id == notification_id)
    if not _has_reasons(session, notification_id):
        session.execute(update(table).where(table.c.id == notification_id).values(detail={}))
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
            # Rather one too many that must be looked at: only critical ones are cried out.
            topic=case((table.c.topic == "overdue", table.c.topic), else_="critical"),
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


def _has_reasons(session: Session, notification_id: int) -> bool:
    detail = session.scalar(select(Notification.detail).where(Notification.id == notification_id)) or {}
    try:
        from_ledger(detail.get("reasons", ()))
    except LedgerDamaged:
        return False
    return True
