"""PDUs read from a socket, each in one piece, with deadlines: no wait is endless, and what is too long is not read."""

import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dicom_node.errors import Interrupted, Silent, WireError
from dicom_node.messages.pdata import PDU_HEADER

#: How long a wait may last before it is asked whether the association ends meanwhile.
_SLICE_S = 0.25
_FIRST_BUFFER = 1 << 16


class PduReader:
    """Reads the PDUs of one connection. A PDU's bytes are valid until the next one is read."""

    def __init__(self, connection: socket.socket, *, interrupted: Callable[[], bool]) -> None:
        """Take the connection, which must have a timeout, and who says that the association ends."""
        self._socket = connection
        self._interrupted = interrupted
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)
        self._awaited = select.POLLIN
        self._header = bytearray(PDU_HEADER.size)
        self._buffer = bytearray(_FIRST_BUFFER)
        # Bytes of the next header, taken to know that a PDU comes.
        self._taken = 0
        self._ended = False
        # A socket with a timeout asks the system twice for each piece. Its twin shares the connection and never waits.
        self._twin = None if isinstance(connection, ssl.SSLSocket) else connection.dup()
        if self._twin is not None:
            self._twin.settimeout(0.0)

    def close(self) -> None:
        """Give the descriptor back; the connection stays."""
        if self._twin is not None:
            self._twin.close()

    def readable(self, wait_s: float) -> bool:
        """Wait until there is something to read, or the other side has closed. Raises OSError."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return bool(self._poll.poll(wait_s * 1000))
        deadline = time.monotonic() + wait_s
        while not self._taken and not self._ended:
            if not self._socket.pending() and not self._something(max(deadline - time.monotonic(), 0.0)):
                return False
            # What came may be TLS's own (a ticket, a new key, half a record): only a PDU's byte proves that one comes.
            with self._not_waiting():
                count = self._received(memoryview(self._header))
            self._taken, self._ended = count or 0, count == 0
        return True

    def wait(self, within_s: float) -> None:
        """Wait until there is something to read. Raises Silent, Interrupted, OSError."""
        if self._twin is not None and not self._interrupted():
            # It is there already, more often than not: taken without asking for it.
            count = self._received(memoryview(self._header))
            if count is not None:
                self._taken, self._ended = count, count == 0
                return
        self._wait(self.readable, within_s)

    def read(self, *, longest: int, within_s: float) -> tuple[int, memoryview]:
        """Return the type of the next PDU and its body, what comes after its header.

        Args:
            longest: The most bytes that the body may have.
            within_s: From the first byte to the last.

        Raises EOFError when the other side has closed, WireError for a PDU that is too long, Silent, Interrupted,
        OSError.
        """
        deadline = time.monotonic() + within_s
        with self._not_waiting():
            start, self._taken = self._taken, 0
            self._fill(memoryview(self._header)[start:], deadline)
            kind, _, length = PDU_HEADER.unpack(self._header)
            if length > longest:
                raise WireError(f"a PDU of type {kind} claims {length} bytes, {longest} are the most")
            if length > len(self._buffer):
                self._buffer = bytearray(length)
            body = memoryview(self._buffer)[:length]
            self._fill(body, deadline)
        return kind, body

    def discard(self) -> bool:
        """Read what is there and forget it; False where nothing is, or the other side has closed. Raises OSError."""
        with self._not_waiting():
            return bool(not self._ended and self._received(memoryview(self._buffer)))

    def send(self, data: bytes) -> None:
        """Send all of it. Raises Silent when the peer takes nothing for the socket's timeout, OSError."""
        try:
            sent = self._twin.send(data) if self._twin is not None else 0
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return
        try:
            self._socket.sendall(data[sent:])
        except TimeoutError as error:
            raise Silent("the peer does not take the answer") from error

    def _fill(self, view: memoryview, deadline: float) -> None:
        start = 0
        while start < len(view):
            count = 0 if self._ended else self._received(view[start:])
            if count is None:
                self._wait(self._something, deadline - time.monotonic())
            elif count == 0:
                raise EOFError("the peer closed the connection")
            else:
                start += count

    def _wait(self, there: Callable[[float], bool], within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while True:
            # Before it is known whether there is something: of a peer that never pauses there always is.
            if self._interrupted():
                raise Interrupted("the association ends in the middle of a message")
            if there(min(_SLICE_S, max(deadline - time.monotonic(), 0.0))):
                return
            if time.monotonic() >= deadline:
                raise Silent("the peer stopped in the middle of a message")

    def _something(self, wait_s: float) -> bool:
        return bool(self._poll.poll(wait_s * 1000))

    def _await(self, what: int) -> None:
        if what != self._awaited:
            self._poll.modify(self._socket.fileno(), what)
            self._awaited = what

    @contextmanager
    def _not_waiting(self) -> Iterator[None]:
        """Hold a TLS connection in the mode that never waits; it has no twin, and answers are sent with its timeout."""
        if self._twin is not None:
            yield
            return
        before = self._socket.gettimeout()
        self._socket.settimeout(0.0)
        try:
            yield
        finally:
            self._socket.settimeout(before)

    def _received(self, view: memoryview) -> int | None:
        """Read what is there; None when nothing is, 0 at the end."""
        try:
            count = (self._twin or self._socket).recv_into(view)
        except (BlockingIOError, ssl.SSLWantReadError):
            count = None
        except ssl.SSLWantWriteError:
            # TLS has something of its own to answer first, and the peer takes nothing now.
            self._await(select.POLLOUT)
            return None
        self._await(select.POLLIN)
        return count
