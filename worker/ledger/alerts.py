"""The ledger's notifications as people see them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.notification import UNACKNOWLEDGED, NoticeState, NotificationState, Topic
from worker.jobs.notification_records import NoticeRow, NotificationRow, from_ledger, name_of
from worker.jobs.overview import Alerts, percentile
from worker.ledger.database import Database
from worker.ledger.job_rows import NO_TIME
from worker.ledger.notification_states import reading_of, reading_of_damaged
from worker.ledger.tables import Job, Model, Notice, Notification, Revision, Study
from worker.ledger.values import readable_values

_LATEST = 200


class AlertViews(Database):
    """What `wetread alerts` and the page ask."""

    def notifications(self, limit: int = 100, *, unacknowledged: bool = False) -> list[NotificationRow]:
        """Return notifications with their notices, newest first; on request only those nobody has acknowledged."""
        with self.reading() as session:
            return notification_rows(session, limit, unacknowledged=unacknowledged)


def read_alerts(session: Session, shown: int) -> Alerts:
    """Return how many notifications are in each state, the latest that nobody has acknowledged, and how fast it went.

    Args:
        session: Of one transaction.
        shown: At most so many are listed.
    """
    counted = session.execute(
        select(Notification.topic, Notification.state, func.count()).group_by(Notification.topic, Notification.state)
    ).all()
    seconds = _told_after_s(session)
    lost = session.scalar(
        select(func.count(func.distinct(Notice.notification_id)))
        .join(Notification, Notification.id == Notice.notification_id)
        .where(Notice.state == NoticeState.LOST, Notification.state.in_(UNACKNOWLEDGED))
    )
    counts = Counter[tuple[Topic, NotificationState]]()
    for topic, state, count in counted:
        counts[cast("Topic", topic), _state(state)] += count
    return Alerts(
        counts=counts,
        unacknowledged=tuple(notification_rows(session, shown, unacknowledged=True)),
        lost=lost or 0,
        told_p50_s=percentile(seconds, 0.5) if seconds else None,
        told_p95_s=percentile(seconds, 0.95) if seconds else None,
    )


def _told_after_s(session: Session) -> list[float]:
    first_sent = (
        select(func.min(Notice.updated_at))
        .where(Notice.notification_id == Notification.id, Notice.state == NoticeState.SENT)
        .scalar_subquery()
    )
    latest = (
        select(Notification.created_at, first_sent)
        .where(first_sent.is_not(None))
        .order_by(Notification.id.desc())
        .limit(_LATEST)
    )
    try:
        found = session.execute(latest).all()
    except LedgerDamaged:
        return []  # one of them is no time: better no figure than no page
    return [max(0.0, (sent - created).total_seconds()) for created, sent in found if sent is not None]


def notification_rows(session: Session, limit: int, *, unacknowledged: bool) -> list[NotificationRow]:
    """Return notifications, newest first: two queries, however many; more where some of their rows are damaged."""
    query = (
        select(Notification, Study.study_instance_uid, Model.model_id)
        .join(Job, Job.id == Notification.job_id)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Study, Study.id == Revision.study_id)
        .join(Model, Model.digest == Job.model_digest)
        .order_by(Notification.id.desc())
        .limit(limit)
    )
    if unacknowledged:
        query = query.where(Notification.state.in_(UNACKNOWLEDGED))
    try:
        return _whole_rows(session, query)
    except LedgerDamaged:
        ids = session.scalars(query.with_only_columns(Notification.id)).all()
        return [_readable_row(session, query, notification_id) for notification_id in ids]


def _readable_row(session: Session, query: Select[*tuple[Any, ...]], notification_id: int) -> NotificationRow:
    try:
        return _whole_rows(session, query.where(Notification.id == notification_id))[0]
    except LedgerDamaged:
        return _damaged_row(session, notification_id)


def _damaged_row(session: Session, notification_id: int) -> NotificationRow:
    """Return what can be read of a notification; who was told is left out."""
    told = readable_values(session, Notification, Notification.id == notification_id)
    job = readable_values(session, Job, Job.id == told["job_id"])
    revision = readable_values(session, Revision, Revision.id == job.get("revision_id"))
    study = readable_values(session, Study, Study.id == revision.get("study_id"))
    model = readable_values(session, Model, Model.digest == job.get("model_digest"))
    return NotificationRow(
        id=notification_id,
        name=name_of(notification_id, reading_of_damaged(session, notification_id)),
        topic="overdue" if told["topic"] == "overdue" else "critical",
        state=_state(told["state"]),
        job_id=told["job_id"],
        study_instance_uid=study.get("study_instance_uid") or "",
        model_id=model.get("model_id") or "",
        reasons=(),
        created_at=told["created_at"] or NO_TIME,
        acknowledged_at=told["acknowledged_at"],
        acknowledged_by=told["acknowledged_by"] or "",
        told_after_s=None,
    )


def _state(recorded: Any) -> NotificationState:
    """Return a state as it is shown: in one that is none nobody has acknowledged it, and nobody else is told."""
    return NotificationState(recorded) if recorded in set(NotificationState) else NotificationState.UNANSWERED


def _whole_rows(session: Session, query: Select[*tuple[Any, ...]]) -> list[NotificationRow]:
    found: Sequence[Any] = session.execute(query).all()
    notices: dict[int, list[Notice]] = defaultdict(list)
    ids = [notification.id for notification, _, _ in found]
    told = select(Notice).where(Notice.notification_id.in_(ids)).order_by(Notice.step, Notice.id)
    for notice in session.scalars(told):
        notices[notice.notification_id].append(notice)
    return [_row(notification, uid, model_id, notices[notification.id]) for notification, uid, model_id in found]


def _row(notification: Notification, uid: str, model_id: str, notices: Sequence[Notice]) -> NotificationRow:
    sent = [notice.updated_at for notice in notices if notice.state == NoticeState.SENT]
    told_after_s = max(0.0, (min(sent) - notification.created_at).total_seconds()) if sent else None
    return NotificationRow(
        id=notification.id,
        name=name_of(notification.id, reading_of(notification)),
        topic=cast("Topic", notification.topic),
        state=_state(notification.state),
        job_id=notification.job_id,
        study_instance_uid=uid,
        model_id=model_id,
        reasons=from_ledger(notification.detail.get("reasons", ())),
        created_at=notification.created_at,
        acknowledged_at=notification.acknowledged_at,
        acknowledged_by=notification.acknowledged_by,
        told_after_s=told_after_s,
        notices=tuple(
            NoticeRow(
                channel=notice.channel,
                step=notice.step,
                state=NoticeState(notice.state),
                attempts=notice.attempts,
                reason=notice.reason,
                updated_at=notice.updated_at,
            )
            for notice in notices
        ),
    )
