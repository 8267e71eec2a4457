"""The tables of docs/configure.md, made from the settings themselves, so that they cannot differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ops.reference.generated_section import rewrite, with_section
from ops.settings import Settings, sections_of


@dataclass(frozen=True, kw_only=True)
class SectionPlace:
    """A section and where it stands.

    Attributes:
        path: Such as ``node.tls``.
        repeated: Whether it may stand several times.
        optional: Whether it may be left out, and has keys that must be set where it is not.
        kinds: How many records its `kind` tells apart.
        model: The record.
    """

    path: str
    repeated: bool
    optional: bool
    kinds: int
    model: type[BaseModel]

    @property
    def header(self) -> str:
        """As it is written in the file."""
        return f"[[{self.path}]]" if self.repeated else f"[{self.path}]"


def sections(model: type[BaseModel] = Settings, path: str = "") -> Iterator[SectionPlace]:
    """Yield all sections, each before those inside it."""
    for name, field in model.model_fields.items():
        found = [] if _inline(field) else sections_of(field.annotation)
        for section in found:
            place = SectionPlace(
                path=f"{path}{name}",
                repeated="tuple" in str(field.annotation),
                optional=field.default is None,
                kinds=len(found),
                model=section,
            )
            yield place
            yield from sections(section, f"{place.path}.")


def keys(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """Return the keys of a section, without the sections inside it."""
    return [(name, field) for name, field in model.model_fields.items() if _inline(field)]


def _inline(field: FieldInfo) -> bool:
    """Say whether a field is a key; a small record with a description, such as a secret, is written as its value."""
    return field.description is not None or not sections_of(field.annotation)


def tables() -> str:
    """Return one Markdown table a section, in the order of the settings."""
    parts = [_table("at the top", keys(Settings))]
    for place in sections():
        title = f"`{place.header}`"
        if place.repeated:
            title += ", once each"
        elif place.optional:
            title += ", where wanted"
        if place.kinds > 1:
            title += f', `kind = "{_kind(place.model)}"`'
        parts.append(_table(title, keys(place.model)))
    return "\n\n".join(parts)


def replaced(document: str) -> str:
    """Return the document with its tables as they should be."""
    return with_section(document, "settings", tables())


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
        return "`~/.local/share/wetread`, or below `XDG_DATA_HOME`"
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
    rewrite(replaced)
