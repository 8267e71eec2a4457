"""The states of jobs and deliveries, what may follow what, and the records that the ledger hands out.

Pure: no database, no clock. Every transition of the ledger asks `require_job` or `require_delivery` first.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dicom_node.peer_settings import PriorityName
from worker.errors import IllegalTransition, LedgerDamaged
from worker.other_series import NO_OTHERS, OtherSeries
from worker.recorded_state import RecordedState


class JobState(RecordedState):
    """What has become of one model's read of one revision."""

    QUEUED = "queued"  #: waiting for a worker, or for its next attempt
    CLAIMED = "claimed"  #: a worker holds the lease
    READ = "read"  #: its results are on disk; delivery goes on by itself
    FAILED = "failed"  #: every attempt failed; the reason says why
    HELD = "held"  #: an admin must look before anything is sent
    SKIPPED = "skipped"  #: the model does not read this study; the reason says why
    CANCELLED = "cancelled"  #: an admin said so
    SUPERSEDED = "superseded"  #: a later revision's job has taken its place


class DeliveryState(RecordedState):
    """What has become of one object on its way to one destination."""

    PENDING = "pending"  #: waiting for its first or next attempt
    SENDING = "sending"  #: a deliverer holds the lease
    ACCEPTED = "accepted"  #: the archive answered success, a warning, or that it has it already
    UNCOMMITTED = "uncommitted"  #: accepted, where only a commitment counts: the archive has not committed to it yet
    COMMITTED = "committed"  #: the archive has taken responsibility (PS3.4 J)
    REFUSED = "refused"  #: the archive will not take it; the reason says why
    REPLACED = "replaced"  #: another object goes there instead: the archive would not take it, or a newer read is there
    ABANDONED = "abandoned"  #: the destination stayed away, or did not commit, for too long
    WAIVED = (
        "waived"  #: refused, given up or of a destination that is no more, and an admin said: it need not get there
    )
    WITHDRAWN = "withdrawn"  #: deleted from the archive, since a later read has taken its place


class Priority(enum.IntEnum):
    """How urgent a job is; lower runs first."""

    STAT = 0
    URGENT = 1
    ROUTINE = 2
    BACKLOG = 3

    @classmethod
    def _missing_(cls, value: object) -> "Priority":
        del value  # whoever wrote it may have put anything there
        raise LedgerDamaged("the ledger holds a priority that is none")

    @classmethod
    def named(cls, name: PriorityName) -> "Priority":
        """Return the one that is written so in settings and on the command line."""
        return cls[name.upper()]


_JOB_STEPS: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.CLAIMED, JobState.HELD, JobState.CANCELLED, JobState.SUPERSEDED}),
    JobState.CLAIMED: frozenset(
        {
            JobState.READ,
            JobState.QUEUED,  # handed back, an attempt that failed, or a lease that ran out
            JobState.FAILED,
            JobState.HELD,
            JobState.SKIPPED,
            JobState.CANCELLED,
            JobState.SUPERSEDED,
        }
    ),
    JobState.READ: frozenset({JobState.HELD, JobState.SUPERSEDED}),
    JobState.FAILED: frozenset({JobState.QUEUED, JobState.SUPERSEDED}),
    JobState.HELD: frozenset({JobState.QUEUED, JobState.READ, JobState.CANCELLED, JobState.SUPERSEDED}),
    JobState.SKIPPED: frozenset({JobState.QUEUED, JobState.SUPERSEDED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED, JobState.SUPERSEDED}),
    JobState.SUPERSEDED: frozenset(),
}

_DELIVERY_STEPS: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    # Waived: the settings no longer name the destination.
    DeliveryState.PENDING: frozenset(
        {DeliveryState.SENDING, DeliveryState.ABANDONED, DeliveryState.REPLACED, DeliveryState.WAIVED}
    ),
    DeliveryState.SENDING: frozenset(
        {
            DeliveryState.ACCEPTED,
            DeliveryState.UNCOMMITTED,
            DeliveryState.PENDING,
            DeliveryState.REFUSED,
            DeliveryState.REPLACED,
            DeliveryState.ABANDONED,
        }
    ),
    # Back to pending: the archive said that it cannot commit, so it gets the object again.
    DeliveryState.ACCEPTED: frozenset({DeliveryState.COMMITTED, DeliveryState.PENDING, DeliveryState.WITHDRAWN}),
    DeliveryState.UNCOMMITTED: frozenset(
        {
            DeliveryState.COMMITTED,
            DeliveryState.PENDING,
            DeliveryState.ABANDONED,
            DeliveryState.WITHDRAWN,
            DeliveryState.WAIVED,
        }
    ),
    DeliveryState.COMMITTED: frozenset({DeliveryState.WITHDRAWN}),
    DeliveryState.WITHDRAWN: frozenset(),
    DeliveryState.REFUSED: frozenset({DeliveryState.PENDING, DeliveryState.WAIVED, DeliveryState.REPLACED}),
    DeliveryState.ABANDONED: frozenset(
        {DeliveryState.PENDING, DeliveryState.WAIVED, DeliveryState.REPLACED, DeliveryState.WITHDRAWN}
    ),
    DeliveryState.WAIVED: frozenset({DeliveryState.PENDING, DeliveryState.REPLACED, DeliveryState.WITHDRAWN}),
    # Never sent, not even by an admin's wish: what went there instead would lie over it. What was tried may be there.
    # Back to pending only where the job's latest read is this very one again, and not the one that replaced it.
    DeliveryState.REPLACED: frozenset({DeliveryState.PENDING, DeliveryState.WITHDRAWN}),
}

