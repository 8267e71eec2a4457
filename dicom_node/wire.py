"""PDUs read from a socket, each in one piece, with deadlines: no wait is endless, and what is too long is not read."""

import select
import socket
import ssl
import time
from collections.abc import Callable

from dicom_node.errors import Interrupted, Silent, WireError
from dicom_node.pdata import PDU_HEADER

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
        self._buffer = bytearray(_FIRST_BUFFER)
        # A socket with a timeout asks the system twice for each piece. Its twin shares the connection and never waits.
        self._twin = None if isinstance(connection, ssl.SSLSocket) else connection.dup()
        if self._twin is not None:
            self._twin.settimeout(0.0)

    def close(self) -> None:
        """Give the descriptor back; the connection stays."""
        if self._twin is not None:
            self._twin.close()

    def readable(self, wait_s: float) -> bool:
        """Wait until there is something to read, or the other side has closed."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        return bool(self._poll.poll(wait_s * 1000))

    def wait(self, within_s: float) -> None:
        """Wait until there is something to read. Raises Silent, Interrupted."""
        deadline = time.monotonic() + within_s
        while not self.readable(min(_SLICE_S, max(deadline - time.monotonic(), 0.0))):
            if self._interrupted():
                raise Interrupted("the association ends in the middle of a message")
            if time.monotonic() >= deadline:
                raise Silent("the peer stopped in the middle of a message")

    def read(self, *, longest: int, within_s: float) -> tuple[int, memoryview]:
        """Return the type of the next PDU and its body, what comes after its header.

        Args:
            longest: The most bytes that the body may have.
            within_s: From the first byte to the last.

        Raises EOFError when the other side has closed, WireError for a PDU that is too long, Silent, Interrupted,
        OSError.
        """
        deadline = time.monotonic() + within_s
        self._fill(0, PDU_HEADER.size, deadline)
        kind, _, length = PDU_HEADER.unpack_from(self._buffer)
        if length > longest:
            raise WireError(f"a PDU of type {kind} claims {length} bytes, {longest} are the most")
        if length > len(self._buffer):
            self._buffer = bytearray(length)
        self._fill(0, length, deadline)
        return kind, memoryview(self._buffer)[:length]

    def send(self, data: bytes) -> None:
        """Send all of it. Raises Silent when the peer takes nothing for the socket's timeout, OSError."""
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise Silent("the peer does not take the answer") from error

    def _fill(self, start: int, end: int, deadline: float) -> None:
        with memoryview(self._buffer) as view:
            while start < end:
                count = self._received(view[start:end])
                if count is None:
                    self.wait(deadline - time.monotonic())
                elif count == 0:
                    raise EOFError("the peer closed the connection")
                else:
                    start += count

    def _received(self, view: memoryview) -> int | None:
        """Read what is there; None when nothing is, 0 at the end."""
        try:
            if self._twin is not None:
                return self._twin.recv_into(view)
            before = self._socket.gettimeout()
            self._socket.settimeout(0.0)
            try:
                return self._socket.recv_into(view)
            finally:
                self._socket.settimeout(before)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
