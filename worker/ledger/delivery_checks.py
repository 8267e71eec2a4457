"""What must hold of results on their way: each has a row for whoever gets it, which stands where its timeline ends."""

from collections import Counter
from collections.abc import Iterator

from worker.jobs.job import DeliveryState, JobState
from worker.ledger.facts import JobFacts, ResultFacts, StudyFacts
from worker.ledger.flaws import Found, Moment, read_anew
from worker.ledger.tables import Delivery, Event
from worker.object_kinds import wants

#: What a delivery is after this event; what tells of its state otherwise is named for it.
_AFTER = {"commitment failed": DeliveryState.PENDING}
_TOLD = "object "
#: Before its first answer, and between two.
_ON_THE_WAY = frozenset({DeliveryState.PENDING, DeliveryState.SENDING})
#: (kind of object, destination)
_Way = tuple[str, str]


def where_results_go(facts: StudyFacts, moment: Moment) -> Iterator[Found]:
    """Yield what has no delivery though the job's timeline, or what the destination gets of others, says so."""
    for it in facts.jobs:
        there = Counter((one.result.kind, row.destination) for one in it.results for row in one.deliveries)
        missing = {way for way, count in _promised(it).items() if there[way] < count}
        missing |= {way for way in _told_ways(it) if not there[way]} | set(_expected(it, moment))
        for kind, destination in sorted(missing):
            what = f"its {kind} has no delivery to {destination}"
            yield it, what, read_anew(it, f"the {kind} is sent"), False


def where_deliveries_are(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    """Yield deliveries in another state than that in which the timeline leaves them."""
    for it in facts.jobs:
        by_way: dict[_Way, list[Delivery]] = {}
        for one in it.results:
            for row in one.deliveries:
                by_way.setdefault((one.result.kind, row.destination), []).append(row)
        for (kind, destination), rows in by_way.items():
            told = _states_told(it, kind, destination)
            # Of several objects of a kind the timeline does not say which one it tells of.
            allowed = set(told[-1:]) if len(rows) == 1 else set(told)
            if len(rows) > 1 or not told or told[-1] is DeliveryState.PENDING:
                allowed |= _ON_THE_WAY
            for row in rows:
                if row.state in set(DeliveryState) and row.state not in allowed:
                    ends = f"{told[-1]}" if told else "nothing"
                    what = f"its {kind} is {row.state} by {destination}, and its timeline ends with {ends}"
                    remedy = (
                        f"somebody has changed it by hand: look whether {destination} has the object (`wetread job "
                        f"{it.job.id}` names it); where that does not fit, put a backup of the ledger back"
                    )
                    yield it, what, remedy, False


def superseded_let_go(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    """Yield what waits of superseded jobs, of which nothing leaves any more, and withdrawals that wait for those."""
    models = {it.job.id: it.model_id for it in facts.jobs}
    superseded = {it.job.id for it in facts.jobs if it.job.state == JobState.SUPERSEDED}
    stands = {it.model_id: it.job.id for it in facts.jobs if it.job.state == JobState.READ}
    remedy = "an older wetread has left it so: --mend lets it go"
    for it in facts.jobs:
        for one in it.results:
            for row in one.deliveries:
                if it.job.id in superseded and row.state == DeliveryState.PENDING:
                    what = f"its {one.result.kind} waits for {row.destination}, and nothing of a superseded job leaves"
                    yield it, what, remedy, True
                newer = one.withdrawn_for.get(row.id)
                if newer in superseded and newer < stands.get(models[newer], 0):
                    what = f"its {one.result.kind} is to be deleted by {row.destination} once job {newer} has arrived"
                    yield it, f"{what}, which is superseded itself", remedy, True


def commitments_wanted(facts: StudyFacts, _moment: Moment) -> Iterator[Found]:
    """Yield what counts as delivered only with a commitment that nobody would ask for any more."""
    for it in facts.jobs:
        for one in it.results:
            for row in one.deliveries:
                if row.state == DeliveryState.UNCOMMITTED and row.id not in one.asked_for:
                    what = f"its {one.result.kind} waits for the commitment of {row.destination}, which nobody asks for"
                    yield it, what, "--mend lets `wetread deliver` ask for it", True


def _promised(it: JobFacts) -> Counter[_Way]:
    """Return what the latest read, and each note, was to go where; a read of an older wetread does not say it."""
    promised: Counter[_Way] = Counter()
    for event in it.events:
        goes_to = event.detail.get("goes_to") or {}
        promised |= Counter((kind, destination) for destination, kinds in goes_to.items() for kind in kinds)
    return promised


def _told_ways(it: JobFacts) -> set[_Way]:
    """Return what has been on its way by what the timeline tells of it."""
    return {way for way in map(_way_of, it.events) if way is not None}


def _way_of(event: Event) -> _Way | None:
    kind, destination = event.detail.get("object"), event.detail.get("destination")
    return (kind, destination) if isinstance(kind, str) and isinstance(destination, str) else None


def _expected(it: JobFacts, moment: Moment) -> Iterator[_Way]:
    """Yield what a destination that gets anything of a read has been getting since before, and does not get of this."""
    if it.job.state != JobState.READ:
        return
    made = {one.result.kind for one in it.results}
    gets = {row.destination for one in it.results for row in one.deliveries}
    for destination in gets & set(moment.wanted):
        for one in it.results:
            kind = one.result.kind
            since = moment.first_deliveries.get((destination, kind))
            expected = wants(moment.wanted[destination], kind, made) and since is not None and since <= it.job.id
            if expected and not _goes_there(one, destination):
                yield kind, destination


def _goes_there(one: ResultFacts, destination: str) -> bool:
    return any(row.destination == destination for row in one.deliveries)


def _states_told(it: JobFacts, kind: str, destination: str) -> list[DeliveryState]:
    told: list[DeliveryState] = []
    for event in it.events:
        if _way_of(event) != (kind, destination):
            continue
        name = event.kind.removeprefix(_TOLD)
        if event.kind in _AFTER:
            told.append(_AFTER[event.kind])
        elif event.kind == "commitment given up" and told[-1:] == [DeliveryState.UNCOMMITTED]:
            told.append(DeliveryState.ABANDONED)
        elif event.kind.startswith(_TOLD) and name in set(DeliveryState):
            told.append(DeliveryState(name))
    return told
