"""What a check of the ledger is given, and what it finds."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.jobs.job import JobState
from worker.ledger.clock import Reading
from worker.ledger.facts import JobFacts, StudyFacts

#: Where nothing of ours helps.
NO_MENDING = (
    "somebody else has written to the ledger, or this is a defect of wetread: put a backup back, or keep a copy and "
    "report it with the job's timeline"
)


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """Something that does not hold.

    Attributes:
        invariant: Its name.
        study_instance_uid: Whose; empty where no study is known.
        job_id: Whose; None where it is about no job.
        what: What does not hold; names no patient.
        remedy: What to do.
        mendable: Whether `wetread ledger check --mend` puts it right.
    """

    invariant: str
    study_instance_uid: str
    job_id: int | None
    what: str
    remedy: str
    mendable: bool = False


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What the rows are held against.

    Attributes:
        now: The ledger's own clock.
        wall: UTC.
        patience_s: What the reconciler has not done for so long, it does not do.
        wanted: Kinds of object by destination, as the settings are now.
        fed: Queues in which something was said to workers within that time, from `FactsLedger.fed_queues`.
        first_deliveries: From `FactsLedger.first_deliveries`: since when a destination gets a kind.
    """

    now: Reading
    wall: datetime
    patience_s: float
    fed: Collection[str]
    wanted: Mapping[str, Sequence[str]]
    first_deliveries: Mapping[tuple[str, str], int]


#: (job or None, what is wrong, remedy, whether it can be mended)
Found = tuple[JobFacts | None, str, str, bool]
Check = Callable[[StudyFacts, Moment], Iterator[Found]]


#: What must hold of a database as such, and what to do where it does not.
DATABASE_FLAWS: Mapping[str, str] = {
    "the ledger's file is whole": "stop wetread, keep a copy of the file, and put a backup of the ledger back",
    "rows refer to rows that are there": "somebody else has deleted rows; put a backup of the ledger back",
    "values are what they should be": "somebody else has changed it; write what a backup has there, or put that back",
    "the spool's studies are known": "put a backup of the ledger back; else `wetread node` takes them all up when it "
    "starts, and they are read again",
}


def read_anew(job: JobFacts, what: str) -> str:
    """Say how a job is read again; the same images and model give the same objects, so nothing is doubled."""
    it = job.job.id
    match job.job.state:
        case JobState.READ:
            return f"`wetread hold {it}`, then `wetread retry {it}`: it is read again with the same results, and {what}"
        case JobState.FAILED | JobState.SKIPPED | JobState.HELD | JobState.CANCELLED:
            return f"`wetread retry {it}` reads it, and then {what}"
        case _:
            return NO_MENDING
