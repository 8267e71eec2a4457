"""What a header says of each image in it, as text: its own attributes, and those of its frames' functional groups."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from pydicom.multival import MultiValue

#: (keyword, value), one for each value of an attribute; none of an attribute that is missing or empty.
Values = tuple[tuple[str, str], ...]


def values_of_frames(header: Any, keywords: Collection[str]) -> list[Values]:
    """Return what a header says of these attributes, of each frame that its functional groups describe, else once.

    Of a frame that is what its own groups say, else those of all frames, else the image (PS3.3 C.7.6.16). What a
    private group calls by a name of the standard means what its maker likes, and is none of it. Values are without the
    spaces around them: they pad codes and short texts, and mean nothing (PS3.5 6.2). Raises whatever pydicom raises.
    """
    own = header.get("PerFrameFunctionalGroupsSequence")
    if not own or not keywords:
        return [_flat(_texts([[header]], keywords))] * max(1, len(own or ()))
    # Asked once, not of each of thousands of frames.
    of_all = _texts([*_macros(header.get("SharedFunctionalGroupsSequence")), [header]], keywords)
    return [_flat(of_all | _texts(list(_macros([groups])), keywords)) for groups in own]


def values_by_keyword(frames: Iterable[Values]) -> dict[str, tuple[str, ...]]:
    """Return the distinct values of each attribute among frames, as a rule takes them."""
    found: dict[str, set[str]] = {}
    for values in frames:
        for keyword, value in values:
            found.setdefault(keyword, set()).add(value)
    return {keyword: tuple(sorted(values)) for keyword, values in found.items()}


def text_of(value: Any) -> str:
    """Return a value as text without the spaces around it."""
    return "" if value is None else str(value).strip()


def values_in(value: Any) -> list[Any]:
    """Return the values of an attribute."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple | MultiValue) else [value]


def _macros(sequence: Any) -> Iterator[Sequence[Any]]:
    """Yield the items of each macro of the first functional groups in a sequence."""
    for groups in (sequence or ())[:1]:
        for tag in list(groups.keys()):  # over itself a dataset gives elements, each read into values
            if not tag.is_private and groups[tag].VR == "SQ":
                yield groups[tag].value


def _flat(texts: dict[str, list[str]]) -> Values:
    return tuple((keyword, text) for keyword, told in texts.items() for text in told)


def _texts(places: Sequence[Sequence[Any]], keywords: Collection[str]) -> dict[str, list[str]]:
    """Return the values of each attribute in the first place that has any, and no attribute that none has."""
    return {keyword: texts for keyword in keywords if (texts := _first_texts(places, keyword))}


def _first_texts(places: Sequence[Sequence[Any]], keyword: str) -> list[str]:
    """Return the values in the first place that has any; a macro may have several items, such as one a contrast."""
    for items in places:
        if texts := [text for item in items for value in values_in(item.get(keyword)) if (text := text_of(value))]:
            return texts
    return []
