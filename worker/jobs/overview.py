"""What an admin wants to know at a glance: the records, and how they follow from jobs and deliveries. Pure."""

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from worker.jobs.admin_rows import HoldRow, JobRow
from worker.jobs.job import DeliveryState, JobState, Priority
from worker.jobs.notification import NotificationState, Topic
from worker.jobs.notification_records import NotificationRow

#: What an archive has taken, or what asks for nothing more since another object takes its place.
ARRIVED = frozenset({DeliveryState.ACCEPTED, DeliveryState.COMMITTED, DeliveryState.REPLACED, DeliveryState.WITHDRAWN})
#: What nobody waits for any more.
DONE_WITH = ARRIVED | {DeliveryState.WAIVED}
#: What no archive will get unless somebody acts.
LOST = frozenset({DeliveryState.REFUSED, DeliveryState.ABANDONED})


class StudyState(enum.StrEnum):
    """What has become of a study; derived, never stored."""

    ATTENTION = "attention"  #: a job failed or is held, or an archive would not take a result
    RECEIVING = "receiving"  #: images still arrive, or may
    READING = "reading"  #: a job waits or runs
    DELIVERING = "delivering"  #: results are on their way
    DELIVERED = "delivered"  #: every result is in its archive, or an admin said that it need not be
    NOT_READ = "not read"  #: no model reads it; its jobs say why


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """A study as the admin sees it.

    Attributes:
        study_instance_uid: (0020,000D).
        folder: Its folder in spool and results alike.
        calling_ae_title: Who sent its first image.
        revisions: How often it was taken to be complete.
        jobs: Newest first, those of earlier revisions too.
    """

    study_instance_uid: str
    folder: str
    calling_ae_title: str
    receiving: bool
    first_received_at: datetime
    last_received_at: datetime
    revisions: int
    state: StudyState
    jobs: tuple[JobRow, ...]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Something that nobody but an admin can put right.

    Attributes:
        what: "failed" or "held" for a job, "refused" or "abandoned" for a delivery.
        destination: Of the delivery; empty for a job.
        reason: In the ledger's words, with cause and remedy.
    """

    at: datetime
    what: str
    job_id: int
    study_instance_uid: str
    model_id: str
    destination: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Results that wait for one destination.

    Attributes:
        oldest_s: Since the oldest of them was written.
        tried: How many of them have been tried at least once.
    """

    destination: str
    count: int
    oldest_s: float
    tried: int


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Whether a destination answers.

    Attributes:
        answering: As the deliverer found it last.
        reason: Why not; empty where it does.
        since: When that began, UTC.
    """

    answering: bool
    reason: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class DoorToResult:
    """Seconds from a study's last image to its last result's acceptance, over the latest delivered jobs."""

    count: int
    p50_s: float
    p95_s: float


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """What somebody must hear of, and whether anybody has.

    Attributes:
        counts: Notifications by topic and state.
        unacknowledged: The latest that nobody has acknowledged, newest first.
        lost: How many of those a channel would not take, or was away for too long for.
        told_p50_s: From the read until the first channel had it, over the latest; None before the first.
        told_p95_s: The same.
    """

    counts: Mapping[tuple[Topic, NotificationState], int] = field(default_factory=dict)
    unacknowledged: tuple[NotificationRow, ...] = ()
    lost: int = 0
    told_p50_s: float | None = None
    told_p95_s: float | None = None

    def count(self, *states: NotificationState) -> int:
        """Return how many notifications of something critical are in these states."""
        return sum(self.counts.get(("critical", state), 0) for state in states)


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The whole house in one transaction's view.

    Attributes:
        at: When the ledger was asked, UTC.
        jobs: By state; every state is a key.
        studies_waiting: Studies with a queued or claimed job.
        oldest_queued_s: Age of the oldest queued job; None when none is queued.
        deliveries: By destination and state.
        waiting: By destination: pending and sending, of jobs that are not held.
        failed_lately: Jobs that failed within `LATELY`.
        lost_lately: Deliveries refused or abandoned within `LATELY`.
        failures: The latest, newest first: jobs failed or held, deliveries refused or abandoned.
        door_to_result: None before the first delivered job.
        alerts: Critical findings, and reads that did not come in time.
        queued: Jobs that wait, by queue and priority.
        held: Queues and destinations that an admin holds.
        destinations: Whether each answers, of those that have ever failed.
    """

    at: datetime
    jobs: Mapping[JobState, int]
    studies_receiving: int
    studies_waiting: int
    oldest_queued_s: float | None
    deliveries: Mapping[tuple[str, DeliveryState], int]
    waiting: tuple[Waiting, ...]
    failed_lately: int
    lost_lately: int
    failures: tuple[Failure, ...]
    door_to_result: DoorToResult | None
    alerts: Alerts = Alerts()
    queued: Mapping[tuple[str, Priority], int] = field(default_factory=dict)
    held: tuple[HoldRow, ...] = ()
    destinations: Mapping[str, Answering] = field(default_factory=dict)

    @property
    def backlog(self) -> int:
        """Jobs that are not read yet: queued and claimed."""
        return self.jobs[JobState.QUEUED] + self.jobs[JobState.CLAIMED]


def is_delivered(state: JobState, deliveries: Sequence[DeliveryState]) -> bool:
    """Tell whether a job is read and nobody waits for a result of it; without any delivery nothing has arrived."""
    return state is JobState.READ and bool(deliveries) and all(each in DONE_WITH for each in deliveries)


def has_lost_results(job: JobRow) -> bool:
    """Tell whether some destination will not get a result of the job unless somebody acts."""
    return any(row.state in LOST for row in job.deliveries)


def study_state(*, receiving: bool, jobs: Sequence[JobRow]) -> StudyState:
    """Derive a study's state from its jobs; what needs an admin comes first. Superseded jobs do not count."""
    current = [job for job in jobs if job.state is not JobState.SUPERSEDED]
    states = {job.state for job in current}
    if states & {JobState.FAILED, JobState.HELD} or any(map(has_lost_results, current)):
        return StudyState.ATTENTION
    if receiving:
        return StudyState.RECEIVING
    if states & {JobState.QUEUED, JobState.CLAIMED}:
        return StudyState.READING
    read = [job for job in current if job.state is JobState.READ]
    if not read:
        return StudyState.NOT_READ
    return StudyState.DELIVERED if all(job.delivered for job in read) else StudyState.DELIVERING


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the values do not exceed (nearest rank).

    Raises ValueError when there are no values.
    """
    if not values:
        raise ValueError("no values, no percentile")
    rank = max(1, math.ceil(share * len(values)))
    return sorted(values)[rank - 1]


def door_to_result(seconds: Sequence[float]) -> DoorToResult | None:
    """Sum up the latest door-to-result times; None when there are none."""
    if not seconds:
        return None
    return DoorToResult(count=len(seconds), p50_s=percentile(seconds, 0.5), p95_s=percentile(seconds, 0.95))
