"""The record of a read that a later one supersedes."""

from dataclasses import dataclass
from datetime import datetime

from worker.instance_reference import InstanceReference


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
