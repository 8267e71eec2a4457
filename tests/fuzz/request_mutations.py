"""Ways for an association request to be wrong: what comes before its items, and the items of each level."""

import struct
from collections.abc import Mapping
from random import Random

from tests.fuzz.mutations import ORDER, Change, edge, flipped, one, resized
from tests.fuzz.wire_grammar import Item

#: Items of association requests (PS3.8 9.3.2, PS3.7 D.3.3).
ITEM_KINDS = (0x10, 0x20, 0x21, 0x30, 0x40, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x00, 0xFF)


def _header_flipped(chance: Random, parts: list[bytes]) -> None:
    parts[0] = flipped(chance, parts[0])


def _header_version(chance: Random, parts: list[bytes]) -> None:
    parts[0] = struct.pack(">H", chance.choice((0, 2, 3, 0x8000, 0xFFFF))) + parts[0][2:]


def _header_titles(chance: Random, parts: list[bytes]) -> None:
    odd = (
        b" " * 16,
        bytes(16),
        b"WETREAD\0\0".ljust(16),
        b"\\" * 16,
        b"\xff" * 16,
        b"wetread".ljust(16),
        b"\x1b[2J\n\r".ljust(16),
    )
    start = chance.choice((4, 20))
    parts[0] = parts[0][:start] + chance.choice(odd) + parts[0][start + 16 :]


#: Given what comes before the items of an association request, as the one part: protocol version, AE titles.
OF_HEADER: Mapping[str, Change] = {
    "flipped": _header_flipped,
    "version": _header_version,
    "titles": _header_titles,
}


def _item_body(chance: Random, item: Item) -> None:
    item.body = chance.choice((flipped, resized))(chance, item.body)


def _item_text(chance: Random, item: Item) -> None:
    item.body = chance.choice((b"", b"\0", b"1..2", b"1.2.840.10008.1.1", b"\xff" * 70, b"9" * 65, b"1.2 ", b"\\" * 3))


def _item_claims(chance: Random, item: Item) -> None:
    item.claims = edge(chance, len(item.encode()) - 4)


def _item_kind(chance: Random, item: Item) -> None:
    item.kind = chance.choice(ITEM_KINDS)


def _new_item(chance: Random, items: list[Item]) -> None:
    kind = chance.choice(ITEM_KINDS)
    length = chance.choice((0, 1, 2, 4, 8, 30))
    text = struct.pack(">H", chance.choice((0, 4, 17, 0xFFFF))) + b"1.2.840.10008.1.1" + chance.randbytes(4)
    items.insert(chance.randint(0, len(items)), Item(kind=kind, body=chance.choice((chance.randbytes(length), text))))


def _many_items(chance: Random, items: list[Item]) -> None:
    if items:
        items.extend([chance.choice(items)] * chance.choice((128, 300)))


#: Given the items of one level of an association request.
OF_ITEMS: Mapping[str, Change] = {
    **ORDER,
    "body": one(_item_body),
    "text": one(_item_text),
    "claims": one(_item_claims),
    "kind": one(_item_kind),
    "new": _new_item,
    "many": _many_items,
}
