"""What must hold in every ledger, checked over its rows; pure: no database, no files, no clock.

A ledger that breaks one of these was written by something else than wetread, lost a part of it, or shows a defect.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from worker.errors import IllegalTransition, LedgerDamaged
from worker.jobs.job import DeliveryState, JobState, Priority, require_job
from worker.jobs.notification import NoticeState, NotificationState
from worker.ledger.delivery_checks import (
    commitments_wanted,
    superseded_let_go,
    where_deliveries_are,
    where_results_go,
)
from worker.ledger.facts import JobFacts, StudyFacts
from worker.ledger.flaws import NO_MENDING, Check, Flaw, Found, Moment, read_anew
from worker.ledger.job_states import keeps_a_read_back
from worker.ledger.revisions import digest_of_files
from worker.ledger.tables import Delivery, Job, Notice

#: How a job comes to be.
_FIRST = (JobState.QUEUED, JobState.SKIPPED, JobState.HELD)
#: Of the jobs of one model and study, one at most is in each of these.
_ONE_ONLY = (JobState.QUEUED, JobState.READ, JobState.HELD)


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
        for about, what, remedy, mendable in _found(check, facts, moment)
    ]


def _found(check: Check, facts: StudyFacts, moment: Moment) -> list[Found]:
    try:
        return list(check(facts, moment))
    except (TypeError, ValueError, AttributeError, LedgerDamaged) as error:
        # SQLite takes anything in any column; which value it is, is said of the values themselves.
        what = f"this cannot be checked: a value is not what it should be ({type(error).__name__})"
        return [(None, what, NO_MENDING, False)]


def _states(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    for it in facts.jobs:
        states = [
            ("job", it.job.state, JobState),
            *(("delivery", row.state, DeliveryState) for made in it.results for row in made.deliveries),
            *(("notification", row.state, NotificationState) for row in it.notifications),
            *(("notice", row.state, NoticeState) for row in it.notices),
        ]
        for kind, state, known in states:
            if state not in set(known):
                yield it, f"a {kind} is {state!r}, which is no state", NO_MENDING, False
        if it.job.held_from not in ("", JobState.QUEUED, JobState.READ):
            remedy = f"if it is held, `wetread retry {it.job.id}` reads it"
            yield it, f"it is held from {it.job.held_from!r}, from which nothing is held", remedy, False
        if it.job.priority not in set(Priority):
            waits = it.job.state not in (JobState.SUPERSEDED, JobState.CANCELLED)
            remedy = f"`wetread prioritise {it.job.id} routine` gives it one again" if waits else NO_MENDING
            yield it, f"its priority is {it.job.priority!r}, which is none", remedy, False


_REVISED = ("study complete", "series complete")


def _revisions(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    numbers = sorted(revision.number for revision in facts.revisions)
    if numbers != list(range(1, len(numbers) + 1)):
        yield None, f"its revisions are {numbers}", NO_MENDING, False
    # Of a revision of the whole study, or of those series of it that were read early.
    told = {event.detail.get("revision") for event in facts.events if event.kind in _REVISED}
    for number in numbers:
        if number not in told:
            yield None, f"no event {' or '.join(_REVISED)} tells of revision {number}", NO_MENDING, False


def _manifests(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    """The digest of a revision is that of the files of its series, as they were recorded together."""
    for revision in facts.revisions:
        files = [file for row in facts.series if row.revision_id == revision.id for file in row.manifest]
        if digest_of_files(files, revision.completion) != revision.files_digest:
            what = f"the series of revision {revision.number} list {len(files)} files, and not those it was made of"
            remedy = "put a backup of the ledger back; with this one its late images may be read without the others"
            yield None, what, remedy, False


#: What such a job reads, or has read.
_READS = (JobState.QUEUED, JobState.CLAIMED, JobState.READ, JobState.FAILED)


def _inputs(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    listed = {file for row in facts.series for file in row.manifest}
    for it in facts.jobs:
        if len(it.inputs) != 1:
            yield it, f"it has {len(it.inputs)} inputs, not one", NO_MENDING, False
        files = {file for one in it.inputs for file in one.files}
        if not files and it.job.state in _READS:
            yield it, "its input has no files", NO_MENDING, False
        if strange := files - listed:
            yield it, f"{len(strange)} files of its input are in no series of the study", NO_MENDING, False


def _steps(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    for it in facts.jobs:
        told = [kind.removeprefix("job ") for kind in _told(it)]
        if not told or told[-1] != it.job.state:
            last = told[-1] if told else "nothing"
            yield it, f"it is {it.job.state}, and its timeline ends with {last}", NO_MENDING, False
        for before, after in zip([None, *told], told, strict=False):
            if not _may_follow(before, after):
                yield it, f"its timeline goes from {before or 'nothing'} to {after}", NO_MENDING, False


def _told(it: JobFacts) -> list[str]:
    return [event.kind for event in it.events if event.kind.startswith("job ")]


def _may_follow(before: str | None, after: str) -> bool:
    if before is None:
        return after in _FIRST
    try:
        require_job(JobState(before), JobState(after))
    except (IllegalTransition, LedgerDamaged):
        return False
    return True


def _one_read(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    # One that was being read when later images came, and was handed back, waits beside the job that replaces it.
    again = {it.job.supersedes_job_id for it in facts.jobs if it.job.state in (JobState.QUEUED, JobState.HELD)}
    for state in _ONE_ONLY:
        jobs: dict[str, list[JobFacts]] = {}
        for it in facts.jobs:
            if state is not JobState.READ and it.job.id in again:
                continue
            # A read that is held stands beside what waits to take its place, and may be held as well.
            if it.job.state == state and not keeps_a_read_back(_told(it)):
                jobs.setdefault(it.model_id, []).append(it)
        for model_id, found in jobs.items():
            if len(found) > 1:
                ids = ", ".join(str(it.job.id) for it in found)
                yield found[-1], f"of {model_id} the jobs {ids} are {state} at once", NO_MENDING, False


def _results(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    for it in facts.jobs:
        if it.job.state == JobState.READ and not it.results:
            yield it, "it is read and has no results", read_anew(it, "they are sent"), False


def _superseding(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    models = {it.job.id: it.model_id for it in facts.jobs}
    for it in facts.jobs:
        earlier = it.job.supersedes_job_id
        if earlier is None:
            continue
        if earlier >= it.job.id or models.get(earlier) != it.model_id:
            what = f"it supersedes job {earlier}, which is no earlier job of its study and model"
            yield it, what, NO_MENDING, False


def _fences(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    for it in facts.jobs:
        claims = Counter(event.kind for event in it.events)[f"job {JobState.CLAIMED}"]
        if it.job.fence < claims or it.job.attempts > it.job.fence:
            numbers = f"fence {it.job.fence} after {claims} claims and {it.job.attempts} attempts"
            yield it, f"its fence went back: {numbers}", _fence_remedy(it), False
        rows: list[Delivery | Notice] = [row for one in it.results for row in one.deliveries]
        rows += it.notices
        for row in rows:
            if row.attempts > row.fence:
                yield it, f"{_named(row)} has fence {row.fence} after {row.attempts} attempts", NO_MENDING, False
            if isinstance(row, Delivery) and not 0 <= row.in_vain <= row.attempts:
                yield it, f"{_named(row)} was in vain {row.in_vain} of {row.attempts} times", NO_MENDING, False


def _fence_remedy(it: JobFacts) -> str:
    if it.job.state == JobState.CLAIMED:
        return f"`wetread cancel {it.job.id}`, then `wetread retry {it.job.id}`: what is read now does not count"
    return NO_MENDING


def _leases(facts: StudyFacts, moment: Moment) -> Iterator[Found]:
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


def _tokens(facts: StudyFacts, moment: Moment) -> Iterator[Found]:
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
    "a revision has its series": _manifests,
    "a job has its input": _inputs,
    "timelines are legal and end where the job is": _steps,
    "one read a model and study": _one_read,
    "what is superseded is earlier": _superseding,
    "a read has results": _results,
    "results go to who gets them": where_results_go,
    "fences only grow": _fences,
    "who works has a lease": _leases,
    "what is queued has a token": _tokens,
    "deliveries are where their timeline ends": where_deliveries_are,
    "what must be committed to is asked for": commitments_wanted,
    "nothing waits for what is superseded": superseded_let_go,
}
