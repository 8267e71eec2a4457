"""What a job reads, as the ledger has it."""

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import LedgerDamaged
from worker.ledger.tables import JobInput

_log = structlog.get_logger()


def files_of_job(session: Session, job_id: int) -> tuple[str, ...]:
    """Return the files of a job's input, relative to the spool; none, and the log tells, where its row is damaged.

    For what rests on an earlier job: a later one must not wait until somebody mends that.
    """
    try:
        files = session.scalar(select(JobInput.files).where(JobInput.job_id == job_id).order_by(JobInput.id).limit(1))
    except LedgerDamaged as damage:
        _log.error("damaged input left out", job=job_id, cause=damage.args[0], remedy="`wetread ledger check`")
        return ()
    return tuple(files or ())
