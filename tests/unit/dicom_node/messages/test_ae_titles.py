"""AE titles as they come."""

import pytest

from dicom_node.messages.ae_titles import with_legal_titles


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"CT1             ", b"CT1             "),
        (b"  CT1           ", b"  CT1           "),
        (b"SIXTEEN CHARS 16", b"SIXTEEN CHARS 16"),
        (b"CT1\0\0\0\0\0\0\0\0\0\0\0\0\0", b"CT1             "),
        (b"CT1\0E:\\old\\junk\0", b"CT1             "),
        (bytes(16), b"?               "),
        (b" " * 16, b"?               "),
        (b"\x1b[31mCT1        ", b"?[31mCT1        "),
        (b"A\\B\r\n           ", b"A?B??           "),
        (b"RADIOLOGIE-\xd6L    ", b"RADIOLOGIE-?L   "),
    ],
)
def test_titles_are_read_as_their_senders_mean_them(sent: bytes, read: bytes) -> None:
    """Zeros pad as spaces do; what no title may have is a question mark, and the rest of the request stays."""
    for place in (4, 20):
        body = bytearray(b"\0\1\0\0" + b"WETREAD         " * 2 + bytes(32) + b"items")
        body[place : place + 16] = sent
        before = bytes(body)
        body[place : place + 16] = read
        assert with_legal_titles(before) == bytes(body)


@pytest.mark.parametrize("length", [0, 4, 35])
def test_what_is_too_short_for_titles_stays(length: int) -> None:
    """It is no request, and told as that."""
    assert with_legal_titles(bytes(length)) == bytes(length)