#: States of a job whose objects may be sent.
LEAVING = (JobState.READ, JobState.FAILED, JobState.SKIPPED)

#: States from which `wetread retry` may queue a job again.
RETRYABLE = frozenset(state for state, after in _JOB_STEPS.items() if JobState.QUEUED in after) - {JobState.CLAIMED}


def require_job(before: JobState, after: JobState) -> None:
    """Raise IllegalTransition unless a job may go from one state to the other."""
    if after not in _JOB_STEPS[before]:
        raise IllegalTransition(f"a job that is {before} cannot become {after}; look at its timeline: wetread job ID")


def require_delivery(before: DeliveryState, after: DeliveryState) -> None:
    """Raise IllegalTransition unless a delivery may go from one state to the other."""
    if after not in _DELIVERY_STEPS[before]:
        raise IllegalTransition(f"a delivery that is {before} cannot become {after}; look at its job: wetread job ID")


def state_after_failure(attempts: int, max_attempts: int, *, permanent: bool) -> JobState:
    """Decide what follows a failed attempt: another one, or *failed* after the last or where none can help."""
    return JobState.FAILED if permanent or attempts >= max_attempts else JobState.QUEUED


def retry_wait_s(attempts: int, first_s: float, longest_s: float) -> float:
    """Return the seconds to wait after the given number of attempts: doubling, with a cap."""
    return min(longest_s, first_s * 2.0 ** min(max(attempts - 1, 0), 30))


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A model as it is on disk.

    Attributes:
        model_id: The card's id.
        model_digest: Of the model's files.
        name: The card's name.
        version: The card's version.
    """

    model_id: str
    model_digest: str
    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A job that this worker may work on until its lease runs out.

    Attributes:
        job_id: Of the ledger.
        fence: Grows with every claim; a write with an older one is refused.
        attempt: 1 for the first.
        study_instance_uid: (0020,000D).
        study_folder: In the spool.
        series_instance_uid: Of the input.
        files: Of the input, relative to the spool.
        model_id: The card's id.
        model_digest: The very model that it was queued for.
        queued_at: UTC; dates and times inside the results derive from it, so that a retry gives the same bytes.
        calling_ae_title: Who sent the study.
        others: What of the study fits the model as well and is not read.
    """

    job_id: int
    fence: int
    attempt: int
    study_instance_uid: str
    study_folder: str
    series_instance_uid: str
    files: tuple[str, ...]
    model_id: str
    model_digest: str
    queued_at: datetime
    calling_ae_title: str = ""
    others: OtherSeries = NO_OTHERS


@dataclass(frozen=True, kw_only=True)
class ResultFile:
    """An encoded result on disk.

    Attributes:
        kind: SEG, SR, ECG-SR or TEXT-SR.
        sop_class_uid: (0008,0016).
        sop_instance_uid: (0008,0018).
        series_instance_uid: (0020,000E).
        file: Relative to the results folder.
        sha256: Of the file, hex.
    """

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class OutgoingObject:
    """One object that a deliverer may send now."""

    delivery_id: int
    fence: int
    attempts: int
    kind: str
    sop_instance_uid: str
    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class CommitmentBatch:
    """What one request for commitment asks for: objects of one job that one destination has taken.

    Attributes:
        job_id: Of the ledger.
        transaction_uid: (0008,1195), recorded before the request is made.
        instances: (SOP Class UID, SOP Instance UID) of each.
    """

    job_id: int
    transaction_uid: str
    instances: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class WithdrawnObject:
    """One object that is to be deleted where it went."""

    delivery_id: int
    job_id: int
    attempts: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class OutgoingBatch:
    """All objects of one job that wait for one destination.

    Attributes:
        job_id: Of the ledger.
        destination: Its name.
        study_instance_uid: (0020,000D).
        source_file: One of the files that were read, relative to the spool: whose study this was at receipt.
        released: Whether an admin said that the results belong to the study as it is now.
        objects: In the order in which they should be sent.
    """

    job_id: int
    destination: str
    study_instance_uid: str
    source_file: str
    released: bool
    objects: tuple[OutgoingObject, ...]


@dataclass(frozen=True, kw_only=True)
class DeliveryRow:
    """A delivery as the admin sees it."""

    id: int
    kind: str
    sop_instance_uid: str
    file: str
    destination: str
    state: DeliveryState
    attempts: int
    reason: str
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job as the admin sees it.

    Attributes:
        state: As in the ledger.
        delivered: Whether it is read and every delivery is accepted, or committed where only that counts.
        reason: Why it failed, is held or was skipped; empty otherwise.
        door_to_result_s: From the last instance's arrival to the last delivery's acceptance; None before that.
        sender: AE title of who sent the study.
    """

    id: int
    study_instance_uid: str
    series_instance_uid: str
    revision: int
    model_id: str
    model_version: str
    queue: str
    state: JobState
    priority: Priority
    attempts: int
    reason: str
    runtime: str
    queued_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
    delivered: bool
    door_to_result_s: float | None
    deliveries: tuple[DeliveryRow, ...] = ()
    sender: str = ""


HoldKind = Literal["queue", "destination"]
"""What can be held as a whole."""


@dataclass(frozen=True, kw_only=True)
class HoldRow:
    """A queue or destination that an admin holds."""

    kind: HoldKind
    name: str
    since: datetime
    by: str


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """One line of a study's timeline."""

    at: datetime
    kind: str
    job_id: int | None
    detail: Mapping[str, object]
