"""The one sentence at the top of the page: is all well, is there work, or must somebody act? Pure."""

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ops.audit.watch import AuditState
from ops.certificates import Expiry, troubles_of
from ops.dashboard.wording import count, duration
from worker.jobs.job import JobState
from worker.jobs.notification import NotificationState
from worker.jobs.overview import Alerts, Overview

#: Work that waits for longer than this is more than a queue.
PATIENCE_S = 1800.0
#: Results that were tried and still wait for longer than this mean that the archive is away.
ARCHIVE_PATIENCE_S = 300.0


class Level(enum.StrEnum):
    """How loud the sentence is."""

    WELL = "well"  #: nothing waits
    BUSY = "busy"  #: work waits or runs, as it should
    ATTENTION = "attention"  #: somebody must act


@dataclass(frozen=True, kw_only=True)
class StateSentence:
    """The sentence and how loud it is."""

    level: Level
    text: str


def state_sentence(
    overview: Overview,
    expiries: Sequence[Expiry] = (),
    audit: AuditState | None = None,
    away: Collection[str] = (),
) -> StateSentence:
    """Say in one sentence how the house is; what needs a person comes before what merely waits.

    Args:
        overview: From the ledger.
        expiries: Of certificates and revocation lists.
        audit: How the audit trail is.
        away: What does not do its part of that without which nothing is received or read, such as the broker.
    """
    troubles = _untold(overview.alerts)
    troubles += [f"the {name} does not do its part, so work waits (/readyz says why)" for name in away]
    troubles += _troubles(overview) + troubles_of(expiries)
    troubles += _untraced(audit) if audit is not None else []
    if troubles:
        return StateSentence(level=Level.ATTENTION, text=f"Attention: {'; '.join(troubles)}.")
    work = _work(overview)
    if work:
        return StateSentence(level=Level.BUSY, text=f"{'; '.join(work)}.")
    return StateSentence(level=Level.WELL, text="All is well: nothing waits.")


def _troubles(overview: Overview) -> list[str]:
    troubles: list[str] = []
    if overview.failed_lately:
        troubles.append(f"{count(overview.failed_lately, 'job')} failed in the last 24 h")
    if held := overview.jobs[JobState.HELD]:
        troubles.append(f"{count(held, 'job')} {_is(held)} held until somebody looks")
    if overview.held:
        names = ", ".join(f"{row.kind} {row.name}" for row in overview.held)
        troubles.append(f"{names} {_is(len(overview.held))} held by an admin")
    if overview.lost_lately:
        troubles.append(f"{count(overview.lost_lately, 'result')} not taken by the archive in the last 24 h")
    if overview.oldest_queued_s is not None and overview.oldest_queued_s > PATIENCE_S:
        # A damaged row may hold no text there, and hides no page.
        queues = sorted({str(queue) for (queue, _), waiting in overview.queued.items() if waiting})
        troubles.append(
            f"the oldest job has waited for {duration(overview.oldest_queued_s)} (is a worker running that takes from "
            f"{' and '.join(queues) or 'its queue'}?)"
        )
    for waiting in overview.waiting:
        if waiting.tried and waiting.oldest_s > ARCHIVE_PATIENCE_S:
            verb = "waits" if waiting.count == 1 else "wait"
            troubles.append(
                f"{count(waiting.count, 'result')} {verb} for {waiting.destination}, "
                f"the oldest for {duration(waiting.oldest_s)} (is it reachable?)"
            )
    return troubles


def _untraced(audit: AuditState) -> list[str]:
    if audit.figures is None:
        return ["the audit trail's folder cannot be read"]
    if audit.figures.oldest_s <= ARCHIVE_PATIENCE_S:
        return []
    waiting = audit.figures.waiting
    verb = "waits" if waiting == 1 else "wait"
    age = duration(audit.figures.oldest_s)
    return [f"{count(waiting, 'audit message')} {verb}, the oldest for {age} (is the repository reachable?)"]


def _untold(alerts: Alerts) -> list[str]:
    """Say which critical findings nobody has heard of; nothing is more urgent."""
    troubles: list[str] = []
    if nobody := alerts.count(NotificationState.NOBODY):
        verb = "has" if nobody == 1 else "have"
        troubles.append(f"{count(nobody, 'critical finding')} {verb} nobody to tell (no [[notifications]])")
    if unanswered := alerts.count(NotificationState.UNANSWERED):
        troubles.append(f"{count(unanswered, 'critical finding')} acknowledged by nobody who was told")
    if alerts.lost:
        troubles.append(f"{count(alerts.lost, 'notification')} not taken by a channel")
    return troubles


def _work(overview: Overview) -> list[str]:
    work: list[str] = []
    if waiting := overview.alerts.count(NotificationState.NEW, NotificationState.OPEN):
        verb = "waits" if waiting == 1 else "wait"
        work.append(f"{count(waiting, 'critical finding')} {verb} for an acknowledgement")
    studies = overview.studies_waiting
    if studies and overview.oldest_queued_s is not None:
        verb = "waits" if studies == 1 else "wait"
        age = duration(overview.oldest_queued_s)
        work.append(
            f"{count(studies, 'study', 'studies')} {verb}"
            + (f"; the oldest for {age}" if studies > 1 else f" for {age}")
        )
    elif studies:
        work.append(f"{count(studies, 'study', 'studies')} {_is(studies)} being read; no other waits")
    if overview.studies_receiving:
        receiving = overview.studies_receiving
        work.append(f"{count(receiving, 'study', 'studies')} {_is(receiving)} arriving")
    return work + _results(overview)


def _results(overview: Overview) -> list[str]:
    """Say what waits for whom where a destination is known not to answer: that is not on its way."""
    silent = {name for name, state in overview.destinations.items() if not state.answering}
    told = [
        f"{count(waiting.count, 'result')} {'waits' if waiting.count == 1 else 'wait'} for {waiting.destination}, "
        "which does not answer"
        for waiting in overview.waiting
        if waiting.destination in silent
    ]
    if leaving := sum(waiting.count for waiting in overview.waiting if waiting.destination not in silent):
        told.append(f"{count(leaving, 'result')} {_is(leaving)} on the way")
    return told


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
