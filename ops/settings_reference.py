"""The tables of docs/configure.md, made from the settings themselves, so that they cannot differ."""

import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ops.generated_section import with_section
from ops.settings import Settings, sections_of


def tables() -> str:
    """Return one Markdown table a section, in the order of the settings."""
    plain = [(name, field) for name, field in Settings.model_fields.items() if not sections_of(field.annotation)]
    parts = [_table("at the top", plain)]
    for name, field in Settings.model_fields.items():
        sections = sections_of(field.annotation)
        for section in sections:
            repeated = "tuple" in str(field.annotation)
            title = f"`[[{name}]]`, once each" if repeated else f"`[{name}]`"
            if len(sections) > 1:
                title += f', `kind = "{_kind(section)}"`'
            parts.append(_table(title, list(section.model_fields.items())))
    return "\n\n".join(parts)


def replaced(document: str) -> str:
    """Return the document with its tables as they should be."""
    return with_section(document, "settings", tables())


def main() -> None:
    """Rewrite the document whose path is the first argument."""
    file = Path(sys.argv[1])
    file.write_text(replaced(file.read_text(encoding="utf-8")), encoding="utf-8")


def _kind(section: type[BaseModel]) -> str:
    return str(get_args(section.model_fields["kind"].annotation)[0])


def _table(title: str, fields: list[tuple[str, FieldInfo]]) -> str:
    rows = [f"### {title}", "", "| key | default | what it does |", "|---|---|---|"]
    rows += [f"| `{name}` | {_default(field)} | {what(field)} |" for name, field in fields]
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    if field.default is None:
        return "left out"
    if field.default is PydanticUndefined:
        return "the platform's place for data"
    return f"`{as_toml(field.default)}`"


def as_toml(value: Any) -> str:
    """Return a default as it is written in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def what(field: FieldInfo) -> str:
    """Return what a key does, with its limits."""
    limits = [text for item in field.metadata if (text := _limit(item))]
    return "; ".join([*([field.description] if field.description else []), *limits]).replace("|", "\\|")


def _limit(item: Any) -> str:
    signs = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return ", ".join(f"{words} {getattr(item, name)}" for name, words in signs.items() if hasattr(item, name))


if __name__ == "__main__":
    main()
