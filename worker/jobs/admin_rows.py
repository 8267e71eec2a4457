"""A job, its deliveries, its timeline and what is held, as the admin sees them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from worker.jobs.job import DeliveryState, JobState, Priority


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
