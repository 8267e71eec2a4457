"""A peer made of bytes: it says what it is told to, right or wrong, and reads what comes back (PS3.8 9.3)."""

import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Self

from dicom_node.contexts import VERIFICATION
from tests.unit.dicom_node.instances import CT, SOP

EXPLICIT = "1.2.840.10008.1.2.1"
ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ = 0x01, 0x02, 0x03
DATA, RELEASE_RQ, RELEASE_RP, ABORT = 0x04, 0x05, 0x06, 0x07
#: What `read` returns as kind when the other side has closed the connection.
CLOSED = 0
COMMAND, LAST = 0x01, 0x02
_PATIENCE_S = 30.0


def pdu(kind: int, body: bytes = b"", *, length: int | None = None) -> bytes:
    """Return a PDU; `length` is what it claims, where that is not the truth."""
    return struct.pack(">BBI", kind, 0, len(body) if length is None else length) + body


def pdv(data: bytes, *, context: int = 1, control: int = 0, length: int | None = None) -> bytes:
    """Return a presentation data value item."""
    said = len(data) + 2 if length is None else length
    return struct.pack(">IBB", said, context, control) + data


def associate_rq(
    contexts: Sequence[tuple[int, str, str]] = ((1, CT, EXPLICIT),), *, called: str = "WETREAD", calling: str = "RAW"
) -> bytes:
    """Return an A-ASSOCIATE-RQ with (context id, abstract syntax, transfer syntax)."""
    items = [_item(0x10, b"1.2.840.10008.3.1.1.1")]
    for number, abstract, transfer in contexts:
        syntaxes = _item(0x30, abstract.encode()) + _item(0x40, transfer.encode())
        items.append(_item(0x20, bytes((number, 0, 0, 0)) + syntaxes))
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"1.2.3.4")
    items.append(_item(0x50, user))
    titles = called.encode().ljust(16) + calling.encode().ljust(16)
    return pdu(ASSOCIATE_RQ, struct.pack(">HH", 1, 0) + titles + bytes(32) + b"".join(items))


def accepting(*user_items: bytes) -> bytes:
    """Return an A-ASSOCIATE-AC for one context, with more user information."""
    syntax = _item(0x40, b"1.2.840.10008.1.2")
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"1.2.3.4") + b"".join(user_items)
    items = _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x21, bytes((1, 0, 0, 0)) + syntax) + _item(0x50, user)
    return pdu(ASSOCIATE_AC, struct.pack(">HH", 1, 0) + bytes(64) + items)


def user_item(kind: int, body: bytes) -> bytes:
    """Return a sub-item of user information."""
    return _item(kind, body)


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def store_rq(
    *,
    sop_instance: str = SOP,
    sop_class: str = CT,
    message: int = 1,
    without: Sequence[int] = (),
    group_length: int | None = None,
) -> bytes:
    """Return the command set of a C-STORE-RQ.

    Args:
        sop_instance: Affected SOP Instance UID.
        sop_class: Affected SOP Class UID.
        message: Message ID.
        without: Elements to leave out.
        group_length: What it claims, where that is not the truth.
    """
    elements: Mapping[int, bytes] = {
        0x0002: _even(sop_class.encode("latin-1")),
        0x0100: struct.pack("<H", 0x0001),
        0x0110: struct.pack("<H", message),
        0x0700: struct.pack("<H", 2),
        0x0800: struct.pack("<H", 1),
        0x1000: _even(sop_instance.encode("latin-1")),
    }
    return _command(elements, without=without, group_length=group_length)


def echo_rq(*, message: int = 1, without: Sequence[int] = (), field: int = 0x0030) -> bytes:
    """Return the command set of a C-ECHO-RQ (PS3.7 9.3.5.1), or of what calls itself something else by `field`."""
    elements = {
        0x0002: _even(VERIFICATION.encode()),
        0x0100: struct.pack("<H", field),
        0x0110: struct.pack("<H", message),
        0x0800: struct.pack("<H", 0x0101),
    }
    return _command(elements, without=without)


def service_rq(
    field: int,
    sop_class: str,
    sop_instance: str,
    *,
    message: int = 1,
    requested: bool = False,
    action: int | None = None,
) -> bytes:
    """Return the command set of a DIMSE-N request with a dataset (PS3.7 10.3)."""
    elements = {
        0x0003 if requested else 0x0002: _even(sop_class.encode()),
        0x0100: struct.pack("<H", field),
        0x0110: struct.pack("<H", message),
        0x0800: struct.pack("<H", 1),
        0x1001 if requested else 0x1000: _even(sop_instance.encode()),
        **({} if action is None else {0x1008: struct.pack("<H", action)}),
    }
    return _command(elements, without=())


def _command(elements: Mapping[int, bytes], *, without: Sequence[int], group_length: int | None = None) -> bytes:
    body = b"".join(
        struct.pack("<HHI", 0, number, len(value)) + value
        for number, value in elements.items()
        if number not in without
    )
    length = len(body) if group_length is None else group_length
    return struct.pack("<HHII", 0, 0, 4, length) + body


def _even(value: bytes) -> bytes:
    return value + b"\0" if len(value) % 2 else value


class RawPeer:
    """A connection to a node."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        """Be used in a with statement."""
        return self

    def __exit__(self, *_ignored: object) -> None:
        """Close."""
        self.socket.close()

    def associate(self, contexts: Sequence[tuple[int, str, str]] = ((1, CT, EXPLICIT),)) -> Self:
        """Ask for an association, which must be accepted."""
        self.send(associate_rq(contexts))
        assert self.read()[0] == ASSOCIATE_AC
        return self

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def store(self, data: bytes, *, context: int = 1, piece: int = 8000, sop_instance: str = SOP) -> None:
        """Send a whole C-STORE request with a dataset of these bytes."""
        self.send(pdu(DATA, pdv(store_rq(sop_instance=sop_instance), context=context, control=COMMAND | LAST)))
        for start in range(0, len(data), piece):
            last = LAST if start + piece >= len(data) else 0
            self.send(pdu(DATA, pdv(data[start : start + piece], context=context, control=last)))

    def status(self) -> int:
        """Read a response; return its status (0000,0900)."""
        kind, body = self.read()
        assert kind == DATA, kind
        at = body.index(struct.pack("<HHI", 0, 0x0900, 2))
        return int(struct.unpack_from("<H", body, at + 8)[0])

    def read(self) -> tuple[int, bytes]:
        """Read a PDU: its kind and body; CLOSED where there is none."""
        try:
            head = self._exactly(6)
            kind, _, length = struct.unpack(">BBI", head)
            return kind, self._exactly(length)
        except (EOFError, ConnectionError):
            return CLOSED, b""

    def end(self) -> int:
        """Read until the association is over; return ABORT where the node said so, CLOSED where it only closed."""
        while True:
            kind, _ = self.read()
            if kind in (ABORT, CLOSED):
                return kind

    def reset(self) -> None:
        """Close so that the other side gets a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data
