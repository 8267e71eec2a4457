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

from tests.faults.wire_bytes import (
    ASSOCIATE_AC,
    COMMAND,
    DATA,
    LAST,
    RELEASE_RQ,
    associate_rq,
    pdu,
    pdv,
    store_rq,
)

LONGEST_PDU = 1 << 20
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


class RawAssociation:
    """One association for one presentation context. Its methods raise OSError and EOFError when it breaks."""

    def __init__(self, connection: socket.socket, *, called: str, calling: str, of: Instance) -> None:
        """Negotiate for instances like this one. Raises NotAccepted."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_ANSWER_WITHIN_S)
        self._connection = connection
        connection.sendall(
            associate_rq([(1, of.sop_class_uid, of.transfer_syntax_uid)], called=called, calling=calling)
        )
        kind, body = self._receive_pdu()
        if kind != ASSOCIATE_AC or b"\x21\x00" not in body:
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
        if kind != DATA:
            raise EOFError(f"PDU type {kind} where an answer was due")
        return _status(body)

    def release(self) -> None:
        """Ask to be released, and wait for the answer."""
        with contextlib.suppress(OSError, EOFError):
            self._connection.sendall(pdu(RELEASE_RQ, bytes(4)))
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
    command = store_rq(sop_instance=instance.sop_instance_uid, sop_class=instance.sop_class_uid, message=message_id)
    parts = [pdu(DATA, pdv(command, control=COMMAND | LAST))]
    for start in range(0, len(instance.dataset), step):
        last = start + step >= len(instance.dataset)
        parts.append(pdu(DATA, pdv(instance.dataset[start : start + step], control=LAST if last else 0)))
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
