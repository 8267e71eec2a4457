"""Pieces of Markdown that the tables of the documentation are made of."""

from collections.abc import Iterable

from pydicom.uid import UID_dictionary

#: In the standard, and not yet in pydicom's dictionary.
_YOUNGER = {"1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage"}


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table."""
    titles = list(headings)
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def name_of(uid: str) -> str:
    """Return the standard's name of a UID, else the UID."""
    name = str(UID_dictionary[uid][0]) if uid in UID_dictionary else _YOUNGER.get(uid, "")
    return name or uid
