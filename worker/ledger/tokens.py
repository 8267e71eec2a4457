"""Tokens in the ledger: which are to be published, and which jobs need another."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Row, and_, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.job import JobState
from worker.ledger.clock import Reading
from worker.ledger.damage import put_aside
from worker.ledger.database import LOCK, Database
from worker.ledger.tables import Job, Outbox, Turn
from worker.ledger.turns import held, stand_in_line
from worker.ledger.waits import is_over, passed

#: So many tokens are made anew at once, where a broker was flushed or a queue resumed.
_TOKENS = 500
#: What stands for bytes that no text has.
_REPLACED = "\N{REPLACEMENT CHARACTER}"


class TokenLedger(Database):
    """Tokens: none says which job is claimed, and one too many does no harm."""

    def waiting_tokens(self, limit: int = 500, *, without: Collection[str] = ()) -> list[tuple[int, str, int]]:
        """Return (token id, queue, job id) of tokens that are to be published, oldest first; none of some queues."""
        with self.reading() as session:
            rows = session.execute(
                select(Outbox.id, Outbox.queue, Outbox.job_id)
                .where(Outbox.published.is_(False), Outbox.queue.not_in(without))
                .order_by(Outbox.id)
                .limit(limit)
            )
            return [(row.id, row.queue, row.job_id) for row in rows]

    def tokens_published(self, token_ids: Sequence[int]) -> None:
        """Note that these tokens were taken by the broker."""
        now = self.clock.read()
        with self.writing() as session:
            # Those that another transaction has locked are being replaced by new ones, or noted as published.
            tokens = select(Outbox.id).where(Outbox.id.in_(token_ids)).with_for_update(skip_locked=True)
            found = session.scalars(tokens).all()
            noted = {"published": True, "clock": now.mark, "published_s": now.seconds}
            session.execute(update(Outbox).where(Outbox.id.in_(found)).values(**noted))

    def requeue_silent(self, *, silent_s: float, busy: Collection[str] = ()) -> int:
        """Make new tokens for claimable jobs whose last ones have been out for longer than `silent_s`; return how many.

        The broker may have been flushed, or a token taken by a worker that died before it claimed. One token too
        many does no harm. Queues in which tokens wait (`busy`) need none, and those that an admin holds neither.
        """
        now = self.clock.read()
        claimable = and_(Job.state == JobState.QUEUED, is_over(Job, Job.not_before_s, now))
        with self.writing() as session:
            quiet = Job.queue.not_in({*busy, *held(session, "queue")})
            return renew_tokens(session, and_(claimable, quiet), now, silent_s)

    def queues(self) -> list[str]:
        """Return the queues in which anything has ever waited."""
        with self.reading() as session:
            return sorted(queue for queue in session.scalars(select(Turn.queue).distinct()) if isinstance(queue, str))


def _is_in_line(session: Session, job: Row[int, str, str]) -> bool:
    """Tell whether a job can have a turn, by the texts of its queue and sender; it is put aside where they are none."""
    if not isinstance(job.queue, str) or not isinstance(job.sender, str):
        put_aside(session, job.id, JobState.QUEUED, LedgerDamaged("the ledger holds a text that is none"))
        return False
    if _REPLACED in job.queue + job.sender:
        # As it is read: else it would be looked for in vain.
        session.execute(update(Job).where(Job.id == job.id).values(queue=job.queue, sender=job.sender))
    return True


def renew_tokens(session: Session, wanted: ColumnElement[bool], now: Reading, silent_s: float) -> int:
    """Make a new token for jobs that meet the condition and have had none for so long; return how many.

    The oldest few hundred only: a token does not say which job is claimed, and the next are made when these are used.
    """
    fresh = (
        select(Outbox.id)
        .where(
            Outbox.job_id == Job.id,
            or_(
                Outbox.published.is_(False),
                and_(Outbox.clock == now.mark, ~passed(Outbox.published_s, now.seconds - silent_s)),
            ),
        )
        .exists()
    )
    # Locked, so that none of them is claimed or changed between.
    silent = session.execute(
        select(Job.id, Job.queue, Job.sender)
        .where(wanted, ~fresh)
        .order_by(Job.id)
        .limit(_TOKENS)
        .with_for_update(of=Job, skip_locked=True, **LOCK)
    ).all()
    silent = [job for job in silent if _is_in_line(session, job)]
    # A node of the version before, at work on the same ledger, queues jobs and knows nothing of turns.
    for queue, sender in {(job.queue, job.sender) for job in silent}:
        stand_in_line(session, queue, sender)
    if silent:
        session.execute(delete(Outbox).where(Outbox.job_id.in_([job.id for job in silent])))
        session.execute(insert(Outbox), [{"job_id": job.id, "queue": job.queue} for job in silent])
    return len(silent)
