"""The ledger's notifications: recorded with the read, told channel by channel, acknowledged by a person."""

import secrets
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from worker.errors import LeaseLost, UnknownNotification
from worker.job import retry_wait_s
from worker.ledger_clock import Reading
from worker.ledger_database import LOCK, Database, utc_now, write_event
from worker.notification import (
    UNACKNOWLEDGED,
    UNDER_WAY,
    Escalation,
    NoticeState,
    NotificationState,
    OutgoingNotice,
    PlannedNotice,
    Topic,
    escalation,
    from_ledger,
    require_notice,
    require_notification,
    state_when_planned,
)
from worker.tables import Job, JobInput, Model, Notice, Notification, Revision, Study


class NotificationLedger(Database):
    """Notifications. A notice is one of them on its way through one channel."""

    def new_notifications(self) -> list[tuple[int, Topic]]:
        """Return (id, topic) of what nobody has planned yet, oldest first."""
        query = select(Notification.id, Notification.topic).where(Notification.state == NotificationState.NEW)
        with self.reading() as session:
            return [(row.id, cast("Topic", row.topic)) for row in session.execute(query.order_by(Notification.id))]

    def plan_notification(self, notification_id: int, plan: Sequence[PlannedNotice]) -> NotificationState | None:
        """Record who is told, the first step at once; return the state, or None where another has planned it.

        Args:
            notification_id: Of the ledger.
            plan: From `notification.who_is_told`.
        """
        with self.writing() as session:
            notification = session.get_one(Notification, notification_id, with_for_update=LOCK)
            if notification.state != NotificationState.NEW:
                return None
            state = state_when_planned(cast("Topic", notification.topic), plan)
            for planned in plan:
                _let_wait(session, notification, planned)
            session.flush()
            _change(session, notification, state, channels=[planned.channel for planned in plan])
            if plan:
                _tell_step(session, notification, 1, self.clock.read())
            return state

    def escalate(self, *, escalate_after_s: float) -> list[tuple[int, NotificationState]]:
        """Tell the next step of what nobody has acknowledged in time; return (id, state) of what has changed."""
        changed: list[tuple[int, NotificationState]] = []
        # Asked twice a second: where nothing is open the ledger's write lock is left to others.
        if not self._any(select(Notification.id).where(Notification.state == NotificationState.OPEN)):
            return changed
        now = self.clock.read()
        with self.writing() as session:
            open_ones = session.scalars(
                select(Notification)
                .where(Notification.state == NotificationState.OPEN)
                .order_by(Notification.id)
                .with_for_update(skip_locked=True, **LOCK)
            ).all()
            for notification in open_ones:
                decision = escalation(
                    step=notification.step,
                    notices=_states_by_step(session, notification),
                    waited_s=_waited_s(notification, now),
                    escalate_after_s=escalate_after_s,
                )
                if decision is Escalation.NEXT:
                    _tell_step(session, notification, notification.step + 1, now)
                elif decision is Escalation.GIVE_UP:
                    _change(session, notification, NotificationState.UNANSWERED)
                else:
                    continue
                changed.append((notification.id, NotificationState(notification.state)))
        return changed

    def claim_notice(self, channel: str, *, lease_s: float) -> OutgoingNotice | None:
        """Claim what waits for this channel, the oldest first; None where nothing is due."""
        now = self.clock.read()
        due = (
            Notice.channel == channel,
            Notice.state == NoticeState.PENDING,
            or_(Notice.clock != now.mark, Notice.not_before_s <= now.seconds),
        )
        if not self._any(select(Notice.id).where(*due)):
            return None
        with self.writing() as session:
            notice = session.scalar(
                select(Notice).where(*due).order_by(Notice.id).limit(1).with_for_update(skip_locked=True, **LOCK)
            )
            if notice is None:
                return None
            require_notice(NoticeState(notice.state), NoticeState.SENDING)
            notice.state = NoticeState.SENDING
            notice.attempts += 1
            notice.fence += 1
            notice.clock, notice.lease_until_s = now.mark, now.seconds + lease_s
            notice.updated_at = utc_now()
            return _outgoing(session, notice)

    def renew_notice(self, outgoing: OutgoingNotice, *, lease_s: float) -> None:
        """Renew the lease of what is being told. Raises LeaseLost when another notifier has it by now."""
        now = self.clock.read()
        with self.writing() as session:
            notice = _sending(session, outgoing)
            notice.clock, notice.lease_until_s = now.mark, now.seconds + lease_s

    def notice_sent(self, outgoing: OutgoingNotice, *, answer: str = "", acknowledged_by: str = "") -> None:
        """Record that the other side has taken it, and whether it acknowledged by that. Raises LeaseLost."""
        with self.writing() as session:
            notice = _sending(session, outgoing)
            _change_notice(session, notice, NoticeState.SENT, reason=answer)
            if acknowledged_by:
                notification = session.get_one(Notification, notice.notification_id, with_for_update=LOCK)
                _acknowledge(session, notification, acknowledged_by)

    def notice_failed(
        self,
        outgoing: OutgoingNotice,
        *,
        reason: str,
        refused: bool,
        first_retry_s: float,
        longest_retry_s: float,
        give_up_after_s: float,
    ) -> NoticeState:
        """Put back what was not taken, with a growing wait; *lost* where it was refused or has been tried for too long.

        Raises LeaseLost when another notifier has it by now.
        """
        now = self.clock.read()
        with self.writing() as session:
            notice = _sending(session, outgoing)
            _lock_notification(session, notice)
            age_s = (utc_now() - notice.created_at).total_seconds()
            state = NoticeState.LOST if refused or age_s > give_up_after_s else NoticeState.PENDING
            wait_s = retry_wait_s(notice.attempts, first_retry_s, longest_retry_s)
            notice.clock, notice.not_before_s = now.mark, now.seconds + wait_s
            _change_notice(session, notice, state, reason=reason)
            return state

    def free_expired_notices(self) -> int:
        """Put back what a notifier that died was sending: it is told again, with the same key. Return how many."""
        now = self.clock.read()
        with self.writing() as session:
            expired = session.scalars(
                select(Notice)
                .where(
                    Notice.state == NoticeState.SENDING,
                    or_(Notice.clock != now.mark, Notice.lease_until_s < now.seconds),
                )
                .order_by(Notice.id)
                .with_for_update(skip_locked=True, **LOCK)
            ).all()
            for notice in expired:
                _lock_notification(session, notice)
                notice.fence += 1
                notice.clock, notice.not_before_s = now.mark, now.seconds
                _change_notice(session, notice, NoticeState.PENDING, reason="the lease of its notifier ran out")
            return len(expired)

    def acknowledge(self, notification_id: int, *, by: str) -> None:
        """Record that somebody knows; nobody else is told. Raises UnknownNotification, IllegalTransition."""
        with self.writing() as session:
            notification = session.get(Notification, notification_id, with_for_update=LOCK)
            if notification is None:
                raise UnknownNotification(f"there is no notification {notification_id}; `wetread alerts` lists them")
            require_notification(NotificationState(notification.state), NotificationState.ACKNOWLEDGED)
            _acknowledge(session, notification, by)

    def _any(self, query: Any) -> bool:
        with self.reading() as session:
            return session.scalar(query.limit(1)) is not None


