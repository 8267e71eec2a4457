"""The AE titles in an A-ASSOCIATE-RQ (PS3.8 9.3.2) as they come: some senders pad them with zeros, or send none."""

#: In the body of the PDU, after protocol version and two reserved bytes.
_CALLED, _CALLING = slice(4, 20), slice(20, 36)
_LENGTH = 16
#: What no AE title may have: control characters, a backslash, what is not ASCII (PS3.5 6.2).
_ILLEGAL = dict.fromkeys((*range(0x20), 0x5C, *range(0x7F, 0x100)), "?")


def with_legal_titles(body: bytes) -> bytes:
    """Return the body of an A-ASSOCIATE-RQ with AE titles that can be read, compared and told.

    A zero ends a title, as it does for whoever writes one: what follows it is padding. Any other character that none
    may have becomes a question mark, and so does a title of spaces: that is a title which nobody lists, and who sends
    it is rejected with the standard's reason, where it would be aborted without one.
    """
    if len(body) < _CALLING.stop:
        return body
    return body[: _CALLED.start] + _legal(body[_CALLED]) + _legal(body[_CALLING]) + body[_CALLING.stop :]


def _legal(title: bytes) -> bytes:
    text = title.partition(b"\0")[0].decode("latin-1").translate(_ILLEGAL)
    return (text if text.strip() else "?").ljust(_LENGTH).encode("ascii")
