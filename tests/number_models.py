"""Cards of models that answer numbers about the whole input."""

from typing import Any

from models.card.card_parts import Concept
from models.card.manifest import Card
from tests.readings import a_card

FRACTION = Concept(value="10230-1", scheme="LN", meaning="Left Ventricular Ejection Fraction")
PERCENT = Concept(value="%", scheme="UCUM", meaning="Percent")


def numbers_card(**changes: Any) -> Card:
    """Return the card of a network that answers an ejection fraction as a fraction of 1."""
    number = {
        "name": FRACTION.model_dump(),
        "unit": PERCENT.model_dump(),
        "plausible": {"min": 5, "max": 90},
        "scale": 100.0,
        "offset": 1.0,
    }
    interpretation = {"kind": "numbers", "numbers": [number]}
    return a_card(**({"labels": [], "interpretation": interpretation} | changes))
