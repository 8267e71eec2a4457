"""The waiting line in the ledger: who waits in it, and whose job is next.

A claim asks for the first job of each sender, by an index, and no more: what it costs does not depend on how much
waits, nor on how much the ledger holds.
"""

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.jobs.admin_rows import HoldRow
from worker.jobs.job import JobState, Priority
from worker.jobs.turn import Head, next_turn
from worker.ledger.clock import Reading
from worker.ledger.damage import put_aside, require_numbers
from worker.ledger.database import LOCK, utc_now
from worker.ledger.tables import Hold, Job, Turn
from worker.ledger.waits import is_over

#: So many jobs may be snatched away by other workers' claims of the same moment, or be put aside, before we are content
#: with none.
TRIES = 16
#: So many turns nobody ever takes.
_NO_TURN = 2**62


def stand_in_line(session: Session, queue: str, sender: str) -> None:
    """Let a sender take part in the turns of a queue; who is in already keeps the place."""
    if session.get(Turn, (queue, sender)) is None:
        # Somebody else may enter the same sender in this very moment, where several machines share a ledger.
        with suppress(IntegrityError), session.begin_nested():
            session.add(Turn(queue=queue, sender=sender, served=0))


def next_job(session: Session, queues: Sequence[str], now: Reading) -> Job | None:
    """Return the job that is next in these queues, locked, and note the turn; None where nothing can be claimed."""
    open_queues = set(queues) - held(session, "queue")
    taken: set[int] = set()
    for _ in range(TRIES):
        heads = _heads(session, open_queues, now, taken)
        if None in heads:
            continue  # of who has put one aside the next is the first now
        chosen = next_turn(filter(None, heads), utc_now())
        if chosen is None:
            return None
        try:
            job = session.scalar(
                select(Job)
                .where(Job.id == chosen.job_id, Job.state == JobState.QUEUED)
                .with_for_update(of=Job, skip_locked=True, **LOCK)
            )
        except LedgerDamaged as damage:
            put_aside(session, chosen.job_id, JobState.QUEUED, damage)
            continue
        if job is not None:
            _note_turn(session, job)
            return job
        taken.add(chosen.job_id)
    return None


def held(session: Session, kind: str) -> set[str]:
    """Return the names of the queues (or destinations) that an admin holds."""
    return set(session.scalars(select(Hold.name).where(Hold.kind == kind)))


def read_holds(session: Session) -> list[HoldRow]:
    """Return what is held, by kind and name."""
    rows = session.scalars(select(Hold).order_by(Hold.kind, Hold.name))
    return [
        HoldRow(kind="queue" if row.kind == "queue" else "destination", name=row.name, since=row.since, by=row.held_by)
        for row in rows
    ]


def _heads(session: Session, queues: set[str], now: Reading, taken: set[int]) -> list[Head | None]:
    """Return the first job of each sender; None for one that was damaged, and is put aside."""
    first = (
        select(Job.id)
        .where(
            Job.state == JobState.QUEUED,
            Job.queue == Turn.queue,
            Job.sender == Turn.sender,
            is_over(Job, Job.not_before_s, now),
            Job.id.not_in(taken),
        )
        .order_by(Job.rank_s, Job.id)
        .limit(1)
        .correlate(Turn)
        .scalar_subquery()
    )
    turns = session.execute(select(first.label("job_id"), Turn.served).where(Turn.queue.in_(queues)))
    # Whoever's place cannot be read has waited longest.
    served = {row.job_id: row.served if isinstance(row.served, int) else 0 for row in turns if row.job_id is not None}
    jobs = session.execute(select(Job.id, Job.priority, Job.rank_s).where(Job.id.in_(served)))
    return [_head(session, row.id, row.priority, row.rank_s, served[row.id]) for row in jobs.all()]


def _head(session: Session, job_id: int, priority: int, rank_s: float, served: int) -> Head | None:
    try:
        require_numbers(rank_s)
        return Head(job_id=job_id, priority=Priority(priority), rank_s=rank_s, served=served)
    except LedgerDamaged as damage:
        put_aside(session, job_id, JobState.QUEUED, damage)
        return None


def _note_turn(session: Session, job: Job) -> None:
    # To SQLite a text is more than any number.
    latest = session.scalar(select(func.max(Turn.served)).where(Turn.served < _NO_TURN)) or 0
    session.execute(update(Turn).where(Turn.queue == job.queue, Turn.sender == job.sender).values(served=latest + 1))
