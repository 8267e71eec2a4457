"""``[selection]`` of a card: what it may say, and what is wrong with what it says. Pure."""

import contextlib
import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.card.card_mistakes import did_you_mean, mistakes
from models.card.manifest import Card
from models.errors import CardError
from worker.selecting.tag_rules import TagRule
from worker.text_patterns import regular_expression

Preference = Literal["thinnest-slices", "thickest-slices", "most-images", "fewest-images", "largest-coverage"]


class SeriesRules(BaseModel):
    """Which series is read; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sop_classes: tuple[str, ...] = Field(default=(), description="SOP classes by UID or by name")
    modality: tuple[str, ...] = Field(default=(), description="one of these, such as MR")
    min_slices: int = Field(default=1, ge=0)
    max_slices: int | None = None
    max_slice_spacing_mm: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    min_coverage_mm: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    body_part_examined: tuple[str, ...] = Field(
        default=(), description="one of these (0018,0015), where the images name one"
    )
    image_type_excludes: tuple[str, ...] = Field(
        default=(), description="none of these among the values of Image Type (0008,0008), such as LOCALIZER"
    )
    description_excludes: tuple[str, ...] = Field(
        default=(), description="regular expressions as in matches, case does not matter"
    )
    orientation: tuple[Literal["axial", "coronal", "sagittal"], ...] = Field(
        default=(), description="of the slices, one of these"
    )
    where: TagRule | None = Field(default=None, description="free rules on any attribute, joined by all, any and not")
    images: TagRule | None = Field(
        default=None,
        description="such a rule on each image, and frame of an enhanced one, by itself: of a series only those are "
        "read for which it holds, all else here is asked of these, and the report says how many are not read",
    )
    prefer: tuple[Preference, ...] = Field(
        default=("thinnest-slices", "most-images"),
        description="of several series that fit, the best by these in turn; of equals the one that this model has read "
        "of the study before, else the one with the first UID",
    )

    @field_validator("description_excludes", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("modality", "body_part_examined", "image_type_excludes")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(str.strip, value)):
            raise ValueError("an empty text is no value that any series has; allowed are codes, such as MR")
        return tuple(each.strip().upper() for each in value)

    @field_validator("description_excludes")
    @classmethod
    def _regular(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(regular_expression, value))

    @field_validator("sop_classes")
    @classmethod
    def _uids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = _sop_classes() if value else {}
        for name in value:
            if name not in known and not re.fullmatch(r"[0-9.]{1,64}", name):
                near = did_you_mean(name, known)
                raise ValueError(f"{name!r} is neither a UID nor the name of a SOP class{near}")
        return tuple(known.get(name, name) for name in value)

    @model_validator(mode="after")
    def _can_fit(self) -> Self:
        if self.max_slices is not None and self.max_slices < self.min_slices:
            raise ValueError(
                f"no series could fit: max_slices = {self.max_slices} is less than min_slices = {self.min_slices}"
            )
        return self


class SelectionRules(SeriesRules):
    """``[selection]`` of a card: which series it reads, and which others are channels beside it."""

    channels: dict[str, SeriesRules] = Field(
        default={}, description="by the names of preparation.channels: further series of the study, one for each"
    )
    same_frame_of_reference: bool = Field(
        default=True, description="channels in another Frame of Reference (0020,0052) than the first are refused"
    )


def tags_of(cards: Iterable[Card]) -> frozenset[str]:
    """Return the keywords that these cards' free rules ask for; a card whose rules are wrong asks for none."""
    found: set[str] = set()
    for card in cards:
        with contextlib.suppress(CardError):
            rules = rules_of(card)
            for one in (rules, *rules.channels.values()):
                for rule in (one.where, one.images):
                    found.update(rule.tags if rule is not None else ())
    return frozenset(found)


class _Section(BaseModel):
    """What holds the rules in a card, so that mistakes are told with the section's name."""

    selection: SelectionRules


def rules_of(card: Card) -> SelectionRules:
    """Read ``[selection]``. Raises CardError naming the key and what is allowed."""
    try:
        return _read(card.selection)
    except ValidationError as error:
        raise CardError(f"card of {card.id}: {mistakes(_Section, error)}") from error


def selection_mistakes(selection: Mapping[str, Any]) -> str:
    """Return what is wrong with a ``[selection]``: each key and what is allowed; empty where it is understood."""
    try:
        _read(selection)
    except ValidationError as error:
        return mistakes(_Section, error)
    return ""


def _read(selection: Mapping[str, Any]) -> SelectionRules:
    return _Section.model_validate({"selection": selection}).selection


@functools.cache
def _sop_classes() -> Mapping[str, str]:
    """Return the UIDs of SOP classes by their names."""
    # Every process that knows the models reads their rules, and the model host has no other use for it.
    from pydicom.uid import UID_dictionary  # noqa: PLC0415

    return {entry[0]: uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class"}
