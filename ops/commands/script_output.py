"""What `--json` prints: plain values by name, times in ISO 8601, levels by the word that the command line takes."""

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel


def for_scripts(value: object) -> str:
    """Return it as JSON."""
    return json.dumps(plain(value), indent=1)


def plain(value: object) -> Any:
    """Return a record of ours, and what it holds, as JSON has it."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    elif is_dataclass(value):
        # By hand, not by asdict: what it holds may be records of other kinds.
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return _word(value)


def _word(value: object) -> str | float | None:
    match value:
        case datetime():
            return value.isoformat()
        case enum.IntEnum():
            return value.name.lower()
        case str() | int() | float() | None:
            return value
        case _:
            return str(value)
