"""Free rules of a card on any attribute of the images: tests joined by all, any and not. Pure."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from models.card.card_mistakes import did_you_mean
from worker.text_patterns import is_in, regular_expression

#: Keyword to the distinct values of an attribute among a series' images, as text; no key where no image has it.
TagValues = Mapping[str, tuple[str, ...]]

_JOINED = ("all", "any", "not_")
_TESTS = ("present", "equals", "includes", "matches", "at_least", "at_most")
#: Binary, sequences, and names of people: nothing to choose a series by.
_UNFIT = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN", "PN"})
_NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})


class TagRule(BaseModel):
    """Either a test of one attribute, or rules joined by `all`, `any` or `not`.

    A test holds when it holds for every value that the images have, `includes` when it holds for one of them; without
    a value only `present = false` holds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, coerce_numbers_to_str=True)

    all: tuple["TagRule", ...] = ()
    any: tuple["TagRule", ...] = ()
    not_: "TagRule | None" = Field(default=None, alias="not")
    tag: str = Field(default="", description="DICOM keyword, such as ContrastBolusAgent")
    present: bool | None = None
    equals: tuple[str, ...] = Field(
        default=(), description="one of these; case does not matter, nor how a number is written"
    )
    includes: tuple[str, ...] = Field(
        default=(),
        description="one of these is among the values (Image Type (0008,0008) has several), case does not matter",
    )
    matches: str = Field(
        default="",
        description="a regular expression (as in RE2: no look-around, no backreferences) that is found in it, case "
        "does not matter",
    )
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    at_most: float | None = Field(default=None, allow_inf_nan=False)

    @field_validator("equals", "includes", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str | int | float) else value

    @field_validator("tag")
    @classmethod
    def _known(cls, value: str) -> str:
        representations = _representations(value)
        if value and (not representations or representations & _UNFIT):
            near = "" if representations else _nearest_keyword(value)
            raise ValueError(f"{value!r} is no DICOM keyword of a text or a number that is not a person's{near}")
        return value

    @field_validator("equals", "includes")
    @classmethod
    def _of_the_tag(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not all(map(str.strip, value)):
            raise ValueError("an empty text is no value; allowed is present = false")
        tag = info.data.get("tag", "")
        odd = [each for each in value if tag and _is_of_numbers(tag) and _number(each) is None]
        if odd:
            raise ValueError(f"{odd[0]!r} is no number, and {tag} has nothing else")
        return value

    @field_validator("matches")
    @classmethod
    def _regular(cls, value: str) -> str:
        return regular_expression(value)

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        joined = [name for name in _JOINED if getattr(self, name)]
        tests = [name for name in _TESTS if getattr(self, name) not in (None, (), "")]
        if len(joined) + bool(self.tag) != 1 or bool(tests) != bool(self.tag):
            raise ValueError(
                "a rule is either { tag, and at least one of present, equals, includes, matches, at_least, at_most } "
                "or one of all, any, not"
            )
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(
                f"no value could fit: at_least = {self.at_least:g} is more than at_most = {self.at_most:g}"
            )
        return self

    @property
    def tags(self) -> Iterator[str]:
        """Every keyword that is asked for."""
        if self.tag:
            yield self.tag
        for rule in (*self.all, *self.any, *((self.not_,) if self.not_ else ())):
            yield from rule.tags

    def holds(self, values: TagValues) -> bool:
        """Say whether the rule holds for a series."""
        if self.all:
            return all(rule.holds(values) for rule in self.all)
        if self.any:
            return any(rule.holds(values) for rule in self.any)
        if self.not_ is not None:
            return not self.not_.holds(values)
        found = values.get(self.tag, ())
        if self.present is not None and self.present != bool(found):
            return False
        if not found:
            return self.present is False
        included = not self.includes or any(self._is_one_of(self.includes, value) for value in found)
        return included and all(self._fits(value) for value in found)

    def _fits(self, value: str) -> bool:
        if self.equals and not self._is_one_of(self.equals, value):
            return False
        if self.matches and not is_in(self.matches, value):
            return False
        if self.at_least is None and self.at_most is None:
            return True
        number = _number(value)
        return (
            number is not None
            and (self.at_least is None or number >= self.at_least)
            and (self.at_most is None or number <= self.at_most)
        )

    def _is_one_of(self, allowed: Iterable[str], value: str) -> bool:
        if _is_of_numbers(self.tag):
            # A weighting of 1000 is 1000.0 as a float, and 1000 or 1.0E3 as a Decimal String.
            return _number(value) in map(_number, allowed)
        return value.strip().casefold() in {each.strip().casefold() for each in allowed}

    def __str__(self) -> str:
        """Say it in words for the reason why a series was not chosen; names no value that came from outside."""
        if self.all:
            return " and ".join(f"({rule})" if rule.any else str(rule) for rule in self.all)
        if self.any:
            return " or ".join(f"({rule})" if rule.all else str(rule) for rule in self.any)
        if self.not_ is not None:
            return f"not ({self.not_})"
        tests = {
            "present": None if self.present is None else "present" if self.present else "absent",
            "equals": f"one of {', '.join(self.equals)}" if self.equals else None,
            "includes": f"including {' or '.join(self.includes)}" if self.includes else None,
            "matches": f"like {self.matches}" if self.matches else None,
            "at_least": None if self.at_least is None else f"at least {self.at_least:g}",
            "at_most": None if self.at_most is None else f"at most {self.at_most:g}",
        }
        return f"{self.tag} " + " and ".join(words for words in tests.values() if words)


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


@functools.lru_cache(maxsize=256)
def _representations(keyword: str) -> frozenset[str]:
    """Return the value representations that an attribute may have (PS3.6); none of what is no keyword."""
    # It pulls numpy in where that is, and the settings, which have rules too, are read by every part.
    from pydicom.datadict import dictionary_VR, tag_for_keyword  # noqa: PLC0415

    tag = tag_for_keyword(keyword)
    return frozenset() if tag is None else frozenset(dictionary_VR(tag).split(" or "))


def _is_of_numbers(keyword: str) -> bool:
    return not _representations(keyword).isdisjoint(_NUMBERS)


@functools.lru_cache(maxsize=64)
def _nearest_keyword(value: str) -> str:
    """Return what was meant among the thousands that there are; a wrong card is read again with each study."""
    from pydicom.datadict import DicomDictionary  # noqa: PLC0415  # as above

    return did_you_mean(value, (entry[4] for entry in DicomDictionary.values() if entry[4]))
