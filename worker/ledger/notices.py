"""The ledger's notices: each is a notification on its way through one channel, claimed, told, or tried again."""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

from worker.errors import LeaseLost, LedgerDamaged
from worker.jobs.job import JobState, retry_wait_s
from worker.jobs.notification import TOPICS, NoticeState, require_notice
from worker.jobs.notification_records import OutgoingNotice, from_ledger, name_of
from worker.ledger.clock import Reading
from worker.ledger.damage import damage_told, require_numbers
from worker.ledger.damaged_notifications import put_notification_aside
from worker.ledger.database import LOCK, Database, utc_now
from worker.ledger.inputs import files_of_job
from worker.ledger.notification_states import acknowledge_open, change_notice, reading_of
from worker.ledger.tables import Job, Model, Notice, Notification, Revision, Study
from worker.ledger.turns import TRIES
from worker.ledger.versions import is_ahead
from worker.ledger.waits import is_over


class NoticeLedger(Database):
    """Notices. Whoever writes about one that is being sent shows the fence of the claim."""

    def claim_notice(self, channel: str, *, lease_s: float) -> OutgoingNotice | None:
        """Claim what waits for this channel, the oldest first; None where nothing is due."""
        now = self.clock.read()
        due = [
            Notice.channel == channel,
            Notice.state == NoticeState.PENDING,
            is_over(Notice, Notice.not_before_s, now),
        ]
        if not self.finds(select(Notice.id).where(*due)):
            return None
        with self.writing() as session:
            if is_ahead(session):
                # What is about something that only a later wetread knows is left to that one.
                known = select(Notification.id).where(Notification.topic.in_(TOPICS))
                due.append(Notice.notification_id.in_(known))
            for _ in range(TRIES):
                found = session.execute(
                    select(Notice.id, Notice.notification_id)
                    .where(*due)
                    .order_by(Notice.id)
                    .limit(1)
                    .with_for_update(skip_locked=True, **LOCK)
                ).first()
                if found is None:
                    return None
                try:
                    with session.begin_nested(), damage_told():
                        return _claimed(session, found.id, now, lease_s)
                except LedgerDamaged as damage:
                    # All others would wait behind it.
                    put_notification_aside(session, found.notification_id, damage)
            return None

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
            change_notice(session, notice, NoticeState.SENT, reason=answer)
            if acknowledged_by:
                notification = session.get_one(Notification, notice.notification_id, with_for_update=LOCK)
                acknowledge_open(session, notification, acknowledged_by)

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
            change_notice(session, notice, state, reason=reason)
            return state

    def lose_unserved(self, channels: Collection[str], *, give_up_after_s: float) -> int:
        """Give up what has waited too long for a channel that is none of these: nobody sends it. Return how many."""
        before = utc_now() - timedelta(seconds=give_up_after_s)
        unserved = (
            Notice.state == NoticeState.PENDING,
            Notice.channel.not_in(channels),
            Notice.created_at < before,
        )
        if not self.finds(select(Notice.id).where(*unserved)):
            return 0
        with self.writing() as session:
            return _each(session, unserved, lambda notice_id: _lost(session, notice_id))

    def free_expired_notices(self) -> int:
        """Put back what a notifier that died was sending: it is told again, with the same key. Return how many."""
        now = self.clock.read()
        with self.writing() as session:
            expired = (Notice.state == NoticeState.SENDING, is_over(Notice, Notice.lease_until_s, now))
            return _each(session, expired, lambda notice_id: _freed(session, notice_id, now))


def _each(session: Session, which: Sequence[ColumnElement[bool]], change: Callable[[int], bool]) -> int:
    """Change notices one by one, so that a damaged one is put aside and keeps no other; return how many were."""
    found = session.execute(
        select(Notice.id, Notice.notification_id)
        .where(*which)
        .order_by(Notice.id)
        .with_for_update(skip_locked=True, **LOCK)
    ).all()
    changed = 0
    for it in found:
        try:
            with session.begin_nested(), damage_told():
                changed += change(it.id)
        except LedgerDamaged as damage:
            put_notification_aside(session, it.notification_id, damage)
    return changed


def _lost(session: Session, notice_id: int) -> bool:
    notice = session.get_one(Notice, notice_id, populate_existing=True)
    if notice.state != NoticeState.PENDING:
        return False  # put aside with another of its notification
    change_notice(session, notice, NoticeState.LOST, reason="the settings name no such channel any more")
    return True


def _freed(session: Session, notice_id: int, now: Reading) -> bool:
    notice = session.get_one(Notice, notice_id, populate_existing=True)
    if notice.state != NoticeState.SENDING:
        return False  # put aside with another of its notification
    require_numbers(notice.attempts, notice.fence)
    _lock_notification(session, notice)
    notice.fence += 1
    notice.clock, notice.not_before_s = now.mark, now.seconds
    change_notice(session, notice, NoticeState.PENDING, reason="the lease of its notifier ran out")
    return True


def _claimed(session: Session, notice_id: int, now: Reading, lease_s: float) -> OutgoingNotice:
    notice = session.get_one(Notice, notice_id, populate_existing=True)
    require_numbers(notice.attempts, notice.fence)
    require_notice(NoticeState(notice.state), NoticeState.SENDING)
    notice.state = NoticeState.SENDING
    notice.attempts += 1
    notice.fence += 1
    notice.clock, notice.lease_until_s = now.mark, now.seconds + lease_s
    notice.updated_at = utc_now()
    return _outgoing(session, notice)


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


def _outgoing(session: Session, notice: Notice) -> OutgoingNotice:
    notification = session.get_one(Notification, notice.notification_id)
    # Not whole rows: what of a job or study is not told, and cannot be read, must not keep the rest from being told.
    found = session.execute(
        select(
            Job.id,
            Job.state,
            Job.recipe_digest,
            Revision.study_id,
            Study.study_instance_uid,
            Model.model_id,
            Model.name,
            Model.version,
        )
        .join(Revision, Revision.id == Job.revision_id)
        .join(Study, Study.id == Revision.study_id)
        .join(Model, Model.digest == Job.model_digest)
        .where(Job.id == notification.job_id)
    ).one()
    if notification.topic not in TOPICS:
        raise LedgerDamaged("the ledger holds a topic that is none")
    return OutgoingNotice(
        notice_id=notice.id,
        fence=notice.fence,
        attempts=notice.attempts,
        notification_id=notification.id,
        name=name_of(notification.id, reading_of(notification)),
        key=notification.key,
        channel=notice.channel,
        step=notice.step,
        topic=notification.topic,
        reasons=from_ledger(notification.detail.get("reasons", ())),
        research=bool(notification.detail.get("research", False)),
        deadline_s=notification.detail.get("deadline_s"),
        job_id=found.id,
        study_instance_uid=found.study_instance_uid,
        # Empty where nobody knows: a message without accession number is better than none.
        source_file=next(iter(files_of_job(session, found.id)), ""),
        model_id=found.model_id,
        model_name=found.name,
        model_version=found.version,
        created_at=notification.created_at,
        is_read=_is_read(session, found),
    )


def _is_read(session: Session, job: Row[int, str, str, int, str, str, str, str]) -> bool:
    """Tell whether a job has been read by now, or another that reads later images instead of it."""
    if job.recipe_digest or job.state != JobState.SUPERSEDED:
        return bool(job.recipe_digest)
    instead = (
        select(Job.id)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Model, Model.digest == Job.model_digest)
        .where(Revision.study_id == job.study_id, Model.model_id == job.model_id)
        .where(Job.id > job.id, Job.recipe_digest != "")
    )
    return session.scalar(instead.limit(1)) is not None
