"""``[[critical]]`` of a card: which reads somebody must hear of at once."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.card.card_parts import Concept, Strict, Value


class _About(Strict):
    """A rule about one thing that the model says."""

    label: str = Field(default="", description="name of one of the card's [[labels]]")
    concept: Concept | None = Field(
        default=None, description="of a finding about the whole input: its question or its answer"
    )

    @model_validator(mode="after")
    def _about_one_thing(self) -> "_About":
        if bool(self.label) == (self.concept is not None):
            raise ValueError("needs either label (a name of [[labels]]) or concept { value, scheme, meaning }")
        return self


class CertaintyRule(Strict):
    """A finding about the whole input is so certain; one that says *absent*, *no* or *negative* never counts."""

    when: Literal["certainty"]
    concept: Concept = Field(description="the finding's question, such as pneumonia, or its answer, such as a rhythm")
    at_least: float = Field(ge=0, le=100, description="percent")


class PresenceRule(_About):
    """Something is there: a label was found, or a finding about the whole input says so."""

    when: Literal["present"]


class ProbabilityRule(Strict):
    """A detection is at least so probable."""

    when: Literal["probability"]
    label: str
    at_least: float = Field(ge=0, le=100, description="percent")


class DiameterRule(Strict):
    """A structure (with the measurement diameters) or a single detection is at least so wide."""

    when: Literal["diameter"]
    label: str
    at_least: float = Field(gt=0, description="mm")


class VolumeRule(Strict):
    """A structure or a single detection is so large or so small; what was not found never counts."""

    when: Literal["volume"]
    label: str
    at_least: float | None = Field(default=None, ge=0, description="ml")
    at_most: float | None = Field(default=None, ge=0, description="ml")

    @model_validator(mode="after")
    def _one_limit(self) -> "VolumeRule":
        _require_one(self.at_least, self.at_most)
        return self


class NumberRule(Strict):
    """A number of the whole input is so high or so low."""

    when: Literal["number"]
    concept: Concept = Field(description="the number's name, such as 10230-1, LN, Left Ventricular Ejection Fraction")
    at_least: Value | None = Field(default=None, description="in the number's unit")
    at_most: Value | None = Field(default=None, description="in the number's unit")

    @model_validator(mode="after")
    def _one_limit(self) -> "NumberRule":
        _require_one(self.at_least, self.at_most)
        return self


class CountRule(Strict):
    """There are so many or so few of a label that has the measurement count; 0 is a count too."""

    when: Literal["count"]
    label: str
    at_least: int | None = Field(default=None, ge=1)
    at_most: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_limit(self) -> "CountRule":
        _require_one(self.at_least, self.at_most)
        return self


def _require_one(at_least: float | None, at_most: float | None) -> None:
    if (at_least is None) == (at_most is None):
        raise ValueError("needs either at_least or at_most; both limits are two rules")


#: What makes a read critical; the first that fires is enough.
CriticalRule = Annotated[
    CertaintyRule | PresenceRule | ProbabilityRule | DiameterRule | VolumeRule | CountRule | NumberRule,
    Field(discriminator="when"),
]
