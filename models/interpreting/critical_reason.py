"""Why a read is critical, as a record that any process may hold: no arrays, so that those that only tell stay small."""

from dataclasses import dataclass, field
from typing import Literal

from models.card.card_parts import Concept

Kind = Literal["certainty", "present", "probability", "diameter", "volume", "count", "number"]


@dataclass(frozen=True, kw_only=True)
class CriticalReason:
    """Why a read is critical: one thing that fulfils one rule. Names no patient, so the ledger may keep it.

    Attributes:
        kind: What the rule asks.
        name: What it is: the label's name, or the meaning of the finding's question or of the number.
        concept: The same, coded.
        names: In other languages, where the card gives them.
        value: What was measured, in `unit`; None where it is only present.
        unit: "%", "mm" or "ml", of a number its own in UCUM; empty for a count, and where it is only present.
        at_least: The rule's lower limit.
        at_most: The rule's upper limit.
        number: Of the detection; None for everything else.
        answer: Of the finding, where it says more than that it is present.
        cut: Whether it reaches the edge of the images, so that it may be larger than what was measured.
    """

    kind: Kind
    name: str
    concept: Concept
    value: float | None = None
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    number: int | None = None
    answer: Concept | None = None
    cut: bool = False
    names: dict[str, str] = field(default_factory=dict)
