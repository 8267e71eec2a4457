"""The JSON Schema of cards and the tables of docs/card.md, made from the card itself, so that they cannot differ.

python -m ops.reference.card_reference models/card_schema.json docs/card.md
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from models.card.manifest import Card
from ops.reference.generated_section import rewrite, with_section
from ops.reference.settings_reference import as_toml, what
from worker.selecting.selection_rules import SelectionRules
from worker.selecting.tag_rules import TagRule


def schema() -> str:
    """Return the JSON Schema of ``model.toml``, for editors that complete and check TOML by one."""
    made = Card.model_json_schema(by_alias=True)
    # `models` keeps the selection for the worker, who knows what is in it.
    made["properties"]["selection"] = SelectionRules.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    made["$defs"] |= made["properties"]["selection"].pop("$defs", {})
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "The card of a wetread model (model.toml)"
    return json.dumps(made, indent=1, sort_keys=True) + "\n"


def tables() -> str:
    """Return one Markdown table for each record of the card, the card's own first."""
    pending: list[type[BaseModel]] = [Card, SelectionRules, TagRule]
    parts, seen = [], set()
    while pending:
        record = pending.pop(0)
        if record in seen:
            continue
        seen.add(record)
        parts.append(_table(record))
        pending += [inner for field in record.model_fields.values() for inner in _records(field.annotation)]
    return "\n\n".join(parts)


def replaced(document: str) -> str:
    """Return the document with its tables as they should be."""
    return with_section(document, "card", tables())


def _table(record: type[BaseModel]) -> str:
    about = inspect.getdoc(record) or ""
    rows = [f"### {record.__name__}", "", about.split("\n\n")[0].replace("\n", " "), ""]
    rows += ["| key | takes | default | what it says |", "|---|---|---|---|"]
    rows += [
        f"| `{field.alias or name}` | {_takes(field.annotation)} | {_default(field)} | {what(field)} |"
        for name, field in record.model_fields.items()
    ]
    return "\n".join(rows)


def _takes(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{as_toml(value)}`" for value in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    inner = [each for each in get_args(annotation) if each not in (type(None), Ellipsis)]
    if annotation is dict or get_origin(annotation) is dict:
        return f"a table of {_takes(inner[-1])}" if inner else "a table"
    if get_origin(annotation) is tuple:
        return f"[{', '.join(_takes(each) for each in inner)}{', ...' if ... in get_args(annotation) else ''}]"
    if inner:
        return " or ".join(dict.fromkeys(_takes(each) for each in inner if not _is_field(each)))
    return {str: "text", int: "whole number", float: "number", bool: "true, false"}.get(annotation, "anything")


def _is_field(value: Any) -> bool:
    return isinstance(value, FieldInfo)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    if field.default in (None, (), {}, ""):
        return "left out"
    if isinstance(field.default, BaseModel):
        return (
            ", ".join(f"`{key} = {as_toml(value)}`" for key, value in field.default if value is not None) or "left out"
        )
    return f"`{as_toml(field.default)}`"


def _records(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [record for inner in get_args(annotation) for record in _records(inner)]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema(), encoding="utf-8")
    rewrite(replaced)
