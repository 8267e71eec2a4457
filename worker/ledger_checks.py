"""What must hold in every ledger, checked over its rows; pure: no database, no files, no clock.

A ledger that breaks one of these was written by something else than wetread, lost a part of it, or shows a defect.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.errors import IllegalTransition
from worker.job import DeliveryState, JobState, require_job
from worker.ledger_clock import Reading
from worker.ledger_facts import JobFacts, StudyFacts
from worker.notification import NoticeState, NotificationState
from worker.object_kinds import wants
from worker.tables import Delivery, Job, Notice

#: How a job comes to be.
_FIRST = (JobState.QUEUED, JobState.SKIPPED, JobState.HELD)
#: Ends of a delivery, each told in the timeline.
_ANSWERED = (
    DeliveryState.ACCEPTED,
    DeliveryState.COMMITTED,
    DeliveryState.REFUSED,
    DeliveryState.REPLACED,
    DeliveryState.ABANDONED,
    DeliveryState.WAIVED,
)
#: Of the jobs of one model and study, one at most is in each of these.
_ONE_ONLY = (JobState.QUEUED, JobState.READ, JobState.HELD)
_NO_MENDING = "nothing mends it by itself; keep a copy of the ledger, and report it with the job's timeline"


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
_Found = tuple[JobFacts | None, str, str, bool]
Check = Callable[[StudyFacts, Moment], Iterator[_Found]]


def flaws_of(facts: StudyFacts, moment: Moment) -> list[Flaw]:
    """Return what does not hold of a study, in the order of `CHECKS`."""
    return [
        Flaw(
            invariant=name,
            study_instance_uid=facts.study.study_instance_uid,
            job_id=about.job.id if about is not None else None,
            what=what,
            remedy=remedy,
            mendable=mendable,
        )
        for name, check in CHECKS.items()
        for about, what, remedy, mendable in check(facts, moment)
    ]


def _states(facts: StudyFacts, _moment: Moment) -> Iterator[_Found]:
    for it in facts.jobs:
        states = [
            ("job", it.job.state, JobState),
            *(("delivery", row.state, DeliveryState) for made in it.results for row in made.deliveries),
            *(("notification", row.state, NotificationState) for row in it.notifications),
            *(("notice", row.state, NoticeState) for row in it.notices),
        ]
        for kind, state, known in states:
            if state not in set(known):
                yield it, f"a {kind} is {state!r}, which is no state", _NO_MENDING, False


_REVISED = ("study complete", "series complete")


def _revisions(facts: StudyFacts, _moment: Moment) -> Iterator[_Found]:
    numbers = sorted(revision.number for revision in facts.revisions)
    if numbers != list(range(1, len(numbers) + 1)):
        yield None, f"its revisions are {numbers}", _NO_MENDING, False
    # Of a revision of the whole study, or of those series of it that were read early.
    told = {event.detail.get("revision") for event in facts.events if event.kind in _REVISED}
    for number in numbers:
        if number not in told:
            yield None, f"no event {' or '.join(_REVISED)} tells of revision {number}", _NO_MENDING, False


def _inputs(facts: StudyFacts, _moment: Moment) -> Iterator[_Found]:
    for it in facts.jobs:
        if len(it.inputs) != 1:
            yield it, f"it has {len(it.inputs)} inputs, not one", _NO_MENDING, False


def _steps(facts: StudyFacts, _moment: Moment) -> Iterator[_Found]:
    for it in facts.jobs:
        told = [event.kind.removeprefix("job ") for event in it.events if event.kind.startswith("job ")]
        if not told or told[-1] != it.job.state:
            last = told[-1] if told else "nothing"
            yield it, f"it is {it.job.state}, and its timeline ends with {last}", _NO_MENDING, False
        for before, after in zip([None, *told], told, strict=False):
            if not _may_follow(before, after):
                yield it, f"its timeline goes from {before or 'nothing'} to {after}", _NO_MENDING, False


def _may_follow(before: str | None, after: str) -> bool:
    if before is None:
        return after in _FIRST
    try:
        require_job(JobState(before), JobState(after))
    except (IllegalTransition, ValueError):
        return False
    return True


def _one_read(facts: StudyFacts, _moment: Moment) -> Iterator[_Found]:
    for state in _ONE_ONLY:
        jobs: dict[str, list[JobFacts]] = {}
        for it in facts.jobs:
            if it.job.state == state:
                jobs.setdefault(it.model_id, []).append(it)
        for model_id, found in jobs.items():
            if len(found) > 1:
                ids = ", ".join(str(it.job.id) for it in found)
                yield found[-1], f"of {model_id} the jobs {ids} are {state} at once", _NO_MENDING, False


def _results(facts: StudyFacts, _moment: Moment) -> Iterator[_Found]:
    for it in facts.jobs:
        if it.job.state == JobState.READ and not it.results:
            yield it, "it is read and has no results", "wetread cannot retry what is read: report it", False


def _deliveries(facts: StudyFacts, moment: Moment) -> Iterator[_Found]:
    """A destination that gets anything of a read gets each kind that it has been getting since before."""
    for it in facts.jobs:
        if it.job.state != JobState.READ:
            continue
        made = {one.result.kind for one in it.results}
        gets = {row.destination for one in it.results for row in one.deliveries}
        for destination in sorted(gets & set(moment.wanted)):
            for one in it.results:
                kind = one.result.kind
                since = moment.first_deliveries.get((destination, kind))
                expected = wants(moment.wanted[destination], kind, made) and since is not None and since <= it.job.id
                if expected and all(row.destination != destination for row in one.deliveries):
                    yield it, f"its {kind} has no delivery to {destination}", _NO_MENDING, False


def _fences(facts: StudyFacts, _moment: Moment) -> Iterator[_Found]:
    for it in facts.jobs:
        claims = Counter(event.kind for event in it.events)[f"job {JobState.CLAIMED}"]
        if it.job.fence < claims or it.job.attempts > it.job.fence:
            numbers = f"fence {it.job.fence} after {claims} claims and {it.job.attempts} attempts"
            yield it, f"its fence went back: {numbers}", "end its worker; then wetread retry", False
        rows: list[Delivery | Notice] = [row for one in it.results for row in one.deliveries]
        rows += it.notices
        for row in rows:
            if row.attempts > row.fence:
                yield it, f"{_named(row)} has fence {row.fence} after {row.attempts} attempts", _NO_MENDING, False


def _leases(facts: StudyFacts, moment: Moment) -> Iterator[_Found]:
    running = "is `wetread node` running? It takes such leases back"
    for it in facts.jobs:
        held: list[Job | Delivery | Notice] = []
        if it.job.state == JobState.CLAIMED:
            held.append(it.job)
        held += [row for one in it.results for row in one.deliveries if row.state == DeliveryState.SENDING]
        held += [row for row in it.notices if row.state == NoticeState.SENDING]
        for row in held:
            if not row.clock or (isinstance(row, Job) and not row.lease_owner):
                yield it, f"{_named(row)} is {row.state} by nobody", running, False
            elif row.clock == moment.now.mark and moment.now.seconds - row.lease_until_s > moment.patience_s:
                over_s = round(moment.now.seconds - row.lease_until_s)
                yield it, f"the lease of {_named(row)} ran out {over_s} s ago", running, False


def _tokens(facts: StudyFacts, moment: Moment) -> Iterator[_Found]:
    """Any token does: who gets it claims the best job of the queue, whichever it was made for."""
    for it in facts.jobs:
        if it.job.state != JobState.QUEUED or not _due_for_long(it, moment):
            continue
        if any(not token.published for token in it.tokens):
            remedy = "is `wetread node` running, and Redis there? It publishes"
            yield it, "it is queued, and its token waits to be published", remedy, False
        elif it.job.queue not in moment.fed:
            remedy = "--mend makes one, as `wetread node` does while it runs"
            yield it, f"it is queued, and no token says so to the workers of {it.job.queue}", remedy, True


def _due_for_long(it: JobFacts, moment: Moment) -> bool:
    since = max([it.job.queued_at, *(event.at for event in it.events)])
    if (moment.wall - since).total_seconds() < moment.patience_s:
        return False
    return it.job.clock != moment.now.mark or moment.now.seconds - it.job.not_before_s > moment.patience_s


def _answers(facts: StudyFacts, _moment: Moment) -> Iterator[_Found]:
    for it in facts.jobs:
        told = {(event.kind, event.detail.get("object"), event.detail.get("destination")) for event in it.events}
        for one in it.results:
            for row in one.deliveries:
                if row.state in _ANSWERED and (f"object {row.state}", one.result.kind, row.destination) not in told:
                    what = f"its {one.result.kind} is {row.state} by {row.destination}, and no event tells so"
                    yield it, what, _NO_MENDING, False


def _named(row: Job | Delivery | Notice) -> str:
    match row:
        case Delivery():
            return f"the delivery to {row.destination}"
        case Notice():
            return f"the notice to {row.channel}"
        case _:
            return "the job"


#: By the name that an admin reads.
CHECKS: Mapping[str, Check] = {
    "states are known": _states,
    "revisions are numbered and told": _revisions,
    "a job has its input": _inputs,
    "timelines are legal and end where the job is": _steps,
    "one read a model and study": _one_read,
    "a read has results": _results,
    "results go to who gets them": _deliveries,
    "fences only grow": _fences,
    "who works has a lease": _leases,
    "what is queued has a token": _tokens,
    "answers of archives are told": _answers,
}
