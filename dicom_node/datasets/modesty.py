"""Whether a dataset is one that a parser may be given: bytes alone do not say what it costs to make objects of them."""

from collections.abc import Container

from dicom_node.datasets.elements import (
    ITEM_GROUP,
    MOST_ELEMENTS,
    Buffer,
    Element,
    Encoding,
    Tag,
    encoding_of,
    inside,
    name_of_tag,
    read_element,
    skip_undefined,
)
from dicom_node.errors import HeadUnreadable

_SHORTEST = 8
_PIXELS = 0x7FE0
#: Of a value that is looked into and no sequence.
_LONGEST_VALUE = 1 << 20
#: Values that stay bytes.
_BULK = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"))
#: Values whose undefined length is that of fragments, or of another encoding.
_FRAGMENTED = frozenset((b"OB", b"OW", b"UN"))
#: (FFFE,E000) in both byte orders.
_ITEM_STARTS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")


def require_modest(
    dataset: Buffer,
    transfer_syntax_uid: str,
    wanted: Container[Tag] | None = None,
    *,
    before_pixels: bool = True,
    most: int = MOST_ELEMENTS,
) -> None:
    """Refuse a dataset that would take a parser a hundred times its bytes: of millions of items each becomes an object.

    Args:
        dataset: Without file meta information, not deflated.
        transfer_syntax_uid: Of it.
        wanted: Elements that will be looked into; None for all.
        before_pixels: Whether nothing from the pixels on will be looked at.
        most: Elements and items that it may have.

    Raises HeadUnreadable.
    """
    encoding = encoding_of(transfer_syntax_uid)
    position, budget = 0, most
    # Each element, and each item, has at least eight bytes: most datasets need not be walked.
    while budget * _SHORTEST < len(dataset) - position:
        element = read_element(dataset, position, encoding)
        if before_pixels and element.tag[0] >= _PIXELS:
            return
        end = skip_undefined(dataset, element, encoding) if element.length is None else element.start + element.length
        if end > len(dataset):
            raise HeadUnreadable(f"{name_of_tag(element.tag)} claims more bytes than there are; truncated?")
        budget -= 1
        if budget < 0:
            raise HeadUnreadable(f"the dataset has more than {most} elements")
        if (wanted is None or element.tag in wanted) and element.vr not in _BULK:
            if _holds_items(dataset, element):
                budget -= _count_inside(dataset, element, end, encoding, budget, most)
            elif wanted is not None and end - element.start > _LONGEST_VALUE:
                raise HeadUnreadable(
                    f"{name_of_tag(element.tag)} has {end - element.start} bytes, {_LONGEST_VALUE} are the most"
                )
        position = end


def _holds_items(dataset: Buffer, element: Element) -> bool:
    return element.length is None or bytes(dataset[element.start : element.start + 4]) in _ITEM_STARTS


def _count_inside(dataset: Buffer, element: Element, end: int, encoding: Encoding, budget: int, most: int) -> int:
    """Return how many elements and items a sequence has, those of its sequences too. Raises HeadUnreadable."""
    position, read = element.start, 0
    encoding = inside(element.vr, encoding)
    while position < end:
        inner = read_element(dataset, position, encoding)
        read += 1
        if read > budget:
            raise HeadUnreadable(f"{name_of_tag(element.tag)} and what comes before it have more than {most} elements")
        if inner.length is None and inner.vr in _FRAGMENTED:
            position = skip_undefined(dataset, inner, encoding)
        elif inner.tag[0] == ITEM_GROUP or inner.length is None or _holds_items(dataset, inner):
            position = inner.start
        else:
            position = inner.start + inner.length
    return read
