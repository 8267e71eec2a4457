"""Regular expressions of cards and settings, found in what comes from outside in a time that only its length decides.

Python's own `re` tries ways again: `(a+)+$` on thirty letters takes it minutes, in which it lets no other thread of the
node run. pydantic's engine (Rust's `regex`) takes one step a character, whatever the pattern, and refuses what cannot
be done so: look-around and backreferences.
"""

import functools

from pydantic_core import SchemaError, SchemaValidator, core_schema


def regular_expression(value: str) -> str:
    """Return a pattern of a card or of the settings as it is. Raises ValueError where it is none."""
    try:
        _compiled(value)
    except SchemaError as error:
        reason = str(error).rpartition("\n")[2].removeprefix("error: ").strip()
        more = "; say it by not, all and any of a rule instead" if "not supported" in reason else ""
        raise ValueError(f"{value!r} is no regular expression that can be used here ({reason}){more}") from error
    return value


def is_in(pattern: str, text: str) -> bool:
    """Say whether a pattern is found anywhere in a text; case does not matter."""
    # Half a surrogate pair, which a decoder may leave, is no text to it.
    return _compiled(pattern).isinstance_python(text.encode("utf-8", "replace").decode())


@functools.lru_cache(maxsize=512)
def _compiled(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=f"(?i){pattern}", regex_engine="rust-regex"))
