"""Which reads go to which destination: conditions of the settings, held against the facts of a read. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What conditions may ask of a read, or of what was not read.

    Attributes:
        sender: AE title that sent the study to the node.
        model_id: The card's id.
        modality: (0008,0060) of the series; empty where no header could be read.
    """

    sender: str
    model_id: str
    modality: str


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What must hold for a read to go to a destination; empty ones hold always.

    Attributes:
        senders: AE titles.
        models: Ids of cards.
        modalities: Of the series.
    """

    senders: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()

    def hold_for(self, facts: Facts) -> bool:
        """Say whether all of them hold."""
        modality = facts.modality.strip()  # spaces around a code mean nothing (PS3.5 6.2)
        asked = ((self.senders, facts.sender), (self.models, facts.model_id), (self.modalities, modality))
        return all(not wanted or is_so in wanted for wanted, is_so in asked)


def routed(destinations: Mapping[str, T], conditions: Mapping[str, Conditions], facts: Facts) -> dict[str, T]:
    """Return the destinations whose conditions hold; one without conditions gets everything."""
    return {name: what for name, what in destinations.items() if conditions.get(name, _ALWAYS).hold_for(facts)}


def by_destination(results: Iterable[tuple[str, Sequence[str]]]) -> dict[str, list[str]]:
    """Return the kinds that go to each destination, for the timeline: whoever checks the ledger looks for them."""
    goes_to: dict[str, list[str]] = {}
    for kind, destinations in results:
        for destination in destinations:
            goes_to.setdefault(destination, []).append(kind)
    return goes_to


_ALWAYS = Conditions()
