"""The records of what a job supersedes: what stands of earlier reads, and what of it a new read takes the place of."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from worker.instances.instance_reference import InstanceReference


@dataclass(frozen=True, kw_only=True)
class StandingObject:
    """An object that stands at some destination, or may.

    Attributes:
        kind: What it is.
        reference: Which it is.
        destinations: Where it stands, or may.
    """

    kind: str
    reference: InstanceReference
    destinations: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What has left the house before a job is read, for the same study and model.

    Attributes:
        read_at: When the latest of the other jobs was queued, as its objects say it, else this one; UTC.
        of_others: Of jobs of fewer images, the oldest first: reads, and notes that there was none.
        own: Of this job, before it was queued again, the oldest first.
        files: What the latest read among the other jobs was made on, relative to the spool.
    """

    read_at: datetime
    of_others: tuple[StandingObject, ...] = ()
    own: tuple[StandingObject, ...] = ()
    files: tuple[str, ...] = ()

    def covers(self, later: "Standing") -> bool:
        """Tell whether all that stands later is here, at all of its destinations."""
        here = {it.reference: it.destinations for it in (*self.of_others, *self.own)}
        return all(it.destinations <= here.get(it.reference, frozenset()) for it in (*later.of_others, *later.own))


@dataclass(frozen=True, kw_only=True)
class SupersededRead:
    """What a job supersedes, as far as it has left the house.

    Attributes:
        read_at: When it was queued, as its objects say it; UTC.
        objects: Kind and reference of each object that went, or may have gone, to some destination.
        destinations: Which these are.
        later_images: Whether images came since; else the same ones were read again.
        files: What it was made on, relative to the spool; none where the same images were read again.
    """

    read_at: datetime
    objects: tuple[tuple[str, InstanceReference], ...]
    destinations: frozenset[str]
    later_images: bool = True
    files: tuple[str, ...] = ()

    @classmethod
    def of(cls, standing: Standing, own: Collection[StandingObject]) -> "SupersededRead | None":
        """Return what others have left, and these objects of the job's own; None where that is nothing."""
        objects = (*standing.of_others, *own)
        if not objects:
            return None
        return cls(
            read_at=standing.read_at,
            objects=tuple((it.kind, it.reference) for it in objects),
            destinations=frozenset().union(*(it.destinations for it in objects)),
            later_images=bool(standing.of_others),
            files=standing.files,
        )

    @property
    def references(self) -> tuple[InstanceReference, ...]:
        """All of its objects."""
        return tuple(reference for _, reference in self.objects)
