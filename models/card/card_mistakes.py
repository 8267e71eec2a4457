"""What is wrong with a card, in words: the key, what it holds, and what is allowed there."""

import difflib
import re
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

_QUOTED = re.compile("'([^']*)'")
#: For what pydantic says in Python's words.
_PLAINER = {
    "tuple_type": "must be a list, in [ ]",
    "model_type": "must be a table, in { }",
    "dict_type": "must be a table, in { }",
}
#: Where pydantic finds a table's key wrong, it says so behind the key.
_KEY_ITSELF = "[key]"
#: What each pattern of the card allows; a test asks that none is missing.
IN_WORDS = {
    "^[LRAPIS]{3}$": "three letters, one of L and R, one of A and P, one of I and S, such as LPS",
    "^[0-9a-f]{64}$": "the 64 digits of a SHA-256, 0 to 9 and a to f",
    "^[A-Za-z0-9_][A-Za-z0-9_.-]*$": "a file's name without folders: letters, digits, and _ . - after the first",
    "^[a-z0-9]+(-[a-z0-9]+)*$": "small letters and digits, in parts that are joined by -, such as brain-mask",
    "^[A-Za-z0-9_.-]+$": "letters, digits, and _ . -",
    "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$": "a package's name: letters, digits, and . _ - between them",
    "^((0|[1-9][0-9]*)([.](0|[1-9][0-9]*))+)?$": "a UID: numbers without leading zeros, joined by points",
    "^[A-Za-z0-9][A-Za-z0-9.+!_-]*$": "a version: letters, digits, and . + ! _ - after the first",
}


def mistakes(record: type[BaseModel], error: ValidationError) -> str:
    """Return each mistake that pydantic found in a record, one sentence each, separated by semicolons."""
    return "; ".join(_mistake(record, problem) for problem in error.errors(include_url=False))


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question that names the nearest of what is known, case does not matter; empty where none is near."""
    as_written = {each.lower(): each for each in known}
    near = difflib.get_close_matches(given.lower(), list(as_written), n=1)
    return f", did you mean {as_written[near[0]]}?" if near else ""


def _mistake(record: type[BaseModel], problem: Mapping[str, Any]) -> str:
    keys, annotation, holder = _followed(record, problem["loc"])
    key, kind, context = ".".join(keys), problem["type"], problem.get("ctx", {})
    before = f"{key}: " if key else ""
    if kind == "extra_forbidden":
        known = _keys(holder)
        # A section has up to thirty keys: they are listed only for who is far off.
        return f"{before}unknown key" + (did_you_mean(keys[-1], known) or f"; allowed here are {', '.join(known)}")
    if kind == "missing":
        return f"{before}must be set"
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        tag = _QUOTED.findall(context["discriminator"])[0]
        return f"{key}.{tag}: {_choice(context.get('tag'), _tags(annotation, tag))}"
    if kind == "literal_error":
        allowed = _QUOTED.findall(context["expected"]) or [context["expected"]]
        return f"{before}{_choice(problem['input'], allowed)}"
    if kind == "value_error":
        return before + str(context["error"])
    return before + _not_allowed(problem)


def _not_allowed(problem: Mapping[str, Any]) -> str:
    if words := IN_WORDS.get(problem.get("ctx", {}).get("pattern", "")):
        return f"{problem['input']!r} is not allowed; allowed are {words}"
    # A table or a list would fill the line.
    given = f", not {problem['input']!r}" if isinstance(problem["input"], str | int | float) else ""
    return f"{_PLAINER.get(problem['type'], problem['msg'])}{given}"


def _choice(given: object, allowed: list[str]) -> str:
    said = "must be set" if given is None else f"{given!r} is not known{did_you_mean(str(given), allowed)}"
    return f"{said}; allowed are {', '.join(allowed)}"


def _followed(record: type[BaseModel], place: tuple[int | str, ...]) -> tuple[list[str], Any, type[BaseModel]]:
    """Follow a place that pydantic names.

    Returns its keys without the tags of unions, which nobody wrote in the card, the type there, and the record that
    holds it.
    """
    keys: list[str] = []
    inside: Any = record
    holder = record
    for part in place:
        if part == _KEY_ITSELF:
            continue
        records = _records(inside)
        tagged = next((each for each in records if len(records) > 1 and part in _literals(each)), None)
        if tagged is not None:
            inside = holder = tagged
            continue
        keys.append(str(part))
        if get_origin(_bare(inside)) in {dict, tuple}:
            inside = get_args(_bare(inside))[-1 if get_origin(_bare(inside)) is dict else 0]
        elif len(records) == 1:
            holder = records[0]
            fields = {field.alias or name: field for name, field in holder.model_fields.items()}
            inside = fields[str(part)].annotation if str(part) in fields else Any
    return keys, inside, holder


def _bare(annotation: Any) -> Any:
    """Return a type without `Annotated` and without None beside it."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        rest = [each for each in get_args(annotation) if each is not type(None)]
        return _bare(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _records(annotation: Any) -> list[type[BaseModel]]:
    """Return the records that stand there by themselves, not in a list or a table."""
    bare = _bare(annotation)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return [bare]
    if get_origin(bare) in {Union, UnionType}:
        return [record for each in get_args(bare) for record in _records(each)]
    return []


def _literals(record: type[BaseModel]) -> list[object]:
    return [
        value
        for field in record.model_fields.values()
        if get_origin(field.annotation) is Literal and field.is_required()
        for value in get_args(field.annotation)
    ]


def _tags(annotation: Any, key: str) -> list[str]:
    return [str(value) for record in _records(annotation) for value in get_args(record.model_fields[key].annotation)]


def _keys(record: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in record.model_fields.items()]
