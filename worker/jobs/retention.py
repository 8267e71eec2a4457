"""What may go, and when: images, results, rows of the ledger. Pure: no database, no clock, no disk.

Nothing goes that is not settled, however full the disk is: settled is a study of which nothing arrives, nothing is to
be read, and no result is still to reach a destination.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.jobs.job import DeliveryState, JobState
from worker.jobs.overview import LOST
from worker.settings import RetentionSettings


class Keeping(enum.StrEnum):
    """What is kept of a study, in the order in which it may go."""

    IMAGES = "images"  #: the received instances, in the spool
    RESULTS = "results"  #: the encoded objects, the very bytes that were sent
    ROWS = "rows"  #: the study's lines in the ledger


@dataclass(frozen=True, kw_only=True)
class JobEnd:
    """A job, as far as retention asks.

    Attributes:
        id: Of the ledger.
        state: Of the job.
        told: Whether the note about a read that did not come has been written, where one is due.
        deliveries: States of its results' deliveries, by destination.
        wants_commitment: Destinations whose acceptance alone does not settle a delivery.
    """

    id: int
    state: JobState
    told: bool = True
    deliveries: Mapping[str, frozenset[DeliveryState]]
    wants_commitment: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class StudyEnd:
    """A study, as far as retention asks.

    Attributes:
        id: Of the ledger.
        study_instance_uid: (0020,000D).
        folder: In the spool and among the results.
        receiving: Whether more of it arrives.
        alerts: Notifications that people are being told of; their words come from the images.
        jobs: Of all revisions.
        quiet_since: When the last thing happened to it.
        gone: What went before.
        withdrawing: Destinations where objects of an earlier read are still to be deleted; only the ledger knows which.
    """

    id: int
    study_instance_uid: str
    folder: str
    receiving: bool
    alerts: int
    jobs: tuple[JobEnd, ...]
    quiet_since: datetime
    gone: frozenset[Keeping] = frozenset()
    withdrawing: frozenset[str] = frozenset()


#: What a job that has not ended waits for.
_UNENDED = {
    JobState.QUEUED: "waits to be read",
    JobState.CLAIMED: "is being read",
    JobState.HELD: "is held: `wetread job` says why; `resume` lets go on what an admin holds, else `release-hold` or "
    "`retry`; `cancel` ends it",
}
#: Results of these leave no more, whatever state their deliveries are in.
_WITHOUT_DELIVERY = (JobState.SUPERSEDED, JobState.CANCELLED)
_UNCOMMITTED = (
    "has results that {0} has not committed to keep; where it was asked in vain (`wetread job`) `wetread retry` asks "
    "again, and with commitment = false it need not"
)
_UNSETTLED = {
    DeliveryState.PENDING: "has results that wait for {}",
    DeliveryState.SENDING: "has results on their way to {}",
    DeliveryState.UNCOMMITTED: _UNCOMMITTED,
    DeliveryState.REFUSED: "has results that {} refused",
    DeliveryState.ABANDONED: "has results that were given up for {}",
}


def why_unsettled(study: StudyEnd) -> str:
    """Return why nothing of a study may go; empty where it is settled."""
    if study.receiving:
        return "more of it arrives"
    if study.alerts:
        return "people are being told of its critical finding"
    return next(filter(None, map(_why_unsettled, study.jobs)), "")


def _why_unsettled(job: JobEnd) -> str:
    if job.state in _UNENDED:
        return f"job {job.id} {_UNENDED[job.state]}"
    if not job.told:
        return f"job {job.id} has a note to be written about why it was not read"
    if job.state in _WITHOUT_DELIVERY:
        return ""
    for destination, states in sorted(job.deliveries.items()):
        state = next((state for state in DeliveryState if state in states and state in _UNSETTLED), None)
        waits = _UNSETTLED[state] if state is not None else ""
        if not waits and destination in job.wants_commitment and DeliveryState.ACCEPTED in states:
            waits = _UNCOMMITTED
        if waits:
            return f"job {job.id} {waits.format(destination)}{_remedy(job, state)}"
    return ""


def _remedy(job: JobEnd, state: DeliveryState | None) -> str:
    """Say what an admin can do; a job that ended unread would be read by a retry, and its note stays where it is."""
    if state not in LOST:
        return ""
    again = "`wetread retry` sends them again, " if job.state is JobState.READ else ""
    return f": {again}`wetread waive` lets them be"


def moments(settings: RetentionSettings, now: datetime, *, make_room: bool = False) -> dict[Keeping, datetime]:
    """Return before when a study's latest image must have come for this to go; what never goes is left out.

    Args:
        settings: The site's days.
        now: With zone.
        make_room: Whether the disk is short, so that images go before their days.
    """
    days = {
        Keeping.IMAGES: settings.images_days,
        Keeping.RESULTS: settings.results_days,
        Keeping.ROWS: settings.ledger_days,
    }
    before = {what: now - timedelta(days=kept) for what, kept in days.items() if kept > 0}
    return {**before, Keeping.IMAGES: now} if make_room else before


def due(study: StudyEnd, before: Mapping[Keeping, datetime]) -> tuple[Keeping, ...]:
    """Return what of a settled study goes now, in this order.

    Args:
        study: The study, which must be settled.
        before: From `moments`.
    """
    going: list[Keeping] = []
    for what in Keeping:
        old = what in before and study.quiet_since < before[what]
        # Images without their rows would be taken for new ones at the next start.
        if what is Keeping.ROWS and study.withdrawing:
            old = False
        if what is Keeping.ROWS and not {Keeping.IMAGES, Keeping.RESULTS} <= study.gone.union(going):
            old = False
        if old and what not in study.gone:
            going.append(what)
    return tuple(going)