def record_notification(session: Session, job: Job, topic: Topic, **detail: Any) -> None:
    """Record that somebody must hear of this job, in the transaction of the change.

    Of a job that was read again and is critical again people are told anew: they know of another read, and perhaps of
    another patient.
    """
    known = session.scalar(
        select(Notification)
        .where(Notification.job_id == job.id, Notification.topic == topic)
        .limit(1)
        .with_for_update(**LOCK)
    )
    if known is not None:
        if topic == "critical":
            _begin_again(session, known, detail)
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
    _note(session, notification, "notification new", topic=topic)


def _begin_again(session: Session, notification: Notification, detail: dict[str, Any]) -> None:
    """Make a notification new, under a key of its own; what is on its way of the one before is called off."""
    for notice in session.scalars(
        select(Notice).where(Notice.notification_id == notification.id).order_by(Notice.id).with_for_update(**LOCK)
    ).all():
        notice.fence += 1
        if NoticeState(notice.state) in UNDER_WAY:
            _change_notice(session, notice, NoticeState.NOT_NEEDED, reason="the job was read again")
    notification.key, notification.detail, notification.step = _new_key(), detail, 0
    notification.created_at, notification.acknowledged_at, notification.acknowledged_by = utc_now(), None, ""
    _change(session, notification, NotificationState.NEW, topic=notification.topic)


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
        _change_notice(session, notice, NoticeState.PENDING)


