"""The states of jobs and deliveries, and what may follow what.

Pure: no database, no clock. Every transition of the ledger asks `require_job` or `require_delivery` first.
"""

import enum
from collections.abc import Mapping

from dicom_node.peer_settings import PriorityName
from worker.errors import IllegalTransition, LedgerDamaged
from worker.jobs.job_remedies import WHAT_NOW
from worker.jobs.recorded_state import RecordedState


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
            DeliveryState.ACCEPTED,  # the settings no longer require a commitment
            DeliveryState.PENDING,
            DeliveryState.ABANDONED,
            DeliveryState.WITHDRAWN,
            DeliveryState.WAIVED,
        }
    ),
    # Back to pending: it was deleted there in the moment in which the job was read so again.
    DeliveryState.COMMITTED: frozenset({DeliveryState.PENDING, DeliveryState.WITHDRAWN}),
    # Back to pending only where the job's latest read is this very one again.
    DeliveryState.WITHDRAWN: frozenset({DeliveryState.PENDING}),
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

#: States of a delivery that wait for its destination.
AWAITED = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.UNCOMMITTED)

#: States from which a job may be held.
HOLDABLE = frozenset(state for state, after in _JOB_STEPS.items() if JobState.HELD in after)

#: States from which `wetread retry` may queue a job again.
RETRYABLE = frozenset(state for state, after in _JOB_STEPS.items() if JobState.QUEUED in after) - {JobState.CLAIMED}


def require_job(before: JobState, after: JobState) -> None:
    """Raise IllegalTransition unless a job may go from one state to the other."""
    if after not in _JOB_STEPS[before]:
        raise IllegalTransition(f"a job that is {before} cannot become {after}: {WHAT_NOW[before]}")


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
