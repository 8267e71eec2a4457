"""Requests for associations, and their answers, as they come."""

import struct

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ

from dicom_node.messages.negotiation import legible
from tests.faults.wire_bytes import associate_rq


def _item(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(data)) + data


def _pdu(*sub_items: bytes, kind: int = 1, version: int = 1, broken: bytes = b"") -> bytearray:
    """Return a request, or an answer, with this user information after the longest PDU and the class UID."""
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"1.2.3.4") + b"".join(sub_items)
    contexts = _item(0x10, b"1.2.840.10008.3.1.1.1")
    if kind == 1:
        contexts += _item(
            0x20, bytes((1, 0, 0, 0)) + _item(0x30, b"1.2.840.10008.1.1") + _item(0x40, b"1.2.840.10008.1.2")
        )
    else:
        contexts += _item(0x21, bytes((1, 0, 0, 0)) + _item(0x40, b"1.2.840.10008.1.2"))
    body = struct.pack(">HH", version, 0) + b"WETREAD".ljust(16) + b"CT1".ljust(16) + bytes(32)
    body += contexts + _item(0x50, user) + broken
    return bytearray(struct.pack(">BBI", kind, 0, len(body)) + body)


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
        (b"RADIOLOGIE-\xd6L   ", b"RADIOLOGIE-?L   "),
    ],
)
def test_titles_are_read_as_their_senders_mean_them(sent: bytes, read: bytes) -> None:
    """Zeros pad as spaces do; what no title may have is a question mark, and the rest of the request stays."""
    for place in (10, 26):
        request = bytearray(associate_rq())
        request[place : place + 16] = sent
        before = bytearray(request)
        request[place : place + 16] = read
        assert legible(before) == request


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"ACME_1", b"ACME_1"),
        (b"ACME\0\0\0\0", b"ACME"),
        (b"ACME_VERSION_1234567", b"ACME_VERSION_123"),
        (b"ACM\xc9\r\n", b"ACM???"),
        (b"", None),
        (b"\0\0", None),
    ],
)
@pytest.mark.parametrize("kind", [1, 2])
def test_an_odd_name_of_a_version_ends_nothing(kind: int, sent: bytes, read: bytes | None) -> None:
    """Nothing depends on it; pynetdicom can read the rest."""
    found = legible(_pdu(_item(0x55, sent), kind=kind))
    assert found == _pdu(*([] if read is None else [_item(0x55, read)]), kind=kind)
    pdu = A_ASSOCIATE_RQ() if kind == 1 else A_ASSOCIATE_AC()
    pdu.decode(bytes(found))
    pdu.to_primitive()


@pytest.mark.parametrize("kind", [1, 2])
def test_what_nobody_knows_is_ignored(kind: int) -> None:
    """User information of a later edition of the standard (PS3.8 D.2), and other versions of the protocol."""
    assert legible(_pdu(_item(0x60, b"new"), _item(0xFF, b""), kind=kind, version=0x8003)) == _pdu(kind=kind)
    assert legible(_pdu(kind=kind, version=2)) == _pdu(kind=kind, version=0)


@pytest.mark.parametrize(
    "pdu",
    [
        bytearray(),
        bytearray(b"\1\0\0\0\0\4abcd"),
        bytearray(b"\4" + bytes(100)),
        _pdu(broken=b"\0"),
        _pdu(broken=b"\x20\0\0\7abc"),
        _pdu(b"\x55\0\0\7abc"),
    ],
)
def test_what_is_broken_stays_as_it_is(pdu: bytearray) -> None:
    """Whoever reads it tells, and ends the association."""
    assert legible(bytearray(pdu)) == pdu
