"""A few values of a dataset and of the sequences in it, read without decoding the rest: what N-services need to know.

A walk like the one of `head`: it goes only as deep as what is wanted, and whatever the bytes are, the only
error is HeadUnreadable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from dicom_node.datasets.elements import Element, Encoding, Tag, read_element, skip_undefined
from dicom_node.errors import HeadUnreadable

#: What is wanted, by tag: None for its value, for a sequence what is wanted of its items.
Wanted: TypeAlias = Mapping[Tag, "Wanted | None"]

_ITEM: Tag = (0xFFFE, 0xE000)
_ITEM_END: Tag = (0xFFFE, 0xE00D)
_SEQUENCE_END: Tag = (0xFFFE, 0xE0DD)
_SEQUENCE_VRS = (b"SQ", b"UN", b"")
_LONGEST_TEXT = 128  # every value that is asked for here is shorter
#: More than a dataset of the allowed length has, unless its items are empty.
_MOST_ITEMS = 60_000


@dataclass(frozen=True, kw_only=True)
class Item:
    """A dataset, or an item of a sequence, as far as it was wanted.

    Attributes:
        texts: Values by tag, Latin-1, padding off; an absent element is not there, an empty one is "".
        values: The same as bytes, for what is no text.
        sequences: Items by tag; an absent sequence is not there.
    """

    texts: dict[Tag, str] = field(default_factory=dict)
    values: dict[Tag, bytes] = field(default_factory=dict)
    sequences: dict[Tag, tuple["Item", ...]] = field(default_factory=dict)


def read_wanted(dataset: memoryview, encoding: Encoding, wanted: Wanted) -> Item:
    """Read what is wanted of a dataset. Raises HeadUnreadable."""
    item, _ = _Walk().elements(dataset, encoding, wanted, closed_by=None)
    return item


class _Walk:
    """One reading, which counts its items."""

    def __init__(self) -> None:
        self._items = 0

    def elements(
        self, data: memoryview, encoding: Encoding, wanted: Wanted, *, closed_by: Tag | None
    ) -> tuple[Item, int]:
        """Read elements to the end, or to the delimiter; return them and where it was."""
        item, position = Item(), 0
        while position < len(data):
            element = read_element(data, position, encoding)
            if element.tag == closed_by:
                return item, element.start
            if element.tag in item.texts or element.tag in item.sequences:
                raise HeadUnreadable("an element is there twice")
            within = wanted.get(element.tag)
            if within is not None:
                item.sequences[element.tag], position = self._sequence(data, element, encoding, within)
                continue
            position = _end_of(data, element, encoding)
            if element.tag in wanted:
                value = bytes(data[element.start : min(position, element.start + _LONGEST_TEXT)])
                item.values[element.tag] = value
                item.texts[element.tag] = value.decode("latin-1").strip(" \0")
        if closed_by is not None:
            raise HeadUnreadable("an item has no end")
        return item, position

    def _sequence(
        self, data: memoryview, element: Element, encoding: Encoding, wanted: Wanted
    ) -> tuple[tuple[Item, ...], int]:
        if element.vr not in _SEQUENCE_VRS:
            raise HeadUnreadable("what should be a sequence is none")
        # PS3.5 6.2.2: in what is sent as UN everything is implicit VR little endian.
        inside = Encoding(implicit=True, big_endian=False) if element.vr == b"UN" else encoding
        end = len(data) if element.length is None else _end_of(data, element, encoding)
        items: list[Item] = []
        position = element.start
        while position < end:
            head = read_element(data[:end], position, inside)
            if head.tag == _SEQUENCE_END and element.length is None:
                return tuple(items), head.start
            if head.tag != _ITEM:
                raise HeadUnreadable("something else than items in a sequence")
            item, length = self._item(data[head.start : end], head, inside, wanted)
            items.append(item)
            position = head.start + length
        if element.length is None:
            raise HeadUnreadable("a sequence has no end")
        return tuple(items), end

    def _item(self, data: memoryview, head: Element, encoding: Encoding, wanted: Wanted) -> tuple[Item, int]:
        self._items += 1
        if self._items > _MOST_ITEMS:
            raise HeadUnreadable(f"more than {_MOST_ITEMS} items")
        if head.length is None:
            return self.elements(data, encoding, wanted, closed_by=_ITEM_END)
        if head.length > len(data):
            raise HeadUnreadable("an item claims more bytes than there are")
        return self.elements(data[: head.length], encoding, wanted, closed_by=None)


def _end_of(data: memoryview, element: Element, encoding: Encoding) -> int:
    end = skip_undefined(data, element, encoding) if element.length is None else element.start + element.length
    if end > len(data):
        raise HeadUnreadable("an element claims more bytes than there are")
    return end
