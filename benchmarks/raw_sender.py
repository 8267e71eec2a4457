"""A C-STORE sender that costs almost nothing, so that what is timed is the receiver.

Every instance is encoded to P-DATA-TF bytes beforehand; each is then one `sendall` and one wait for its C-STORE-RSP.
All instances of one association share SOP class and transfer syntax.
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_node.part10 import read_meta

LONGEST_PDU = 1 << 20
_ASSOCIATE_RQ, _ASSOCIATE_AC, _P_DATA, _RELEASE_RQ = 0x01, 0x02, 0x04, 0x05
_COMMAND_LAST, _DATA, _DATA_LAST = 0x03, 0x00, 0x02  # message control headers, PS3.8 E.2
_ANSWER_WITHIN_S = 120.0
_PDV_HEADER = 6
_STATUS = 0x0900


class NotAccepted(Exception):
    """The receiver rejects the association, or accepts none of its contexts."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """What is sent.

    Attributes:
        sop_class_uid: Of the dataset.
        sop_instance_uid: Of the dataset.
        transfer_syntax_uid: Of the dataset.
        dataset: Its bytes.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    dataset: bytes


def read_instance(file: Path) -> Instance:
    """Read a DICOM file."""
    meta = read_meta(file)
    return Instance(
        sop_class_uid=meta.sop_class_uid,
        sop_instance_uid=meta.sop_instance_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        dataset=file.read_bytes()[meta.dataset_start :],
    )


class RawAssociation:
    """One association for one presentation context. Its methods raise OSError and EOFError when it breaks."""

    def __init__(self, connection: socket.socket, *, called: str, calling: str, of: Instance) -> None:
        """Negotiate for instances like this one. Raises NotAccepted."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_ANSWER_WITHIN_S)
        self._connection = connection
        connection.sendall(_associate_rq(called, calling, of))
        kind, body = self._receive_pdu()
        if kind != _ASSOCIATE_AC or b"\x21\x00" not in body:
            raise NotAccepted(f"PDU type {kind} answers the association request")
        where = body.find(b"\x51\x00\x00\x04")
        longest = int(struct.unpack_from(">I", body, where + 4)[0]) if where >= 0 else 0
        self.longest_pdu = min(longest or LONGEST_PDU, LONGEST_PDU)

    def store(self, message: bytes) -> int:
        """Send one encoded message; return the status that answers it."""
        self._connection.sendall(message)
        return self.answer()

    def answer(self) -> int:
        """Wait for the status of what was sent."""
        kind, body = self._receive_pdu()
        if kind != _P_DATA:
            raise EOFError(f"PDU type {kind} where an answer was due")
        return _status(body)

    def release(self) -> None:
        """Ask to be released, and wait for the answer."""
        with contextlib.suppress(OSError, EOFError):
            self._connection.sendall(struct.pack(">BBI", _RELEASE_RQ, 0, 4) + bytes(4))
            self._receive_pdu()

    def _receive_pdu(self) -> tuple[int, bytes]:
        kind, _, length = struct.unpack(">BBI", self._receive(6))
        return kind, self._receive(length)

    def _receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._connection.recv(count - len(data))
            if not piece:
                raise EOFError("the receiver closed the connection")
            data += piece
        return data


@contextlib.contextmanager
def associated(
    port: int, of: Instance, *, called: str = "WETREAD", calling: str = "BLAST", tls: ssl.SSLContext | None = None
) -> Iterator[RawAssociation]:
    """Hold an association with a receiver on this machine. Raises NotAccepted, OSError."""
    with contextlib.ExitStack() as opened:
        connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), _ANSWER_WITHIN_S))
        if tls is not None:
            connection = opened.enter_context(tls.wrap_socket(connection, server_hostname="localhost"))
        association = RawAssociation(connection, called=called, calling=calling, of=of)
        yield association
        association.release()


def encode(instance: Instance, message_id: int, longest_pdu: int) -> bytes:
    """Return a whole C-STORE request: a PDU of command, then PDUs of data."""
    step = longest_pdu - 6
    parts = [_p_data(_COMMAND_LAST, _store_rq(message_id, instance))]
    for start in range(0, len(instance.dataset), step):
        last = start + step >= len(instance.dataset)
        parts.append(_p_data(_DATA_LAST if last else _DATA, instance.dataset[start : start + step]))
    return b"".join(parts)


def encoded(instances: Sequence[Instance], longest_pdu: int) -> list[bytes]:
    """Return each instance's request."""
    return [encode(instance, number % 65000 + 1, longest_pdu) for number, instance in enumerate(instances)]


def _status(body: bytes) -> int:
    """Return the Status (0000,0900) of a response in one PDV, whose command set is implicit VR little endian."""
    position = _PDV_HEADER
    while position < len(body):
        _, number, length = struct.unpack_from("<HHI", body, position)
        if number == _STATUS:
            return int(struct.unpack_from("<H", body, position + 8)[0])
        position += 8 + length
    raise EOFError("a response without a status")


def _associate_rq(called: str, calling: str, of: Instance) -> bytes:
    context = struct.pack(">BBBB", 1, 0, 0, 0)
    context += _item(0x30, of.sop_class_uid.encode()) + _item(0x40, of.transfer_syntax_uid.encode())
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"2.25.1") + _item(0x55, b"BLAST")
    body = struct.pack(">HH16s16s32s", 1, 0, called.ljust(16).encode(), calling.ljust(16).encode(), b"")
    body += _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x20, context) + _item(0x50, user)
    return struct.pack(">BBI", _ASSOCIATE_RQ, 0, len(body)) + body


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def _store_rq(message_id: int, instance: Instance) -> bytes:
    elements = (
        (0x0002, _even(instance.sop_class_uid)),
        (0x0100, struct.pack("<H", 1)),
        (0x0110, struct.pack("<H", message_id)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", 1)),
        (0x1000, _even(instance.sop_instance_uid)),
    )
    body = b"".join(struct.pack("<HHI", 0, tag, len(value)) + value for tag, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _even(value: str) -> bytes:
    data = value.encode()
    return data if len(data) % 2 == 0 else data + b"\0"


def _p_data(control: int, fragment: bytes) -> bytes:
    return struct.pack(">BBIIBB", _P_DATA, 0, len(fragment) + 6, len(fragment) + 2, 1, control) + fragment
