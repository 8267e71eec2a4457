"""What the sections of a card are made of: strict records, coded concepts, ranges, labels."""

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

Axes = Annotated[str, Field(pattern="^[LRAPIS]{3}$")]


Brightness = Annotated[int, Field(ge=0, le=255)]


Percentile = Annotated[float, Field(ge=0.0, le=100.0)]


#: A distance between voxels; 0: as it is.
Spacing = Annotated[float, Field(ge=0.0)]


def _no_less_than_float32_holds(value: float) -> float:
    if not _SMALLEST <= abs(value) <= _LARGEST:
        raise ValueError(
            f"{value:g} leaves nothing of any image; allowed are numbers from {_SMALLEST:g} to {_LARGEST:g} and their "
            "negatives"
        )
    return value


#: Beyond these a float32, which networks read, is 0 or infinite, or the difference of two is.
_SMALLEST, _LARGEST = 1e-30, 1e30
#: A value of an image, before or after it is normalised.
Value = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]


#: What values are multiplied with: with 0, every image would be the same to the network.
Factor = Annotated[
    float, AfterValidator(_no_less_than_float32_holds), WithJsonSchema({"type": "number", "not": {"const": 0}})
]


#: What values are divided by.
Deviation = Annotated[float, Field(ge=_SMALLEST, le=_LARGEST)]


#: A side of an array, in voxels or pixels.
Side = Annotated[int, Field(ge=1)]


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=80)]


Identifier = Annotated[str, Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


def _written(value: str) -> str:
    if not value.strip() or "\\" in value or not value.isprintable():
        raise ValueError(f"{value!r} cannot stand in DICOM objects; allowed are printable characters, and no backslash")
    return value


#: A text that results show: DICOM separates values by the backslash, and viewers show no control characters.
Written = Annotated[str, AfterValidator(_written)]


def _readable(value: str) -> str:
    # Not `isprintable`: the spaces of French and Japanese are not, and DICOM forbids control characters alone.
    if wrong := sorted({each for each in value if unicodedata.category(each) == "Cc" and each not in "\n\r\t"}):
        raise ValueError(f"{', '.join(map(repr, wrong))} cannot stand in DICOM objects: these are control characters")
    return value


#: A text of sentences that results show, of several lines where it has them.
Text = Annotated[str, AfterValidator(_readable)]


class Strict(BaseModel):
    """A frozen record that refuses keys it does not know, and numbers that are none or infinite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Concept(Strict):
    """A coded concept (PS3.3 8.8): value, scheme designator, meaning."""

    value: Written = Field(min_length=1, max_length=16)
    scheme: Written = Field(min_length=1, max_length=16)
    meaning: Written = Field(min_length=1, max_length=64)

    @property
    def code(self) -> tuple[str, str]:
        """What it is, whatever somebody calls it."""
        return self.value, self.scheme


#: So many digits behind the point decide: what lies further is rounding of the computer's. Ten pixels of 0.8 mm reach
#: 8 mm.
DECIDING_DIGITS = 9


class Range(Strict):
    """An inclusive range of what is never below 0; an end that is left out is open."""

    min: float | None = None
    max: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _holds_something(self) -> "Range":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"nothing lies between min = {self.min:g} and max = {self.max:g}: min is the lower one")
        return self

    def __contains__(self, value: float) -> bool:
        """Say whether the value lies inside."""
        value = round(value, DECIDING_DIGITS)
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def __str__(self) -> str:
        """Say it in words, such as "at least 3 and at most 15"."""
        ends = (("at least", self.min), ("at most", self.max))
        return " and ".join(f"{words} {end:g}" for words, end in ends if end is not None) or "anything"


class Label(Strict):
    """A value of the label map and what it stands for."""

    number: int = Field(ge=1, le=255)
    name: Written = Field(min_length=1, max_length=64, description="what people read, in English")
    names: dict[str, str] = Field(default={}, description="in other languages, such as de = 'Großhirnrinde'")
    concept: Concept = Field(description="Segmented Property Type and Finding Site")
    category: Concept = Field(
        default=Concept(value="91723000", scheme="SCT", meaning="Anatomical Structure"),
        description="Segmented Property Category",
    )
    laterality: Literal["left", "right"] | None = Field(default=None, description="the patient's side that it is of")
    colour_rgb: tuple[Brightness, Brightness, Brightness] = Field(description="red, green, blue, each from 0 to 255")
    plausible_volume_ml: Range = Field(default=Range(), description="outside of it the job fails, and nothing is sent")
    threshold: float | None = Field(
        default=None,
        gt=0.0,
        lt=1.0,
        description="with kind = multi-label or regions: its probability must be above; left out: as [interpretation] "
        "says",
    )
    instances: bool = Field(default=False, description="each connected part is a thing of its own, such as a nodule")
    smallest_ml: float = Field(default=0.0, ge=0, description="connected parts that are smaller are dropped")
    measurements: tuple[Literal["mean", "deviation", "diameters", "count"], ...] = Field(
        default=(),
        description="beside the volume: mean and standard deviation of the images' values inside, longest diameter in "
        "a slice, of one connected part there, and its short axis (instances have these always); count: how many there "
        "are, connected parts of at least smallest_ml, or instances, or boxes",
    )
    counted_as: Concept = Field(
        default=Concept(value="246206008", scheme="SCT", meaning="Number of lesions"),
        description="with the measurement count: what is counted, such as 111038, DCM, Number of calcifications",
    )
    plausible_count: Range = Field(
        default=Range(), description="with the measurement count: how many there can be; else nothing is sent"
    )
    smallest_mm: float = Field(
        default=0.0, ge=0, description="with instances, and only there: parts less wide than this are dropped"
    )

    @field_validator("names")
    @classmethod
    def _names_are_written(cls, names: dict[str, str]) -> dict[str, str]:
        return {language: _written(name) for language, name in names.items()}

    @model_validator(mode="after")
    def _what_is_measured_is_told(self) -> "Label":
        if len(set(self.measurements)) < len(self.measurements):
            raise ValueError("measurements names one twice")
        if self.instances and {"mean", "deviation"} & set(self.measurements):
            raise ValueError("values are measured of structures, not of instances: leave out mean and deviation")
        if self.plausible_count != Range() and not self.counted:
            raise ValueError('plausible_count goes with measurements = ["count"]')
        return self

    @property
    def counted(self) -> bool:
        """Whether it is told as a number how many there are."""
        return "count" in self.measurements

    def name_in(self, language: str) -> str:
        """Return what it is called there, as far as the card says."""
        return self.names.get(language) or self.name


def in_order(**pairs: tuple[float, float] | None) -> None:
    """Raise ValueError, naming the key, unless of each pair the first is the lower one."""
    for key, pair in pairs.items():
        if pair is not None and not pair[0] < pair[1]:
            raise ValueError(f"{key} needs a lower and a higher value, in this order, not {list(pair)}")


def alike(labels: Sequence[Label]) -> str:
    """Return the key and what is wrong where a reader could not tell two labels apart by name; empty where they can."""
    for language in ("", *sorted({language for label in labels for language in label.names})):
        known: dict[str, int] = {}
        for place, label in enumerate(labels):
            told = label.name_in(language)
            first = known.setdefault(told.strip().casefold(), place)
            if first != place:
                key = f"names.{language}" if language in label.names else "name"
                where = f" in {language}" if language else ""
                return f"labels.{place}.{key}: {told!r} is what labels.{first} is called{where} too; allowed is another"
    return ""
