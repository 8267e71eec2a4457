"""Tables for people and pipes: text as it is, UIDs whole."""

from rich.console import Console
from rich.table import Table

_WIDER_THAN_ANY_ROW = 10_000


def console() -> Console:
    """Return the console that tables are printed to; square brackets in reasons are text, not markup."""
    found = Console(markup=False, highlight=False)
    if found.is_terminal:
        return found
    # A pipe has no width: who reads it wants whole UIDs and one row a line.
    return Console(markup=False, highlight=False, width=_WIDER_THAN_ANY_ROW)


def table(*columns: str) -> Table:
    """Return a table whose cells are folded where the terminal is narrow, never cut off."""
    made = Table(box=None)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def plain(text: object) -> str:
    """Return a text from outside (a file's name, a peer's comment) in one line, without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))
