"""A whole settings file with comments: every key with what it does, as `wetread config example` prints it."""

import textwrap
from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ops.reference.settings_reference import as_toml, keys, sections, what
from ops.settings import Settings

_WIDTH = 100
_HEAD = """\
# Settings of wetread. Every key is optional and stands here with its default: take away the # and change what differs.
# The environment overrides it: WETREAD_NODE__PORT=104 is `port` under [node]. Check it with: wetread config check
"""


def example() -> str:
    """Return the file. What is commented out is TOML that `ops.settings.load` takes."""
    lines = [_HEAD]
    for name, field in keys(Settings):
        lines += _key(name, field)
    for place in sections():
        # What may be left out, or stand several times, has keys without a default.
        head = f"# {place.header}" if place.repeated or place.optional or "." in place.path else place.header
        lines += ["", *_about(place.model), head]
        for name, field in keys(place.model):
            lines += _key(name, field)
    return "\n".join(lines) + "\n"


def _about(section: type[BaseModel]) -> list[str]:
    first = (section.__doc__ or "").strip().split("\n", 1)[0]
    return [f"# {first}"] if first else []


def _key(name: str, field: FieldInfo) -> Iterator[str]:
    for line in textwrap.wrap(what(field), _WIDTH):
        yield f"## {line}"
    words = get_args(field.annotation)
    if field.is_required():
        yield f"# {name} = {as_toml(str(words[0])) if words and isinstance(words[0], str) else '...'}"
    elif field.default is None or field.default_factory is not None:
        yield f"# {name} = ..."
    else:
        yield f"# {name} = {as_toml(field.default)}"
