"""A-ASSOCIATE-RQ and -AC PDUs (PS3.8 9.3.2, 9.3.3) as they come, without what ends pynetdicom's reading and should not.

Some senders pad AE titles and names with zeros, or send none. And whoever reads is required to ignore user information
that it does not know (PS3.8 D.2), and to test of the protocol version nothing but bit 0.
"""

import struct
from collections.abc import Iterator

_REQUEST, _ACCEPTANCE = 0x01, 0x02
#: PDU type, a reserved byte, length; protocol version; what is reserved, the AE titles among it in an -AC; items.
_HEADER, _VERSION = struct.Struct(">BBI"), struct.Struct(">H")
_AFTER_VERSION, _CALLED, _CALLING, _AFTER_TITLES = slice(8, 10), slice(10, 26), slice(26, 42), slice(42, 74)
_ITEMS = 74
_ITEM = struct.Struct(">BBH")
_USER_INFORMATION, _VERSION_NAME = 0x50, 0x55
#: Sub-items of user information that pynetdicom knows (PS3.7 D.3.3).
_KNOWN = frozenset(range(0x51, 0x5A))
_TITLE_LENGTH = _NAME_LENGTH = 16
#: What neither titles nor names may have: control characters, a backslash, what is not ASCII (PS3.5 6.2).
_ILLEGAL = dict.fromkeys((*range(0x20), 0x5C, *range(0x7F, 0x100)), "?")


def legible(pdu: bytearray) -> bytearray:
    """Return an A-ASSOCIATE-RQ or -AC that can be read; any other PDU, and one that is broken, as it is.

    A zero ends a title or a name, as it does for whoever writes one: what follows it is padding. Any other character
    that none may have becomes a question mark, and so does a title of spaces: that is a title which nobody lists, and
    who sends it is rejected with the standard's reason, where it would be aborted without one.
    """
    if len(pdu) < _ITEMS or pdu[0] not in (_REQUEST, _ACCEPTANCE):
        return pdu
    kind, came = pdu[0], bytes(pdu)
    try:
        items = [_item(of, _known(data) if of == _USER_INFORMATION else data) for of, data in _in(came[_ITEMS:])]
    except ValueError:
        return pdu
    (version,) = _VERSION.unpack_from(came, _HEADER.size)
    titles = came[_CALLED], came[_CALLING]
    if kind == _REQUEST:
        titles = _title(came[_CALLED]), _title(came[_CALLING])
    pieces = _VERSION.pack(version & 1), came[_AFTER_VERSION], *titles, came[_AFTER_TITLES], *items
    body = b"".join(pieces)
    return bytearray(_HEADER.pack(kind, 0, len(body)) + body)


def _in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the items in some bytes. Raises ValueError where they are none."""
    position = 0
    while position < len(data):
        if position + _ITEM.size > len(data):
            raise ValueError("the bytes end inside the header of an item")
        kind, _, length = _ITEM.unpack_from(data, position)
        position += _ITEM.size
        if position + length > len(data):
            raise ValueError("an item is longer than what holds it")
        yield kind, data[position : position + length]
        position += length


def _known(user_information: bytes) -> bytes:
    kept = []
    for kind, data in _in(user_information):
        content = _text(data)[:_NAME_LENGTH].encode("ascii") if kind == _VERSION_NAME else data
        if kind in _KNOWN and (content or kind != _VERSION_NAME):
            kept.append(_item(kind, content))
    return b"".join(kept)


def _item(kind: int, data: bytes) -> bytes:
    return _ITEM.pack(kind, 0, len(data)) + data


def _title(title: bytes) -> bytes:
    text = _text(title)
    return (text if text.strip() else "?").ljust(_TITLE_LENGTH).encode("ascii")


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("latin-1").translate(_ILLEGAL)
