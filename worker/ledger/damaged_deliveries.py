"""What is to be done of a job at a destination, whatever its rows hold: what is no value is replaced before."""

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.ledger.damage import REMEDY, replace_wrong, study_id_of_row, what_happened
from worker.ledger.database import Database, write_event
from worker.ledger.tables import Commitment, Delivery, Job, ResultObject, Withdrawal
from worker.ledger.values import dialect_of, wrong_values

_log = structlog.get_logger()

_TO_SEND = f"{Delivery.__tablename__} or {ResultObject.__tablename__}"

_Taken = TypeVar("_Taken")


def first_whole(
    ledger: Database,
    destination: str,
    next_job: Callable[[Session], int | None],
    take: Callable[[Session, int], _Taken | None],
) -> _Taken | None:
    """Return what is taken of the next job that something is due of at a destination; None where nothing is.

    All others would wait behind a job whose rows are damaged: they are mended, and told once that is committed.

    Args:
        ledger: Whose writing transaction it is.
        destination: Its name.
        next_job: Finds the job.
        take: Takes what is due of it; None where another process has done so a moment ago. Raises LedgerDamaged.
    """
    mended: dict[int, LedgerDamaged] = {}
    with ledger.writing() as session:
        taken = _taken(session, destination, next_job, take, mended)
    for job_id, damage in mended.items():
        tell_mended(job_id, damage)
    return taken


def _taken(
    session: Session,
    destination: str,
    next_job: Callable[[Session], int | None],
    take: Callable[[Session, int], _Taken | None],
    mended: dict[int, LedgerDamaged],
) -> _Taken | None:
    while True:
        job_id = next_job(session)
        if job_id is None:
            return None
        try:
            with session.begin_nested():
                return take(session, job_id)
        except LedgerDamaged as damage:
            if job_id in mended:
                raise
            mend_deliveries(session, job_id, destination, damage)
            mended[job_id] = damage


def mend_deliveries(session: Session, job_id: int, destination: str, damage: LedgerDamaged) -> None:
    """Replace what of a job's deliveries to a destination is no value: they leave, and all others do not wait for them.

    When one was made may be lost: it counts from now. What the job's objects lack is replaced as well, and what says
    that they are to be committed to or deleted. Whoever commits this tells it (`tell_mended`).
    """
    table: Any = Delivery.__table__
    objects: Any = ResultObject.__table__
    of_job = select(objects.c.id).where(objects.c.job_id == job_id)
    which = and_(table.c.destination == destination, table.c.result_object_id.in_(of_job))
    uncounted = dict(wrong_values(table, dialect_of(session))).get(table.c.attempts)
    if uncounted is not None:
        # One of the attempts may have left it there, and nobody can tell which were in vain.
        session.execute(update(table).where(which, uncounted).values(attempts=1, in_vain=0))
    replace_wrong(session, table, which)
    replace_wrong(session, objects, objects.c.job_id == job_id)
    wishes: tuple[Any, ...] = (Commitment.__table__, Withdrawal.__table__)
    for wish in wishes:
        replace_wrong(session, wish, wish.c.delivery_id.in_(select(table.c.id).where(which)))
    write_event(
        session,
        "damaged row replaced",
        study_id=study_id_of_row(session, Job, job_id),
        job_id=job_id,
        table=_TO_SEND,
        reason=what_happened(damage),
    )


def tell_mended(job_id: int, damage: LedgerDamaged) -> None:
    """Tell in the log of deliveries that have been mended (`mend_deliveries`)."""
    _log.error("damaged row replaced", table=_TO_SEND, job=job_id, cause=damage.args[0], remedy=REMEDY)
