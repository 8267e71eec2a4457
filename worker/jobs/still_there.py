"""What of earlier reads stands in archives, or may stand there: how an object's way there tells. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from worker.jobs.job import DeliveryState
from worker.object_kinds import INSTEAD, REJECTION

#: What an archive has said that it has.
THERE = frozenset({DeliveryState.ACCEPTED, DeliveryState.UNCOMMITTED, DeliveryState.COMMITTED})
#: What may have been sent, and of which nobody knows whether the archive kept it before the connection broke.
_UNKNOWN = frozenset({DeliveryState.PENDING, DeliveryState.ABANDONED, DeliveryState.REPLACED, DeliveryState.WAIVED})
#: What asks for nothing more where the whole read has arrived.
_AFTER_ARRIVAL = THERE | {DeliveryState.WITHDRAWN, DeliveryState.WAIVED}


@dataclass(frozen=True, kw_only=True)
class Way:
    """An object on its way to a destination.

    Attributes:
        delivery_id: Of the ledger.
        job_id: Of the ledger.
        was_read: Whether the job was ever read: else the object is a note that it was not.
        kind: Of the object.
        destination: Its name.
        state: Of the delivery.
        sendings: How many attempts may have left it there.
    """

    delivery_id: int
    job_id: int
    was_read: bool
    kind: str
    destination: str
    state: DeliveryState
    sendings: int


def may_be_there(state: DeliveryState, sendings: int) -> bool:
    """Tell whether an archive has an object, or may have it: its answer may have been lost on the way."""
    if state in THERE or state is DeliveryState.SENDING:
        return True
    return sendings > 0 and state in _UNKNOWN


def standing(ways: Iterable[Way]) -> list[Way]:
    """Return what of the reads of one study by one model stands at its destinations, the oldest first.

    At each destination that is what the latest read has brought there, and what came before it where that read has not
    arrived whole: as long as it has not, it took nothing's place. Notes of rejection reject for ever.
    """
    places: dict[str, dict[int, list[Way]]] = defaultdict(lambda: defaultdict(list))
    for way in ways:
        places[way.destination][way.job_id].append(way)
    found = [way for jobs in places.values() for way in _standing_at_one(jobs)]
    return sorted(found, key=lambda way: way.delivery_id)


def _standing_at_one(jobs: dict[int, list[Way]]) -> Iterator[Way]:
    for job_id in sorted(jobs, reverse=True):
        for way in jobs[job_id]:
            if way.kind != REJECTION and may_be_there(way.state, way.sendings):
                yield way
        if jobs[job_id][0].was_read and _arrived_whole(jobs[job_id]):
            return


def _arrived_whole(ways: Collection[Way]) -> bool:
    kinds = {way.kind for way in ways}
    states = {
        way.state for way in ways if way.state is not DeliveryState.REPLACED or INSTEAD.get(way.kind) not in kinds
    }
    return states <= _AFTER_ARRIVAL and states != {DeliveryState.WAIVED}
