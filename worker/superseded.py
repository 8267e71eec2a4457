"""The read that a read of later images supersedes, and the sentence that says so."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from pydicom.dataset import Dataset

from worker.instance_hierarchy import hierarchy_of
from worker.prior import InstanceReference
from worker.sentences import Words


@dataclass(frozen=True, kw_only=True)
class SupersededRead:
    """The read that a job supersedes, as far as it has left the house.

    Attributes:
        read_at: When it was queued, as its objects say it; UTC.
        objects: Kind and reference of each object that went, or may have gone, to some destination.
        destinations: Which these are.
    """

    read_at: datetime
    objects: tuple[tuple[str, InstanceReference], ...]
    destinations: frozenset[str]

    @property
    def references(self) -> tuple[InstanceReference, ...]:
        """All of its objects."""
        return tuple(reference for _, reference in self.objects)


def superseding_sentences(superseded: SupersededRead | None, words: Words, zone: tzinfo | None) -> tuple[str, ...]:
    """Return what says that an earlier read no longer counts; nothing where there is none. `zone` is the site's."""
    if superseded is None:
        return ()
    moment = superseded.read_at.astimezone(zone)
    return (words.say("Supersedes the read of {time}: later images came.", time=words.date_time(moment)),)


def predecessors(superseded: SupersededRead | None, kind: str) -> list[Dataset]:
    """Return the items of Predecessor Documents Sequence (0040,A360): the earlier read's report of the same kind."""
    same = [reference for its_kind, reference in (superseded.objects if superseded else ()) if its_kind == kind]
    return hierarchy_of(same)