def _acknowledge(session: Session, notification: Notification, by: str) -> None:
    if NotificationState(notification.state) not in UNACKNOWLEDGED:
        return  # two channels may acknowledge at the same moment
    notification.acknowledged_at, notification.acknowledged_by = utc_now(), by[:64]
    _change(session, notification, NotificationState.ACKNOWLEDGED, by=by[:64])
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
        _change_notice(session, notice, NoticeState.NOT_NEEDED, reason="acknowledged before")


def _change(session: Session, notification: Notification, state: NotificationState, **detail: Any) -> None:
    require_notification(NotificationState(notification.state), state)
    notification.state = state
    _note(session, notification, f"notification {state}", **detail)


def _change_notice(session: Session, notice: Notice, state: NoticeState, *, reason: str = "") -> None:
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
    _note(session, notification, f"notice {state}", **detail)


def _note(session: Session, notification: Notification, kind: str, **detail: Any) -> None:
    job = session.get_one(Job, notification.job_id)
    study_id = session.get_one(Revision, job.revision_id).study_id
    write_event(session, kind, study_id=study_id, job_id=job.id, notification=notification.id, **detail)


def _sending(session: Session, outgoing: OutgoingNotice) -> Notice:
    notice = session.get_one(Notice, outgoing.notice_id, with_for_update=LOCK)
    if notice.state != NoticeState.SENDING or notice.fence != outgoing.fence:
        raise LeaseLost(
            f"notice {notice.id} is {notice.state} by now: sending took longer than its lease, and another notifier "
            "has it; whoever gets it twice knows it by its key"
        )
    return notice


def _lock_notification(session: Session, notice: Notice) -> None:
    """Hold a notification as it is: nobody acknowledges it while one of its notices is put back to be sent."""
    session.get_one(Notification, notice.notification_id, with_for_update=LOCK)


def _waited_s(notification: Notification, now: Reading) -> float:
    # A reading from before a reboot: whatever it waited for has passed.
    return now.seconds - notification.step_since_s if notification.clock == now.mark else float("inf")


def _states_by_step(session: Session, notification: Notification) -> dict[int, list[NoticeState]]:
    states: dict[int, list[NoticeState]] = {}
    for notice in session.scalars(select(Notice).where(Notice.notification_id == notification.id)):
        states.setdefault(notice.step, []).append(NoticeState(notice.state))
    return states


def _outgoing(session: Session, notice: Notice) -> OutgoingNotice:
    notification = session.get_one(Notification, notice.notification_id)
    job = session.get_one(Job, notification.job_id)
    study = session.get_one(Study, session.get_one(Revision, job.revision_id).study_id)
    model = session.get_one(Model, job.model_digest)
    files: Any = session.scalars(select(JobInput.files).where(JobInput.job_id == job.id)).first()
    return OutgoingNotice(
        notice_id=notice.id,
        fence=notice.fence,
        attempts=notice.attempts,
        notification_id=notification.id,
        key=notification.key,
        channel=notice.channel,
        step=notice.step,
        topic=cast("Topic", notification.topic),
        reasons=from_ledger(notification.detail.get("reasons", ())),
        research=bool(notification.detail.get("research", False)),
        deadline_s=notification.detail.get("deadline_s"),
        job_id=job.id,
        study_instance_uid=study.study_instance_uid,
        source_file=files[0] if files else "",
        model_id=model.model_id,
        model_name=model.name,
        model_version=model.version,
        created_at=notification.created_at,
    )
